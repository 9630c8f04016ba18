"""Connections of a bound socket: which are open, and which to close."""
