"""How a command ends: exit codes, and a message on stderr that says what to do."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from commands.extra_packages import missing_package

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
    error_console.print(f"[bold red]partstream:[/] {plain(message)}")


def say(message: str) -> None:
    """Print a line on stdout. The message is plain text, not markup, and is not wrapped."""
    plain_console.print(printable(message), markup=False, soft_wrap=True)


def printable(text: str) -> str:
    """Escape control characters, which file names and servers could smuggle into a terminal. Line breaks stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else _escaped(letter) for letter in text)


def plain(text: str) -> str:
    """Escape control characters and markup, for a table."""
    return escape(printable(text))


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


@contextmanager
def stopping(message: str) -> Generator[None]:
    """End the command with this message on Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        fail(message, EXIT_INTERRUPTED)


@contextmanager
def errors() -> Generator[None]:
    """Turn errors that a user can correct into a message and an exit code. Every command runs in it."""
    try:
        yield
    except Exception as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        codes = (code for name in names for code, kinds in _ERRORS.items() if name in kinds)
        if (code := next(codes, None)) is not None:
            fail(str(error), code)
        if isinstance(error, ImportError) and (advice := missing_package(error)) is not None:
            fail(advice, EXIT_USAGE)
        if isinstance(error, OSError) and error.filename is not None:
            fail(f"{error.filename} can't be read or written: {error.strerror or error}")
        if "BrokenProcessPool" in names:
            fail(
                "a worker process was killed, perhaps because memory ran out; finished work is kept: run the command "
                "again with fewer --workers"
            )
        raise


_ERRORS = {
    EXIT_FAILED: {
        "ControllerError",
        "DetectorError",
        "DivergedError",
        "ExportError",
        "FootageError",
        "SubmissionError",
        "SightingsFileError",
    },
    EXIT_USAGE: {
        "AnswerError",
        "ConfigError",
        "DataFolderError",
        "DatasetError",
        "FormatError",
        "FrozenSetError",
        "GenerateError",
        "LabelError",
        "ManifestError",
        "PictureTrainingError",
        "ScoringError",
        "TrainingConfigError",
        "TrainingError",
        "TruthError",
        "VocabularyError",
    },
    EXIT_WEIGHTS: {"CheckpointError", "LanguageModelError", "MotionFormatError", "WeightsError"},
}
"""Names of errors, of which the modules are slow to import, by exit code."""
