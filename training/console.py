"""A progress bar on stderr, and stopping of long work at a convenient point after Ctrl-C, SIGTERM or SIGHUP."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def progress_bar(words: str) -> Generator[Callable[[int, int], None]]:
    """Show a bar, if stderr is a terminal, and yield a function to call with (done, total)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(words, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def stopped_by_signals() -> Generator[Callable[[], bool]]:
    """Yield a function that returns True after SIGINT, SIGTERM or SIGHUP; a second signal has its usual effect.

    SIGHUP, which a closed terminal sends, stays ignored if it is (`nohup`).
    """
    received: list[int] = []
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: bool(received)
    finally:
        for number in numbers:
            signal.signal(number, before[number])


@contextmanager
def ctrl_c_ignored() -> Generator[None]:
    """Let processes started meanwhile ignore Ctrl-C; the parent handles it and lets them finish their work."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
