"""The checks of the gate on the console and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from commands.console.score_tables import text
from training.gate.decision import Check, passed

if TYPE_CHECKING:
    from training.footage.segments.intervals import Interval

_STYLES = {"passed": "", "refused": "red", "not measured": "yellow"}


def show(checks: Sequence[Check], console: Console) -> None:
    """Print a table: each check over all actions, and the actions that refuse the checkpoint."""
    table = Table("check")
    for column in ("of", "OLD [95 %]", "NEW"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("why", overflow="fold")
    for check in checks:
        if check.part and check.outcome == "passed":
            continue
        name = f"  {check.part}" if check.part else check.name
        cells = (name, _of(check), _old(check), _figure(check, check.new), check.outcome, check.reason)
        table.add_row(*map(text, cells), style=_STYLES[check.outcome])
    console.print(table)


def summary(checks: Sequence[Check], *, allow_unmeasured: bool = False) -> str:
    """Return the decision in a sentence."""
    refused = _names(checks, "refused")
    missing = _names(checks, "not measured")
    if passed(checks, allow_unmeasured=allow_unmeasured):
        return "passed" + (f", without measuring {', '.join(missing)}" if missing else "")
    words = [f"{', '.join(refused)}: NEW is worse"] if refused else []
    if missing and not allow_unmeasured:
        words.append(f"{', '.join(missing)}: not measured; --allow-unmeasured accepts that")
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
        "old_interval": None if check.interval is None else [_rounded(end) for end in check.interval],
        "p": None if check.p is None else float(f"{check.p:.3g}"),
        "hours": _rounded(check.hours),
    }


def _names(checks: Sequence[Check], outcome: str) -> list[str]:
    return list(dict.fromkeys(check.name for check in checks if check.outcome == outcome))


def _of(check: Check) -> str:
    if check.hours is not None:
        return f"{check.hours:.2f} h"
    return "–" if check.of is None else str(check.of)


def _old(check: Check) -> str:
    figure = _figure(check, check.old)
    return figure if check.interval is None else f"{figure} {_interval(check, check.interval)}"


def _interval(check: Check, interval: Interval) -> str:
    if check.of is None:
        return f"[{interval.low:.1f}, {interval.high:.1f}]"
    return f"[{100 * interval.low:.0f}, {100 * interval.high:.0f}]"


def _figure(check: Check, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if check.of is None else f"{value:.1%}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
