"""Punches and kicks."""
