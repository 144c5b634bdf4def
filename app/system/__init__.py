"""What this installation and machine have: checks, licences, model cards."""
