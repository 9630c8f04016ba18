"""Evaluation of a network during training, on held-out data."""
