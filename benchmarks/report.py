"""Output of results: tables and JSON files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.rounds import Goal

NOISY = 0.10
"""CPU share of other programs above which a warning is printed."""
COLOURS = {"met": "green", "missed": "red", "not resolved": "yellow"}


def print_goals(found: list[Goal], console: Console) -> None:
    """Print all goals with their measurements."""
    table = Table(title="Goals: met only if the whole interval is within the goal")
    for heading in ("goal", "measured", "outcome"):
        table.add_column(heading)
    for goal in found:
        table.add_row(goal.text, goal.measured, f"[{COLOURS[goal.outcome]}]{goal.outcome}[/]")
    console.print(table)


def print_machine(machine: dict[str, Any], console: Console) -> None:
    """Print a line about the machine."""
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items() if number)
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}; {packages}; load {machine['load_average_1min']}"
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write the figures atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(path.suffix + ".unfinished")
    unfinished.write_text(json.dumps(_finite(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _finite(value: Any) -> Any:
    """Return the value with infinity and NaN, which JSON lacks, replaced by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
