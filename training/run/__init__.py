"""One training run: batches, losses, the loop and its checkpoints."""
