"""Bounded buffers: frames between threads, and the state of tracked people over time."""
