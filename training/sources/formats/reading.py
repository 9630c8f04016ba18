"""Reading of foreign text files, with one typed error for everything that can be wrong in them."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

LARGEST_BYTES = 2_000_000_000


class FormatError(ValueError):
    """A file is not what its format demands; the message names the file, the place and what to do."""


def check_size(path: Path) -> None:
    """Raise `FormatError` for a file that is missing, not a file, empty or too large."""
    try:
        if not path.is_file():
            raise FormatError(f"{path}: there is no such file")
        size = path.stat().st_size
    except OSError as error:
        raise FormatError(f"{path}: can't be read ({error.strerror or error})") from None
    if size == 0:
        raise FormatError(f"{path}: is empty")
    if size > LARGEST_BYTES:
        raise FormatError(f"{path}: has {size} bytes; files of more than {LARGEST_BYTES} are not read. Split it")


def check_name(path: Path) -> None:
    """Raise `FormatError` for a name that is not UTF-8, because a data folder keeps names as text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise FormatError(f"{path}: has a name that is not UTF-8; rename it") from None


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, stripped text) of the lines that are not blank, also of a `.gz` file.

    Raises `FormatError` for a file that cannot be read, is too large or is not UTF-8 text.
    """
    check_size(path)
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(io.TextIOWrapper(cast("BinaryIO", file), "utf-8-sig"), 1):
                if text := line.strip():
                    yield number, text
    except UnicodeDecodeError:
        raise FormatError(f"{path}: is not UTF-8 text") from None
    except (OSError, EOFError, zlib.error) as error:  # gzip reports damage with any of them
        raise FormatError(f"{path}: can't be read ({getattr(error, 'strerror', None) or error})") from None


def numbers(path: Path, line: int, words: list[str], length: int | tuple[int, ...], what: str) -> NDArray[np.float64]:
    """Return the numbers of a line, NaN included. Raises `FormatError`, also for another number of them."""
    try:
        values = np.array(words, np.float64)
    except ValueError:
        raise FormatError(f"{path}, line {line}: {what}: {' '.join(words)[:60]!r} are not numbers") from None
    if len(values) not in (length if isinstance(length, tuple) else (length,)):
        raise FormatError(f"{path}, line {line}: {what}: has {len(values)} values, not {length}")
    if np.isinf(values).any():
        raise FormatError(f"{path}, line {line}: {what}: holds an infinite number")
    return values
