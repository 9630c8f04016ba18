"""`partstream gate`: decide whether a new checkpoint may replace the one in use."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import lines
from commands.configuration import ConfigOption
from commands.ending import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    EXIT_WEIGHTS,
    console,
    exiting,
    fail,
    plain_console,
    print_error,
    printable,
)
from stages.runtimes.machine import usable_cores

if TYPE_CHECKING:
    from commands.gate.gate_file import GateResult
    from commands.gate.measuring import Comparison
    from training.gate.decision import Check

_MOST_MESSAGES = 5
"""Verdicts of which the console says why they were left out; the files have all."""


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
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write the result here.")] = None,
    allow_unmeasured: Annotated[
        list[Required] | None,
        typer.Option(
            "--allow-unmeasured",
            help="Pass a checkpoint although this check has nothing to measure; can be repeated.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu or cuda:N.")] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Processes that analyse videos.", show_default="one per core"),
    ] = None,
) -> None:
    """Compare a new checkpoint with the one in use, and refuse it if it is worse.

    Both answer verdicts' clips that NEW did not learn from, quiet videos, the packaged footage and generated sequences.
    NEW is refused if it loses events that people confirmed, raises more false alarms, is worse on the footage, or
    forgets an action. The result is also written to NEW.gate.json, of which `partstream run --profile NEW` logs whether
    NEW passed.
    """
    from commands.gate.gate_file import gate_file, write_result
    from commands.gate.report import show, summary
    from telemetry import logs
    from training.gate.decision import decide, passed

    if config is not None and rules is None:
        fail("--config is used only with --rules; give a rules file, too", EXIT_USAGE)
    if rules is not None and not videos:
        fail("--rules are tried on --videos; give videos, too", EXIT_USAGE)
    _check_file(out)
    logs.configure(level="error")
    with _errors():
        from commands.gate.measuring import Request, measure
        from stages.profiles import choose_device

        with exiting({ValueError: EXIT_USAGE}):
            on = str(choose_device(device))
        request = Request(old, new, data, footage, rules, config, tuple(videos or ()), on, workers or usable_cores())
        found = measure(request)
    checks = decide(found.measured)
    unmeasured = sorted({one.value for one in allow_unmeasured or ()})
    allowed = passed(checks, unmeasured)
    plain_console.print(printable(f"OLD {old} ({found.old[:19]}…), NEW {new} ({found.new[:19]}…)"), markup=False)
    _show_material(found)
    show(checks, console)
    plain_console.print(printable(summary(checks, unmeasured)), markup=False, soft_wrap=True)
    result = _result(found, old, new, checks, allowed, unmeasured)
    unwritten = False
    for path in (gate_file(new), out):
        if path is None:
            continue
        try:
            write_result(path, result)
        except OSError as error:
            print_error(f"{path}: can't be written: {error.strerror or error}")
            unwritten = True
    if unwritten or not allowed:
        raise typer.Exit(EXIT_FAILED)


def _show_material(found: Comparison) -> None:
    """Print what the verdicts are, and why others were left out."""
    from commands.console.amounts import counted

    conditions = found.conditions
    for said, verdicts in conditions["verdicts"].items():
        words = ", ".join(f"{count} {name}" for name, count in verdicts.items())
        plain_console.print(printable(f"verdicts on {said}: {words}"), markup=False)
    messages = [*conditions["damaged"], *conditions["left_out"]]
    if messages:
        print_error(f"{counted(len(messages), 'verdict')} left out: {'; '.join(messages[:_MOST_MESSAGES])}")


def _result(
    found: Comparison, old: str, new: str, checks: Sequence[Check], allowed: bool, unmeasured: Sequence[str]
) -> GateResult:
    from commands.gate.gate_file import GateResult, Model
    from commands.gate.report import as_json

    return GateResult(
        passed=allowed,
        at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        old=Model(old, found.old),
        new=Model(new, found.new),
        conditions=found.conditions | {"allow_unmeasured": unmeasured},
        checks=[as_json(check) for check in checks],
    )


def _check_file(path: Path | None) -> None:
    """End the command for a place that no file can be written to, before the work."""
    try:
        fits = path is None or (path.parent.is_dir() and not path.is_dir())
    except OSError as error:  # such as a name that is too long
        fail(f"--json {path}: can't be written: {error.strerror or error}", EXIT_USAGE)
    if not fits:
        fail(f"--json {path}: can't be written: give the path of a file in an existing folder", EXIT_USAGE)


@contextmanager
def _errors() -> Generator[None]:
    """Turn errors that a user can correct, and Ctrl-C, into a message and an exit code."""
    from concurrent.futures.process import BrokenProcessPool

    from stages.third_party.weights import WeightsError
    from stream.settings.config_error import ConfigError
    from training.footage.labels import LabelError
    from training.run.data_folder import KILLED
    from training.scoring.clips import FootageError
    from training.scoring.film_sets import ScoringError
    from training.sources.terms import DataFolderError
    from training.synthetic.motion.motion import MotionFormatError

    codes: dict[type[Exception], int] = dict.fromkeys((WeightsError, MotionFormatError), EXIT_WEIGHTS)
    codes |= dict.fromkeys((ConfigError, ScoringError, DataFolderError, LabelError), EXIT_USAGE)
    codes[FootageError] = EXIT_FAILED
    try:
        with exiting(codes):
            yield
    except BrokenProcessPool:
        fail(KILLED)
    except OSError as error:
        fail(f"{error.filename or 'a file'} can't be read or written: {error.strerror or error}", EXIT_USAGE)
    except KeyboardInterrupt:
        fail("stopped; repeat the command to continue: watched videos are cached", EXIT_INTERRUPTED)
