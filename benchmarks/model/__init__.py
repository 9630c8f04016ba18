"""Benchmarks of the packaged model."""
