"""Traces of single frames."""
