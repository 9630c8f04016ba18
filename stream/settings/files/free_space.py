"""The message that a disk has too little free space."""

from __future__ import annotations

_UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def too_little(free: int, setting: str, least: int) -> str:
    """Return that `free` bytes are less than the setting's `least`, with two amounts that differ."""
    texts = _text(free), _text(least)
    if texts[0] == texts[1]:
        texts = f"{free} bytes", f"{least} bytes"
    return f"{texts[0]} are free, less than {setting} ({texts[1]})"


def _text(count: int) -> str:
    """Return a number of bytes in decimal units, as in settings."""
    for unit, size in _UNITS:
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
