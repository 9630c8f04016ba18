"""Output of the benchmark of the loop as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.review.loop_figures import ALARMS


def print_loop(measured: Mapping[str, Any], console: Console) -> None:
    """Print the figures of `LoopBench.measure` or `LoopBench.choose_settings`."""
    films = measured["films"]
    console.print(
        f"{films['reviewed']} films reviewed ({measured['reviewer']}), {films['unseen']} not seen; verdicts: "
        + "; ".join(
            f"{action} {', '.join(f'{number} {said}' for said, number in by.items() if number) or 'none'}"
            for action, by in measured["verdicts"].items()
        )
    )
    compared = measured.get("compared") or measured["candidates"]
    table = Table(title="false alarms [Poisson interval of the old number], and found of labelled: old → new")
    table.add_column("")
    for heading in (
        "all actions",
        "fall, lie, sit",
        *(f"{action} found" for action in ALARMS),
        "recall, mean",
        "closed",
    ):
        table.add_column(heading, justify="right")
    for name, one in compared.items():
        table.add_row(name, *_row(one))
    console.print(table)
    if "training" in measured:
        taken = measured["training"]
        console.print(
            f"training: {taken['seconds']:.0f} s, {taken['cpu_seconds']:.0f} s of CPU, {taken['steps']} steps"
        )
    for name, one in measured.get("gates", {}).items():
        console.print(f"gate: {name}: {'refused' if one['code'] else 'passed'}")
    for name, one in measured["power"].items():
        console.print(
            f"power, {name}, at {one['expected']:g} false alarms: "
            + ", ".join(
                f"{chance:.0%} if {float(share):.0%} are removed" for share, chance in one["if_removed"].items()
            )
        )


def _row(one: Mapping[str, Any]) -> list[str]:
    recall = [
        f"{one['recall'][action]['old']} → {one['recall'][action]['new']} of {one['recall'][action]['labelled']}"
        for action in ALARMS
    ]
    closed = [name for name in ("every", "alarms") if one[name]["closed"]]
    return [
        *(_alarms(one[name]) for name in ("every", "alarms")),
        *recall,
        f"{100 * one['mean_recall_change']:+.1f} points",
        ", ".join(closed) or "no",
    ]


def _alarms(one: Mapping[str, Any]) -> str:
    (before, after), (low, high) = one["false"], one["interval"]
    return f"{before} [{low:.1f}, {high:.1f}] → {after}"
