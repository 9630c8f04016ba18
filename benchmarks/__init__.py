"""Measurements side by side, in one run, against a bare loop and against peers."""
