"""The files of pictures: `pictures/<day>/<run>_<epoch>_<frame>_<camera>.jpg`.

A file is written as `.part` and renamed once it is on the disk, so that none is half there. Only files with such names
are touched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from stream.incidents.database import FrameKey
from stream.settings.values import CAMERA_ID

FOLDER = "pictures"
_OWN = re.compile(rf"([0-9a-f]{{32}})_([0-9]{{1,18}})_([0-9]{{1,18}})_({CAMERA_ID.pattern})\.jpg(\.part)?")


class PictureFiles:
    """The picture files in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, key: FrameKey, kept_us: int, jpeg: bytes) -> str:
        """Write a picture, and return its path below the directory. Raises OSError. Blocks until it is on the disk."""
        day = datetime.fromtimestamp(kept_us / 1e6, UTC).strftime("%Y-%m-%d")
        name = f"{FOLDER}/{day}/{key.run}_{key.epoch}_{key.frame}_{key.camera}.jpg"
        path = self._directory / name
        part = path.with_name(path.name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(part, "wb", opener=_private) as file:
                file.write(jpeg)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return name

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if it is missing, empty or cannot be read."""
        try:
            return (self._directory / name).read_bytes() or None
        except OSError:
            return None

    def delete(self, name: str) -> None:
        """Delete a file, and its folder if that is empty then. Raises OSError if the file stays."""
        path = self._directory / name
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError:
            return  # other pictures of the day are in it

    def scan(self) -> Iterator[tuple[FrameKey, str, int, int]]:
        """Yield frame, path, size and age (µs since 1970) of each file; delete unfinished ones. Raises OSError."""
        for path in (self._directory / FOLDER).glob("*/*"):
            match = _OWN.fullmatch(path.name)
            if match is None or path.is_symlink() or not path.is_file():
                continue
            if match[5] is not None:
                path.unlink(missing_ok=True)
                continue
            status = path.stat()
            key = FrameKey(match[1], match[4], int(match[2]), int(match[3]))
            yield key, str(path.relative_to(self._directory)), status.st_size, status.st_mtime_ns // 1000


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
