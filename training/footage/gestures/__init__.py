"""Gestures that no action label names: human labels of videos of a data folder."""
