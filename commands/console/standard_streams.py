"""The standard streams of the command line: none is closed, and a failed write to stdout ends a command with a message.

A closed one is opened before anything else, because its descriptor would otherwise be given to the next file or socket,
which Python and uvloop would then use as a standard stream.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from commands.ending import EXIT_FAILED, print_error

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDIN, STDOUT, STDERR = 0, 1, 2


class StdoutError(Exception):
    """Stdout cannot be written. It is no `OSError`, so that no command takes it for an error of its own files."""


@contextmanager
def standard_streams() -> Generator[None]:
    """Open closed streams, and end with a message and exit code 1 if stdout cannot be written.

    A pipe whose reader has ended is left to Click, which ends the command without a message.
    """
    _open_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _checked(sys.stdout)
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except StdoutError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)  # for what is still in a buffer
        print_error(f"standard output cannot be written: {error}")
        raise SystemExit(EXIT_FAILED) from None


def _open_closed() -> None:
    """Open a closed stdin or stderr as `/dev/null`, and a closed stdout so that writing to it is an error."""
    flags = {STDIN: os.O_RDONLY, STDOUT: os.O_RDONLY, STDERR: os.O_WRONLY}
    for descriptor, access in flags.items():
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, access)  # gets the lowest free descriptor, which is this one
            os.set_inheritable(descriptor, True)
    if sys.stdin is None:
        sys.stdin = os.fdopen(STDIN, closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(STDOUT, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(STDERR, "w", buffering=1, errors="backslashreplace", closefd=False)


class _CheckedFile(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StdoutError(error.strerror or str(error)) from None


def _checked(stdout: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a stream like `stdout` whose failed writes raise `StdoutError`."""
    stdout.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_CheckedFile(STDOUT, "w", closefd=False)),
        encoding=stdout.encoding,
        errors=stdout.errors,
        newline="\n",
        line_buffering=stdout.line_buffering,
        write_through=stdout.write_through,
    )
