"""Checks with a time limit: each runs in its own thread, which is abandoned when it takes too long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from commands.doctor.finding import Finding, fault

T = TypeVar("T")

THREADS = "doctor:"


@dataclass(frozen=True, slots=True)
class Check:
    """A check: `run` returns its findings, for which it has `limit_s` seconds."""

    name: str
    limit_s: float
    run: Callable[[], Finding | Sequence[Finding]]


class RunningCheck:
    """A check that runs from the moment this is made."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._deadline = monotonic() + check.limit_s
        self._findings: list[Finding] = []
        self._done = threading.Event()
        threading.Thread(target=self._run, name=f"{THREADS} {check.name}", daemon=True).start()

    def findings(self) -> list[Finding]:
        """Return what it found. A check that reaches its limit is itself the finding."""
        if self._done.wait(max(0.0, self._deadline - monotonic())):
            return self._findings
        return [
            fault(
                self._check.name,
                f"no answer within {self._check.limit_s:g} s",
                "A slow disk, network or device may hang. Check it, then run the doctor again",
            )
        ]

    def _run(self) -> None:
        try:
            found = self._check.run()
            self._findings = [found] if isinstance(found, Finding) else list(found)
        except Exception as error:
            self._findings = [
                fault(
                    self._check.name,
                    f"the check itself failed: {place_of(error)}",
                    "This is a bug in partstream: please report it",
                )
            ]
        self._done.set()


def within(limit_s: float, function: Callable[[], T], otherwise: T) -> T:
    """Return the function's value, or `otherwise` if it takes too long or raises."""
    values: list[T] = []

    def call() -> None:
        with suppress(Exception):
            values.append(function())

    thread = threading.Thread(target=call, name=f"{THREADS} look-up", daemon=True)
    thread.start()
    thread.join(limit_s)
    return values[0] if values else otherwise


def still_running() -> bool:
    """Return whether a check still hangs: the process must then end without waiting for its threads."""
    return any(thread.name.startswith(THREADS) for thread in threading.enumerate())


def run(check: Check) -> list[Finding]:
    """Return the findings of one check."""
    return RunningCheck(check).findings()


def place_of(error: BaseException) -> str:
    """Return an error's kind and place. Its message may quote a secret; these are enough for a report."""
    return f"{type(error).__name__} in {_innermost(error)}"


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}, line {trace.tb_lineno}"
