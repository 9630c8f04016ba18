"""Movements that are none of the other actions."""
