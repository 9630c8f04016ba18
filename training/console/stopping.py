"""Ends long work at its next good moment when Ctrl-C or SIGTERM comes. Owns the signals' handlers while it lasts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopped_by_signals() -> Generator[Callable[[], bool]]:
    """While this lasts, SIGINT and SIGTERM only make the function it gives say True; a second one acts as ever."""
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: bool(received)
    finally:
        for number in numbers:
            signal.signal(number, before[number])
