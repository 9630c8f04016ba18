"""Real footage with labels: files, runs and scoring."""
