"""What goes wrong with generated sets, in the terminal: a sentence on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED, EXIT_USAGE, EXIT_WEIGHTS, EXIT_INTERRUPTED = 1, 2, 3, 130


@contextmanager
def readable_errors(complaints: Console) -> Generator[None]:
    """Around a command: errors that the user can do something about, and Ctrl-C."""
    from stages.third_party.weights import WeightsError
    from training.benchmark.submission_errors import SubmissionError
    from training.kinetics_tps import DatasetError
    from training.synthetic.scoring.frozen_set import FrozenSetError
    from training.synthetic.scoring.workers import ScoringError
    from training.synthetic.videos.manifest import ManifestError
    from training.synthetic.videos.truth import TruthError

    try:
        yield
    except WeightsError as error:
        fail(str(error), EXIT_WEIGHTS, complaints)
    except (FrozenSetError, ManifestError, TruthError, SubmissionError) as error:
        fail(str(error), EXIT_USAGE, complaints)
    except (DatasetError, ScoringError) as error:
        fail(str(error), EXIT_FAILED, complaints)
    except KeyboardInterrupt:
        complaints.print("stopped; nothing was written")
        raise typer.Exit(EXIT_INTERRUPTED) from None


def fail(message: str, code: int, complaints: Console) -> NoReturn:
    """Say what is wrong and end with the code."""
    from rich.markup import escape

    from training.kinetics_tps.data_errors import printable

    complaints.print(f"[bold red]partstream:[/] {escape(printable(message))}")
    raise typer.Exit(code)
