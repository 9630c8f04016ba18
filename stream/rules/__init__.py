"""Zones: where in a camera's picture people are. Pure, without input and output."""
