"""MATLAB files (version 5 to 7.2): the numeric arrays and texts in them.

`scipy.io.loadmat` is not used, because damaged files make it end the process (seen with SciPy 1.17). This
reader takes only what annotations need, and checks every length before it reads.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.reading import FormatError, check_size

Value = NDArray[np.float64] | str

_LARGEST_BYTES = 64 << 20
"""Largest file, and largest unpacked variable."""
_HEADER, _VERSION, _ENDIAN = 128, 124, 126
_MATRIX, _COMPRESSED = 14, 15
_CHAR, _NUMERIC = 4, range(6, 16)
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MOST_VARIABLES = 1000


def read_mat(path: Path, names: Collection[str]) -> dict[str, Value]:
    """Return the variables with these names: numbers as float64 in their shape, rows of characters as text.

    Variables of other kinds (cells, structures, sparse or complex arrays) are left out. Raises `FormatError`.
    """
    check_size(path)
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise FormatError(f"{path}: is larger than {_LARGEST_BYTES >> 20} MiB, so it annotates no single video")
        content = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: can't be read ({error.strerror or error})") from None
    order = {b"IM": "<", b"MI": ">"}.get(content[_ENDIAN:_HEADER])
    if order is None:
        raise FormatError(f"{path}: is not a MATLAB file of version 5 to 7.2")
    version = int.from_bytes(content[_VERSION:_ENDIAN], "little" if order == "<" else "big")
    if version == 0x0200:
        raise FormatError(f"{path}: is a MATLAB 7.3 file; save it with `save -v7`")
    if version != 0x0100:
        raise FormatError(f"{path}: is not a MATLAB file of version 5 to 7.2")
    found: dict[str, Value] = {}
    try:
        for number, (kind, data) in enumerate(_elements(memoryview(content)[_HEADER:], order)):
            if number >= _MOST_VARIABLES:
                raise _DamageError(f"holds more than {_MOST_VARIABLES} variables")
            if kind == _COMPRESSED:
                kind, data = _unpacked(data, order)
            if kind == _MATRIX and (variable := _variable(data, order, names)) is not None:
                found[variable[0]] = variable[1]
    except _DamageError as error:
        raise FormatError(f"{path}: can't be read as a MATLAB file: {error}") from None
    return found


class _DamageError(Exception):
    """The content is not what the format demands."""


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield (type, data) of the elements that follow one another."""
    while len(data):
        if len(data) < 8:
            raise _DamageError("ends within an element")
        first, length = (int(word) for word in np.frombuffer(data[:8], f"{order}u4"))
        if first >> 16:  # a small element: type and length in one word, data in the next
            kind, length, begin, end = first & 0xFFFF, first >> 16, 4, 8
        else:
            kind, begin = first, 8
            # Compressed elements are not filled up to eight bytes.
            end = 8 + (length if kind == _COMPRESSED else -(-length // 8) * 8)
        if (length > 4 and end == 8) or begin + length > len(data):
            raise _DamageError("ends within an element")
        yield kind, data[begin : begin + length]
        data = data[end:]


def _unpacked(data: memoryview, order: str) -> tuple[int, memoryview]:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, _LARGEST_BYTES)
    except zlib.error as error:
        raise _DamageError(f"a packed variable is damaged ({error})") from None
    if unpacker.unconsumed_tail:
        raise _DamageError(f"a variable unpacks to more than {_LARGEST_BYTES >> 20} MiB")
    if not unpacker.eof:
        raise _DamageError("a packed variable is cut")
    for kind, inside in _elements(memoryview(content), order):
        return kind, inside
    raise _DamageError("a packed variable is empty")


def _variable(data: memoryview, order: str, names: Collection[str]) -> tuple[str, Value] | None:
    """Return the name and value of a matrix, None if it is not wanted or of another kind."""
    parts = _elements(data, order)
    flags, sizes, name = (next(parts, None) for _ in range(3))
    if flags is None or sizes is None or name is None or len(flags[1]) != 8 or sizes[0] != 5 or len(sizes[1]) % 4:
        raise _DamageError("a variable has no flags, sizes and name")
    own = bytes(name[1]).decode("ascii", "replace")
    if own not in names:
        return None
    word = int(np.frombuffer(flags[1][:4], f"{order}u4")[0])
    shape = tuple(int(size) for size in np.frombuffer(sizes[1], f"{order}i4"))
    kind, is_complex = word & 0xFF, bool(word & 0x0800)
    if is_complex or kind not in (_CHAR, *_NUMERIC):
        return None
    if not 2 <= len(shape) <= 8 or min(shape) < 0:
        raise _DamageError(f"{own} has the sizes {list(shape)[:9]}")
    real = next(parts, None)
    if real is None:
        raise _DamageError(f"{own} has no values")
    if kind == _CHAR:
        return own, _text(own, *real, order)
    values = _values(own, *real, order)
    if len(values) != math.prod(shape):
        raise _DamageError(f"{own} has {len(values)} values for the sizes {list(shape)}")
    return own, values.astype(np.float64).reshape(shape, order="F")


def _values(name: str, kind: int, data: memoryview, order: str) -> NDArray[np.generic]:
    if kind not in _NUMBERS:
        raise _DamageError(f"{name} has values of the unknown type {kind}")
    type_ = np.dtype(order + _NUMBERS[kind])
    if len(data) % type_.itemsize:
        raise _DamageError(f"{name} is cut")
    return np.frombuffer(data, type_)


def _text(name: str, kind: int, data: memoryview, order: str) -> str:
    try:
        if kind in _TEXTS:
            ending = "" if kind == 16 else "-le" if order == "<" else "-be"
            return bytes(data).decode(_TEXTS[kind] + ending)
        text = "".join(chr(int(code)) for code in _values(name, kind, data, order))
        text.encode()  # refuses halves of characters
        return text
    except (ValueError, OverflowError):
        raise _DamageError(f"{name} is not text") from None
