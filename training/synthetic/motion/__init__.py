"""Procedural motion of gestures and the skeleton that it moves."""
