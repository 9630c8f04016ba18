"""Figures and tables of a generated test set."""
