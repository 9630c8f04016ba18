"""Wait for a condition, never for a number of seconds.

The only limit is pytest's timeout for the test (pyproject.toml). A test that reaches it reports the conditions that
were still awaited, their last values, and what their variables held.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from ring_buffers import doorbell

T = TypeVar("T")

PATIENCE_S = 3600.0
"""For interfaces that require a limit. Longer than any test may take, so that pytest's timeout comes first."""
POLL_S = 0.005
LONGEST_VALUE = 1000
"""Characters of a value in a report."""


def wait_until(condition: Callable[[], T]) -> T:
    """Block until the condition is true, and return its value. For threads; in a coroutine use `until`."""
    awaited = _begin(condition)
    while not (value := condition()):
        awaited.last = value
        time.sleep(POLL_S)
    _end(awaited)
    return value


async def until(condition: Callable[[], T | Awaitable[T]]) -> T:
    """Wait until the condition is true, and return its value; a coroutine function is awaited each time."""
    awaited = _begin(condition)
    try:
        while not (value := await _value(condition)):
            awaited.last = value
            await asyncio.sleep(POLL_S)
    except asyncio.CancelledError:
        _end(awaited)
        raise
    _end(awaited)
    return value


def waits(thread: threading.Thread) -> bool:
    """Return whether a thread waits for a doorbell, or a condition, event, queue or future of Python's own."""
    frame, names = sys._current_frames().get(thread.ident or 0), list[str]()
    while frame is not None and frame.f_code.co_filename in (threading.__file__, doorbell.__file__):
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names[:1] == ["wait"] and "start" not in names


async def settle() -> None:
    """Let every callback that is ready in the running loop run, and the ones that these schedule."""
    for _ in range(10):
        await asyncio.sleep(0)


def take_awaited() -> str:
    """Describe the conditions that are still awaited, and forget them."""
    described = "\n\n".join(awaited.describe() for awaited in _awaited)
    _awaited.clear()
    return described


@dataclass(eq=False)
class _Awaited:
    condition: Callable[[], Any]
    last: object = None

    def describe(self) -> str:
        code = getattr(self.condition, "__code__", None)
        if code is None:
            return f"{self.condition!r}\n  last value: {_short(self.last)}"
        lines = [f"{Path(code.co_filename).name}:{code.co_firstlineno}", _source(self.condition)]
        lines.append(f"last value: {_short(self.last)}")
        variables = inspect.getclosurevars(self.condition).nonlocals
        lines += [f"{name} = {_short(value)}" for name, value in variables.items()]
        return lines[0] + "\n" + textwrap.indent("\n".join(lines[1:]), "  ")


_awaited: list[_Awaited] = []


def _begin(condition: Callable[[], Any]) -> _Awaited:
    awaited = _Awaited(condition)
    _awaited.append(awaited)
    return awaited


def _end(awaited: _Awaited) -> None:
    if awaited in _awaited:  # not reported meanwhile
        _awaited.remove(awaited)


async def _value(condition: Callable[[], T | Awaitable[T]]) -> T:
    value = condition()
    return await cast("Awaitable[T]", value) if inspect.isawaitable(value) else cast("T", value)


def _source(condition: Callable[[], Any]) -> str:
    try:
        return textwrap.dedent(inspect.getsource(condition)).strip()
    except OSError:
        return repr(condition)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= LONGEST_VALUE else f"{shown[:LONGEST_VALUE]}…"
