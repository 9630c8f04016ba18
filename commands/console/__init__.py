"""Live tables and progress in a terminal."""
