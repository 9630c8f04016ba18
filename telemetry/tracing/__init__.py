"""Traces of frames."""
