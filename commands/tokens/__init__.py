"""`partstream tokens`."""
