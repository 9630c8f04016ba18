"""Comparison of a new checkpoint with the one in use, before it takes its place."""
