"""Printable: a renderable without the control characters that text from elsewhere may contain."""

from __future__ import annotations

import unicodedata

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

HIDDEN_CATEGORIES = ("Cc", "Cf", "Cs")
"""Unicode categories of control characters, of those that change the direction of text, and of surrogates."""


class Printable:
    """Another renderable, drawn without control characters, which could otherwise control the terminal."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            text, style, control = segment
            if control is None and not text.isprintable():
                yield Segment("".join(letter for letter in text if _is_shown(letter)), style)
            else:
                yield segment


def _is_shown(letter: str) -> bool:
    return letter == "\n" or unicodedata.category(letter) not in HIDDEN_CATEGORIES
