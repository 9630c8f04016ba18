"""Making checkpoints: generated motion, the data set's format, its metric, the training loop."""
