"""Verdicts of people on incidents, kept in the layout that training reads."""
