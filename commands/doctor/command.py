"""`partstream doctor`: check everything that an engine needs on this machine."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from commands.application import lines
from commands.configuration import ConfigOption, SourcesArgument, configuration
from commands.console.amounts import counted
from commands.ending import EXIT_FAILED, console

if TYPE_CHECKING:
    from rich.console import Console

    from commands.doctor.finding import Finding, Level

EPILOG = lines(
    "`partstream doctor --config partstream.yaml`",
    "`partstream doctor door=rtsp://… --time-from ntp://10.0.0.1`",
    "Exit codes: 0 no fault, 1 a fault",
)
MARKS: dict[Level, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "fault": ("FAULT", "bold red"),
}
MARK_COLUMNS = 9
SILENT = logging.CRITICAL + 1
"""Tracebacks would bury the findings. Those that matter are named in one."""


def doctor_command(
    sources: SourcesArgument = None,
    config: ConfigOption = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="edge, edge-open, kinetics-tps or a checkpoint.", show_default="edge"),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="auto, cpu or cuda:N.", show_default="auto")
    ] = None,
    time_from: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Compare the clock with this server: ntp://HOST or http(s)://HOST."),
    ] = None,
    cameras: Annotated[bool, typer.Option("--cameras/--no-cameras", help="Open each camera for a moment.")] = True,
    self_test: Annotated[
        bool, typer.Option("--self-test/--no-self-test", help="Run the model for two seconds.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Check your installation, configuration and cameras.

    Checks versions, device, weights, ports, disks and clocks, opens each camera, and runs the model for two seconds.
    Each fault comes with a remedy. An engine may run meanwhile; if cameras accept only one client, use --no-cameras.
    """
    from commands.doctor.bounded import still_running
    from commands.doctor.finding import fault
    from stream.config import ConfigError
    from telemetry import logs

    logs.configure(json=False, level="error").setLevel(SILENT)  # what matters is a finding
    asked: dict[str, Any] = {"profile": profile, "device": device}
    overrides = {"model": {name: value for name, value in asked.items() if value is not None}}
    try:
        settings = configuration(config, overrides, sources or [], None)
    except ConfigError as error:
        found: Iterable[Finding] = [
            fault("configuration", str(error), "Correct it. `partstream config schema` lists all settings")
        ]
    else:
        from commands.doctor.examination import Wanted, examine

        found = examine(settings, Wanted(time_from, cameras, self_test))
    findings = [_show(finding, None if as_json else console) for finding in found]
    faults = sum(finding.level == "fault" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": faults == 0, "findings": [_as_json(finding) for finding in findings]}, indent=1))
    else:
        warnings = sum(finding.level == "warning" for finding in findings)
        console.print(
            f"\n{_count(faults, 'fault')} and {_count(warnings, 'warning')} in {counted(len(findings), 'check')}.",
            highlight=False,
        )
    code = EXIT_FAILED if faults else 0
    if still_running():
        sys.stdout.flush()
        os._exit(code)  # Python would wait for the check that hangs
    raise typer.Exit(code)


def _show(finding: Finding, console: Console | None) -> Finding:
    """Print a finding as soon as it is known: some take seconds. Return it."""
    if console is not None:
        mark, colour = MARKS[finding.level]
        text = Text(finding.check, "bold")
        text.append(f"  {finding.seen}", "dim" if finding.level == "ok" else "not bold")
        if finding.remedy:
            text.append(f"\n→ {finding.remedy}", "not bold")
        line = Table.grid()
        line.add_column(width=MARK_COLUMNS)
        line.add_column(overflow="fold")
        line.add_row(Text(mark, colour), text)
        console.print(line)
    return finding


def _as_json(finding: Finding) -> dict[str, str | None]:
    return {"check": finding.check, "level": finding.level, "seen": finding.seen, "remedy": finding.remedy or None}


def _count(number: int, name: str) -> str:
    return counted(number, name) if number else f"no {name}s"
