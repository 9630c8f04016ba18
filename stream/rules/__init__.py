"""Zones: where in a camera's picture people are. Pure, in media time, without input and output."""
