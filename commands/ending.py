"""How a command ends: exit codes, and a message on stderr that says what to do."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

EXIT_FAILED, EXIT_USAGE, EXIT_WEIGHTS, EXIT_NO_SOURCE, EXIT_INTERRUPTED = 1, 2, 3, 4, 130

console = Console()
plain_console = Console(highlight=False)
"""For text in which numbers and paths get no colours."""
error_console = Console(stderr=True, highlight=False, soft_wrap=True)


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Print an error on stderr and end the command with this exit code. The message is plain text, not markup."""
    print_error(message)
    raise typer.Exit(code)


def print_error(message: str) -> None:
    """Print an error on stderr. The message is plain text, not markup."""
    error_console.print(f"[bold red]partstream:[/] {escape(printable(message))}")


def printable(text: str) -> str:
    """Escape control characters, which file names and servers could smuggle into a terminal. Line breaks stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    undecoded = "\udc80" <= letter <= "\udcff"  # how Python holds a byte of a file name that is not UTF-8
    return f"\\x{ord(letter) & 0xFF:02x}" if undecoded else repr(letter)[1:-1]


@contextmanager
def exiting(codes: Mapping[type[Exception], int]) -> Generator[None]:
    """Turn errors of these types into a message and an exit code. The first type that fits counts."""
    try:
        yield
    except tuple(codes) as error:
        fail(str(error), next(code for kind, code in codes.items() if isinstance(error, kind)))


def errors() -> AbstractContextManager[None]:
    """Turn an engine's errors that a user can correct into a message and an exit code."""
    from stages.third_party.weights import WeightsError
    from stream.settings.config_error import ConfigError

    return exiting({WeightsError: EXIT_WEIGHTS, ConfigError: EXIT_USAGE})
