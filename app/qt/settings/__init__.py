"""The pages of settings and about."""
