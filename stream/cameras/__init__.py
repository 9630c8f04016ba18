"""Cameras of a running engine: life cycle, control, and events of actions."""
