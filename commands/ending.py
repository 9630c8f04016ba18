"""How a command ends: exit codes, and the sentence on stderr that says what to do."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console

EXIT_FAILED, EXIT_USAGE, EXIT_WEIGHTS, EXIT_NO_SOURCE = 1, 2, 3, 4

console = Console()
complaints = Console(stderr=True, highlight=False, soft_wrap=True)


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Say what is wrong on stderr and end with the code."""
    complaints.print(f"[bold red]partstream:[/] {message}", markup=True)
    raise typer.Exit(code)


@contextmanager
def errors() -> Generator[None]:
    """Turns the errors that a user can do something about into a sentence and an exit code."""
    from stages.third_party.weights import WeightsError
    from stream.settings.section import ConfigError

    try:
        yield
    except WeightsError as error:
        fail(str(error), EXIT_WEIGHTS)
    except ConfigError as error:
        fail(str(error), EXIT_USAGE)
