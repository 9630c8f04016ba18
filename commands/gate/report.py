"""The checks of the gate on the console and as plain values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from commands.console.score_tables import text
from training.gate.decision import Check, passed

_STYLES = {"passed": "", "refused": "red", "not measured": "yellow", "shown": "dim"}


def show(checks: Sequence[Check], console: Console) -> None:
    """Print a table: each check over all actions, and the actions that refuse the checkpoint."""
    table = Table("check")
    for column in ("of", "OLD", "NEW"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("why", overflow="fold")
    for check in checks:
        if check.part and check.outcome == "passed":
            continue
        name = f"  {check.part}" if check.part else check.name
        cells = (name, _of(check), _figure(check, check.old), _figure(check, check.new), check.outcome, check.reason)
        table.add_row(*map(text, cells), style=_STYLES[check.outcome])
    console.print(table)


def summary(checks: Sequence[Check], unmeasured: Collection[str] = ()) -> str:
    """Return the decision in a sentence. `unmeasured`: the checks that need not be measured."""
    refused = _names(checks, "refused")
    missing = _names(checks, "not measured")
    if passed(checks, unmeasured):
        return "passed" + (f", without measuring {', '.join(missing)}" if missing else "")
    words = [f"{', '.join(refused)}: NEW is worse"] if refused else []
    if needed := [name for name in missing if name not in unmeasured]:
        options = " ".join(f"--allow-unmeasured {name}" for name in needed)
        words.append(f"{', '.join(needed)}: not measured; {options} accepts that")
    return f"refused: {'; '.join(words)}"


def as_json(check: Check) -> dict[str, Any]:
    """Return a check as plain values."""
    return {
        "name": check.name,
        "action": check.part or None,
        "outcome": check.outcome,
        "reason": check.reason,
        "of": check.of,
        "old": _rounded(check.old),
        "new": _rounded(check.new),
        "difference": None if check.difference is None else [_rounded(end) for end in check.difference],
        "p": None if check.p is None else float(f"{check.p:.3g}"),
        "hours": _rounded(check.hours),
    }


def _names(checks: Sequence[Check], outcome: str) -> list[str]:
    return list(dict.fromkeys(check.name for check in checks if check.outcome == outcome))


def _of(check: Check) -> str:
    if check.hours is not None:
        return f"{check.hours:.2f} h"
    return "–" if check.of is None else str(check.of)


def _figure(check: Check, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if check.of is None else f"{value:.1%}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
