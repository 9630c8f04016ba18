"""Cameras that a command opens or waits for."""
