"""Command line of the benchmarks. Each command measures, prints tables and writes a JSON file.

Exit codes: 0 measured (whether goals are met or not), 1 nothing could be measured, 2 usage error.
"""

from __future__ import annotations

from collections.abc import Sequence

import typer

from benchmarks.cameras.camera_client import CameraServerError
from benchmarks.commands import cameras, models
from benchmarks.commands.options import consoles
from benchmarks.fleet.faults import fleet
from benchmarks.run_once import RunFailedError
from stages.third_party.weights import WeightsError

REPEATABLE = ("--cameras", "--engines", "--batch", "--threads", "--cores")

app = typer.Typer(
    name="bench",
    add_completion=False,
    help="Measure partstream against a bare loop and other programs, in one run on one machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command, name, example in (
    (cameras.engine, "engine", "--cameras 1 4 8 --runs 9 --json engine.json"),
    (cameras.ingest, "ingest", "--cameras 4 --runs 9 --json ingest.json"),
    (models.model, "model", "--threads 1 --batch 1 8"),
    (models.paper, "paper", "--profile runs/kinetics-tps.safetensors --threads 1"),
    (cameras.end_to_end, "end-to-end", "--scene street --resolution 1280x720 --cores 2"),
    (fleet, "fleet", "--fault node-killed"),
    (models.found, "found", "--variant full:detection=full --variant auto:sweep_s=10"),
):
    app.command(name, epilog=f"Example:  partstream bench {name} {example}")(command)


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code."""
    try:
        app(spread(arguments), prog_name="partstream bench")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except ModuleNotFoundError:
        raise
    except (ImportError, CameraServerError, RunFailedError, WeightsError) as error:
        consoles()[1].print(f"bench: {error}", style="red", markup=False)  # the name of an extra stands in brackets
        return 1
    return 0


def spread(arguments: Sequence[str]) -> list[str]:
    """Expand `--cameras 1 4 8` to `--cameras 1 --cameras 4 --cameras 8`, which the parser requires."""
    written: list[str] = []
    option = ""
    for argument in arguments:
        if argument.isdigit() and option and written[-1] != option:
            written += [option, argument]
            continue
        if not argument.isdigit():
            option = argument if argument in REPEATABLE else ""
        written.append(argument)
    return written
