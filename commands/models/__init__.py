"""Commands that train, run and evaluate checkpoints."""
