"""A search of bytes for pictures that show a barcode: as JPEG, PNG, MP4, H.264 or raw rows, also packed or as text."""

from __future__ import annotations

import base64
import binascii
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from PIL import Image

from benchmarks.cameras import barcode

MOST_FRAMES = 30
"""Frames of a video that are looked at."""
ROW = re.compile(rb"[\xb0-\xff]{28}[\xb0-\xff]*[\x00-\x50]{28}")
"""The first two blocks of a barcode in a row of 640 pixels, in any layout of one byte a pixel."""
WIDTH = 640
TEXT = re.compile(rb"(?:/9j/|iVBORw0KGgo)[A-Za-z0-9+/=]{100,}")
DEEPEST = 3


class Search:
    """Counts, for each place, the pictures and the readable barcodes in what it is given."""

    def __init__(self, turned: bool = False) -> None:
        """`turned`: barcodes are looked for in pictures on their sides, too. One picture in a thousand of random edges
        then seems to show one."""
        self._turns = range(4) if turned else range(1)
        self.pictures: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()

    def look(self, place: str, data: bytes, depth: int = 0) -> None:
        """Search bytes."""
        for found in (_stills, _videos, _rows):
            for luma in found(data):
                self.look_at(place, luma)
        if depth < DEEPEST:
            for inner in _unpacked(data):
                self.look(place, inner, depth + 1)

    def look_at(self, place: str, luma: np.ndarray) -> None:
        """Search a picture: uint8 [height, width]."""
        self.pictures[place] += 1
        self.codes[place] += any(
            barcode.read(np.ascontiguousarray(np.rot90(luma, turns))) != barcode.UNREADABLE for turns in self._turns
        )

    def look_into(self, folder: Path, place: Callable[[Path], str]) -> None:
        """Search every file of a folder."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.look(place(path), path.read_bytes())


def _stills(data: bytes) -> Iterator[np.ndarray]:
    for begin in re.finditer(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n", data):
        try:
            with Image.open(io.BytesIO(data[begin.start() :])) as opened:
                yield np.ascontiguousarray(np.asarray(opened.convert("L")))
        except (OSError, SyntaxError, ValueError):
            continue


def _videos(data: bytes) -> Iterator[np.ndarray]:
    for begin in re.finditer(rb"(?s).{4}ftyp", data):
        yield from _frames(data[begin.start() :], None)
    # A parameter set begins what can be decoded.
    for begin in re.finditer(rb"\x00\x00\x01[\x07\x27\x47\x67]", data):
        yield from _frames(data[begin.start() :], "h264")


def _frames(data: bytes, format: str | None) -> Iterator[np.ndarray]:
    try:
        with av.open(io.BytesIO(data), "r", format=format) as container:
            for number, frame in enumerate(container.decode(video=0)):
                yield np.ascontiguousarray(frame.to_ndarray(format="gray"))
                if number >= MOST_FRAMES:
                    return
    except (FFmpegError, IndexError, ValueError):
        return


def _rows(data: bytes) -> Iterator[np.ndarray]:
    for number, begin in enumerate(ROW.finditer(data)):
        row = data[begin.start() : begin.start() + WIDTH]
        if len(row) == WIDTH:
            yield np.frombuffer(row, np.uint8)[None]
        if number >= MOST_FRAMES:
            return


def _unpacked(data: bytes) -> Iterator[bytes]:
    for begin in re.finditer(rb"\x1f\x8b\x08", data):
        try:
            yield zlib.decompressobj(31).decompress(data[begin.start() :], 64 << 20)
        except zlib.error:
            continue
    for text in TEXT.findall(data):
        try:
            yield base64.b64decode(text[: len(text) // 4 * 4])
        except binascii.Error:
            continue
