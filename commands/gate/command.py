"""`partstream gate`: decide whether a new checkpoint may replace the one in use."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.application import lines
from commands.ending import EXIT_FAILED, EXIT_USAGE, exiting, fail, plain_console, print_error, say, stopping
from commands.json_file import check_json_file, write_json
from commands.options import ConfigOption, DeviceOption, JsonFileOption
from stages.runtimes.machine import usable_cores

if TYPE_CHECKING:
    from commands.gate.gate_file import GateResult
    from commands.gate.measuring import Comparison
    from training.gate.decision import Check

_MOST_MESSAGES = 5
"""Verdicts of which the console says why they were left out; the files have all."""

_STYLES = {"passed": "", "refused": "red", "not measured": "yellow", "shown": "dim"}


class Required(StrEnum):
    """The checks of `training.gate.decision.REQUIRED`, which is slow to import."""

    CONFIRMED = "confirmed"
    BACK_TEST = "back-test"
    FOOTAGE = "footage"
    FORGETTING = "forgetting"


EPILOG = lines(
    "`partstream gate edge runs/mine.safetensors --data verdicts --footage --videos quiet-week/`",
    "`partstream gate edge runs/mine.safetensors --data verdicts --footage --allow-unmeasured back-test`",
    "Exit codes: 0 passed, 1 refused, 2 usage, 3 weights or footage not fetched.",
)


def gate_command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The checkpoint in use: edge, edge-open or a file.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The checkpoint to judge.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of verdicts, as the review page writes it.")],
    footage: Annotated[
        bool, typer.Option("--footage", help="Compare both on the packaged real footage; takes minutes.")
    ] = False,
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Count the alerts of this rules file on --videos.",
            show_default="count events of NEW's actions",
        ),
    ] = None,
    config: ConfigOption = None,
    videos: Annotated[
        list[str] | None,
        typer.Option(
            "--videos",
            metavar="[ID=]PATH",
            help="Count false alarms on this video, or the videos of this folder, of the camera ID; can be repeated.",
        ),
    ] = None,
    out: JsonFileOption = None,
    allow_unmeasured: Annotated[
        list[Required] | None,
        typer.Option(
            "--allow-unmeasured",
            help="Pass a checkpoint although this check has nothing to measure; can be repeated.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes that analyse videos.", show_default="one per core")
    ] = None,
) -> None:
    """Compare a new checkpoint with the one in use, and refuse it if it is worse.

    Both answer verdicts' clips that NEW did not learn from, quiet videos, the packaged footage and generated sequences.
    NEW is refused if it loses events that people confirmed, raises more false alarms, is worse on the footage, or
    forgets an action. The result is also written to NEW.gate.json, of which `partstream run --profile NEW` logs whether
    NEW passed.
    """
    import msgspec

    from commands.gate.gate_file import gate_file
    from telemetry import logs
    from training.gate.decision import decide, passed

    if config is not None and rules is None:
        fail("--config is used only with --rules; give a rules file, too", EXIT_USAGE)
    if rules is not None and not videos:
        fail("--rules are tried on --videos; give videos, too", EXIT_USAGE)
    check_json_file(out)
    logs.configure(level="error")
    with stopping("stopped; repeat the command to continue: watched videos are cached"):
        from commands.gate.measuring import Request, measure
        from stages.profiles import choose_device

        with exiting({ValueError: EXIT_USAGE}):
            on = str(choose_device(device))
        request = Request(old, new, data, footage, rules, config, tuple(videos or ()), on, workers or usable_cores())
        found = measure(request)
    checks = decide(found.measured)
    unmeasured = sorted({one.value for one in allow_unmeasured or ()})
    allowed = passed(checks, unmeasured)
    say(f"OLD {old} ({found.old[:19]}…), NEW {new} ({found.new[:19]}…)")
    _show_material(found)
    _show(checks)
    say(_summary(checks, unmeasured))
    result = msgspec.to_builtins(_result(found, old, new, checks, allowed, unmeasured))
    for path in (out, gate_file(new)):
        write_json(path, result, indent=1)
    if not allowed:
        raise typer.Exit(EXIT_FAILED)


def _show_material(found: Comparison) -> None:
    """Print what the verdicts are, and why others were left out."""
    from commands.console.amounts import counted

    conditions = found.conditions
    for said, verdicts in conditions["verdicts"].items():
        words = ", ".join(f"{count} {name}" for name, count in verdicts.items())
        say(f"verdicts on {said}: {words}")
    messages = [*conditions["damaged"], *conditions["left_out"]]
    if messages:
        print_error(f"{counted(len(messages), 'verdict')} left out: {'; '.join(messages[:_MOST_MESSAGES])}")


def _result(
    found: Comparison, old: str, new: str, checks: Sequence[Check], allowed: bool, unmeasured: Sequence[str]
) -> GateResult:
    from commands.gate.gate_file import GateResult, Model

    return GateResult(
        passed=allowed,
        at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        old=Model(old, found.old),
        new=Model(new, found.new),
        conditions=found.conditions | {"allow_unmeasured": unmeasured},
        checks=[_as_json(check) for check in checks],
    )


def _show(checks: Sequence[Check]) -> None:
    """Print a table: each check over all actions, and the actions that refuse the checkpoint."""
    from commands.console.tables import table, text

    shown = table("check", "result", "why", "of", "OLD", "NEW", words=3)
    for check in checks:
        if check.part and check.outcome == "passed":
            continue
        name = f"  {check.part}" if check.part else check.name
        cells = (name, check.outcome, check.reason, _of(check), _figure(check, check.old), _figure(check, check.new))
        shown.add_row(*map(text, cells), style=_STYLES[check.outcome])
    plain_console.print(shown)


def _summary(checks: Sequence[Check], unmeasured: Collection[str]) -> str:
    """Return the decision in a sentence. `unmeasured`: the checks that need not be measured."""
    from training.gate.decision import passed

    refused = _names(checks, "refused")
    missing = _names(checks, "not measured")
    if passed(checks, unmeasured):
        return "passed" + (f", without measuring {', '.join(missing)}" if missing else "")
    words = [f"{', '.join(refused)}: NEW is worse"] if refused else []
    if needed := [name for name in missing if name not in unmeasured]:
        options = " ".join(f"--allow-unmeasured {name}" for name in needed)
        words.append(f"{', '.join(needed)}: not measured; {options} accepts that")
    return f"refused: {'; '.join(words)}"


def _as_json(check: Check) -> dict[str, Any]:
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
