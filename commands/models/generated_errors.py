"""Errors of the `generated` commands as messages and exit codes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import typer

from commands.ending import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, EXIT_WEIGHTS, error_console, exiting


@contextmanager
def generated_errors() -> Generator[None]:
    """Turn errors that a user can correct, and Ctrl-C, into a message and an exit code."""
    from stages.third_party.weights import WeightsError
    from training.benchmark.submission import SubmissionError
    from training.kinetics_tps import DatasetError
    from training.synthetic.scoring.frozen_set import FrozenSetError
    from training.synthetic.scoring.workers import ScoringError
    from training.synthetic.videos.manifest import ManifestError
    from training.synthetic.videos.truth import TruthError

    codes: dict[type[Exception], int] = {WeightsError: EXIT_WEIGHTS}
    codes |= dict.fromkeys((FrozenSetError, ManifestError, TruthError, SubmissionError), EXIT_USAGE)
    codes |= dict.fromkeys((DatasetError, ScoringError), EXIT_FAILED)
    try:
        with exiting(codes):
            yield
    except KeyboardInterrupt:
        error_console.print("stopped; nothing was written")
        raise typer.Exit(EXIT_INTERRUPTED) from None
