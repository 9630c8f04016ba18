"""Cameras of a running engine: their life cycle, control and events."""
