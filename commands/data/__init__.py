"""`partstream data`: check, generate and import data."""
