"""What a training step changes: weights, optimiser, batches and losses, and its state on disk."""
