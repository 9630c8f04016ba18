"""Numbers of things, sizes and loads, as text."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return the number and the noun, in the plural if needed: `1 camera`, `3 cameras`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size_text(count: float) -> str:
    """Return a number of bytes in decimal units: `12 kB`, `340 MB`, `1.2 GB`."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def reduced_words(level: int, max_level: int, machine: str = "this machine") -> str:
    """Return a line about a reduced quality."""
    return f"reduced detail: {machine} is busy (ease level {level} of {max_level})"
