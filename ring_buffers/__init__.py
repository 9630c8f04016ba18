"""Bounded memory: between threads (frames) and over time (the state of every tracked person)."""
