"""A training run: from a configuration and data to a checkpoint."""
