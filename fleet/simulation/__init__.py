"""The placement with simulated engines on a virtual clock: to try it, and to measure it with thousands of engines."""
