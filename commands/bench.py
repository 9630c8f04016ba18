"""`partstream bench`: pass the arguments to the command line of the benchmarks."""

from __future__ import annotations

from typing import Any

import typer

ALL_ARGUMENTS: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}
"""The benchmarks also handle --help."""


def bench_command(context: typer.Context) -> None:
    """Measure speed beside a plain loop and other engines.

    For example `bench engine`, `bench ingest` or `bench model`.
    """
    from benchmarks.__main__ import main as benchmark

    raise typer.Exit(benchmark(context.args))
