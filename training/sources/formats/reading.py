"""Bounded reading of foreign files, with one typed error for everything that can be wrong in them."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

LARGEST_BYTES = 2_000_000_000
"""Largest file, and largest content of a compressed file, that is read."""
LONGEST_LINE = 1 << 20
LONGEST_S = 6 * 3600.0
"""Longest recording in seconds. A damaged frame time would otherwise fill the memory."""


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

    Raises `FormatError` for a file that cannot be read, is too large, has endless lines or is not UTF-8 text.
    """
    check_size(path)
    left = LARGEST_BYTES
    try:
        with _opened(path) as file:
            for number in range(1, LARGEST_BYTES):
                line = file.readline(LONGEST_LINE + 1)
                if not line:
                    return
                left -= len(line)
                if left < 0:
                    raise FormatError(f"{path}: unpacks to more than {LARGEST_BYTES} bytes. Split it")
                if len(line) > LONGEST_LINE:
                    raise FormatError(f"{path}, line {number}: is longer than {LONGEST_LINE} characters")
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if "\0" in text:
                    raise FormatError(f"{path}, line {number}: holds zero bytes, so it is not text")
                if text:
                    yield number, text
    except UnicodeDecodeError:
        raise FormatError(f"{path}: is not UTF-8 text") from None
    except (OSError, EOFError, zlib.error) as error:  # gzip reports damage with any of them
        raise FormatError(f"{path}: can't be read ({getattr(error, 'strerror', None) or error})") from None


def _opened(path: Path) -> gzip.GzipFile | BinaryIO:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def numbers(path: Path, line: int, words: list[str], what: str) -> NDArray[np.float64]:
    """Return the numbers of a line, NaN included. Raises `FormatError`."""
    try:
        values = np.array(words, np.float64)
    except (ValueError, OverflowError):
        wrong = next((word for word in words if not _is_number(word)), "")
        raise FormatError(f"{path}, line {line}: {what}: {wrong[:40]!r} is not a number") from None
    if np.isinf(values).any():
        raise FormatError(f"{path}, line {line}: {what}: holds an infinite number")
    return values


def count(path: Path, line: int, word: str, what: str, largest: int) -> int:
    """Return a count from 0 to `largest`. Raises `FormatError`."""
    if not (word.isascii() and word.isdigit() and len(word) < 12 and int(word) <= largest):
        raise FormatError(f"{path}, line {line}: {what} must be a whole number up to {largest}, not {word[:40]!r}")
    return int(word)


def check_duration(path: Path, seconds: float) -> None:
    """Raise `FormatError` for a recording that is too long to be one."""
    if not math.isfinite(seconds) or seconds > LONGEST_S:
        raise FormatError(
            f"{path}: would last {seconds:.0f} s; recordings up to {LONGEST_S:.0f} s are read. Check its frame times"
        )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
