"""The log of a chaos run: JSON lines with each fault, each violation of an invariant, and the fault before it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from support.chaos.pacing import now

MOST_OF_A_KIND = 50
"""Violations of one invariant that are written; further ones are counted."""


class Journal:
    """`violations` counts by invariant, `faults` by kind, `recoveries` has the seconds until all was well again."""

    def __init__(self, path: Path, *, loud: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.began_s = now()
        self.faults: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()
        self.recoveries: dict[str, list[float]] = {}
        self.worst: list[dict[str, Any]] = []
        self.last_fault: dict[str, Any] | None = None
        self._file = path.open("w", buffering=1)
        self._loud = loud

    def close(self) -> None:
        """End the log."""
        self._file.close()

    def write(self, what: str, **details: Any) -> dict[str, Any]:
        """Write one line."""
        line = {"at_s": round(now() - self.began_s, 2), "what": what, **details}
        self._file.write(json.dumps(line, default=str) + "\n")
        if self._loud and what not in ("scrape", "memory"):
            print(f"{line['at_s']:8.1f} s  {what}  " + " ".join(f"{k}={v}" for k, v in details.items()), flush=True)
        return line

    def begin(self, kind: str, target: str, **details: Any) -> None:
        """Write that a fault begins."""
        self.faults[kind] += 1
        self.last_fault = self.write("fault begins", fault=kind, target=target, **details)

    def end(self, kind: str, target: str) -> None:
        """Write that a fault has ended."""
        self.write("fault ends", fault=kind, target=target)

    def recovered(self, kind: str, target: str, seconds: float) -> None:
        """Write how long it took until all was well after a fault."""
        self.recoveries.setdefault(kind, []).append(round(seconds, 2))
        self.write("recovered", fault=kind, target=target, seconds=round(seconds, 2))

    def violation(self, invariant: str, **details: Any) -> None:
        """Write that an invariant does not hold, with the fault before."""
        self.violations[invariant] += 1
        if self.violations[invariant] <= MOST_OF_A_KIND:
            line = self.write("VIOLATION", invariant=invariant, **details, fault_before=self.last_fault)
            self.worst.append(line)
