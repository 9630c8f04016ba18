"""`partstream privacy`: backgrounds for skeleton mode."""
