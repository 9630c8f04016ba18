"""`partstream bench`: hands its arguments to the benchmarks' own command line."""

from __future__ import annotations

from typing import Any

import typer

ALL_ARGUMENTS: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Also --help: the benchmarks' command line answers it."""


def bench_command(context: typer.Context) -> None:
    """Measure against a bare loop and against peers: `bench engine`, `bench ingest`, `bench model` … (`--help`)."""
    from benchmarks.__main__ import main as benchmark

    raise typer.Exit(benchmark(context.args))
