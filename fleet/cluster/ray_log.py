"""Why Ray has ended, from what it has written to its log."""

from __future__ import annotations

import re
from pathlib import Path

from fleet.cluster.settings import ClusterSettings

MOST_BYTES = 64 << 10
MOST_CHARACTERS = 300
_COLOUR = re.compile(r"\x1b\[[0-9;]*m|(?<!\w)\[\d+m")
_PORT = re.compile(r"specified port is (\d+)")
_REFUSED = "InvalidAuthToken"
_OF_A_LINE = re.compile(r"^(\[?\d{4}-\d\d-\d\d \S+ ?[^\]\s]*.*?(\]|--) )(\(\w+\) )?(\w+\.cc:\d+: )?\s*")
"""What Ray puts before a message: time, level, process and source."""
_TELLS = re.compile(r"[Ee]rror|[Ff]ail|unexpected|[Cc]annot|[Uu]nable|[Mm]ismatch")


def reason(log: Path, begin: int, cluster: ClusterSettings, head: str | None) -> str:
    """Return why Ray ended, as a sentence without full stop; empty if it has not written why.

    `begin`: where the run's text begins in the log. `head`: the host that it was to join; None: it is the head. The
    sentence never contains the token.
    """
    try:
        text = _text(log, begin)
    except OSError:
        return ""
    if (port := _PORT.search(text)) is not None:
        return f"port {port[1]} is in use: set another cluster.first_port"
    if _REFUSED in text:
        if head is None:
            return f"another Ray, with another token, has port {cluster.first_port}: set another cluster.first_port"
        return f"the head at {head} refuses the token in {cluster.token_file}: copy the head's file again"
    return _last_line(_without_token(text, cluster.token_file))  # before a line is cut, perhaps within a token


def _text(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(begin if begin <= size else 0, size - MOST_BYTES))
        return _COLOUR.sub("", file.read(MOST_BYTES).decode(errors="replace"))


def _last_line(text: str) -> str:
    """Return the last line that tells of a failure."""
    lines = (line for line in reversed(text.splitlines()) if line[:1].strip() and _TELLS.search(line))
    line = _OF_A_LINE.sub("", next(lines, ""))
    return "".join(letter if letter.isprintable() else " " for letter in line)[:MOST_CHARACTERS].strip(" .:")


def _without_token(text: str, token_file: Path) -> str:
    try:
        token = token_file.read_text(errors="replace").strip()
    except OSError:
        return text
    return text.replace(token, "***") if token else text
