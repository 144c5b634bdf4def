"""The kiosk: a full-screen window for public places."""
