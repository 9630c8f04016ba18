"""The benchmarks' command line. Owns nothing; each command measures, prints and writes a JSON file.

Exit codes: 0 measured (whether the goals are met or not), 1 nothing could be measured, 2 wrong usage.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from rich.console import Console

from benchmarks import machine, peers
from benchmarks.cameras import CameraServerError
from benchmarks.engine_bench import Measured, Plan, measure
from benchmarks.report import print_engine, write_json
from benchmarks.run_once import REPOSITORY

RESULTS = REPOSITORY / "benchmarks" / "results"
QUICK = {"runs": 2, "seconds": 3.0, "warm_up_s": 1.0}

app = typer.Typer(
    name="bench",
    help="Measure partstream side by side with a bare loop and with peers, in one run on one machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Where the figures go.", show_default="benchmarks/results")
]
QuickOption = Annotated[bool, typer.Option("--quick", help="A short look; too few runs to conclude anything.")]


def main(arguments: Sequence[str]) -> int:
    """Run a benchmark as the arguments say; the exit code."""
    try:
        code = app(list(arguments), standalone_mode=False, prog_name="bench")
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    return code if isinstance(code, int) else 0


@app.command(epilog="Example:  bench engine --cameras 1 --cameras 4 --runs 9 --json engine.json")
def engine(
    cameras: Annotated[list[int] | None, typer.Option(help="Cameras; may be repeated.", show_default="1 4 8")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Alternating runs; 9 or more give an interval to trust.")] = 9,
    seconds: Annotated[float, typer.Option(min=1, help="Time measured in each run.")] = 8.0,
    contender: Annotated[list[str] | None, typer.Option(help=f"Only these: {', '.join(peers.ALL)}.")] = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> int:
    """Cameras over RTSP through the whole engine with a model that costs nothing: CPU, losses, latency."""
    console, progress = Console(), Console(stderr=True, highlight=False, soft_wrap=True)
    unknown = set(contender or []) - set(peers.ALL)
    if unknown:
        raise typer.BadParameter(f"unknown contender {sorted(unknown)}; there are: {', '.join(peers.ALL)}")
    warm_up_s = 2.0
    if quick:
        runs, seconds, warm_up_s = QUICK["runs"], QUICK["seconds"], QUICK["warm_up_s"]
    plan = Plan(tuple(cameras or (1, 4, 8)), int(runs), seconds, warm_up_s, tuple(contender or peers.ALL))
    where = machine.describe()
    file = json or RESULTS / f"engine{'-quick' if quick else ''}.json"

    def save(measured: Measured) -> None:
        write_json(file, _headed("engine", where, measured.as_json()))

    progress.print(f"about {plan.duration_s / 60:.0f} min")
    try:
        measured = measure(plan, progress.print, save)
    except CameraServerError as error:
        progress.print(f"[red]{error}[/]")
        return 1
    print_engine(measured, where, console)
    console.print(f"written to {file}")
    return 0 if any(run for runs in measured.runs.values() for run in runs) else 1


def _headed(kind: str, where: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    return {"benchmark": kind, "commit": machine.commit(REPOSITORY), "machine": where, **content}
