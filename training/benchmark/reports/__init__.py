"""Reports of an evaluation: its summary, a page and plots."""
