"""Batches of frames through the model, in the inference thread."""
