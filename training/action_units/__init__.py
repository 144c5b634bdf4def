"""Action-unit recognition: UGN, its losses, training, calibration and export."""
