"""The engine's load in words, for the live table and `top`."""

from __future__ import annotations

from rich.text import Text


def load_words(level: int, max_level: int, overloaded: bool) -> Text | None:
    """Return a line about a reduced quality or an overload; None at full quality without overload."""
    if overloaded:
        reduced = f" at the highest ease level ({level})" if level else ""
        return Text(f"overloaded: frames are dropped{reduced}. Lower max_fps or detector_size", "yellow")
    return Text(reduced_words(level, max_level), "dim") if level else None


def reduced_words(level: int, max_level: int, machine: str = "this machine") -> str:
    """Return a line about a reduced quality."""
    return f"reduced detail: {machine} is busy (ease level {level} of {max_level})"
