"""Fleets: many engines as one system."""
