"""Picking up and carrying."""
