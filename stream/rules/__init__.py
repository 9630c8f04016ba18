"""Measures of bodies, zones and lines: where in a camera's picture people are. Pure, without input and output."""
