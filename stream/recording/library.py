"""The directory of clips, kept within its budget.

Only files with names of clips (`clips.NAME` and an ending) are touched. A lock allows one engine per directory, which
removes unfinished files (`.part`) of an earlier run at the start. Only the writer thread changes the library.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

import msgspec

from stream import file_lock
from stream.recording.clips import NAME, Clip, clip_name
from stream.recording.disk_condition import DiskCondition

VIDEO, RESULTS, METADATA = ".mp4", ".jsonl", ".json"
ENDINGS = (VIDEO, RESULTS, METADATA)
LOCK = "clips.lock"
PART = ".part"
_OWN = re.compile(rf"({NAME.pattern})(\.mp4|\.jsonl|\.json)({re.escape(PART)})?")

MAX_CLIPS = 10_000
"""Maximum number of clips, whatever the budget, because their metadata is in memory."""


class _Entry(NamedTuple):
    size: int
    clip: Clip | None
    """None for files without valid metadata. They count towards the budget and are deleted first."""


class ClipLibrary:
    """The clips in one directory. `budget` and `least_free` are in bytes.

    `on_deleted` is called with the name of each clip that was deleted to make room.
    """

    def __init__(
        self, directory: Path, budget: int, least_free: int, on_deleted: Callable[[str], None] = lambda name: None
    ) -> None:
        self.directory = directory
        self.budget = budget
        self.condition = DiskCondition("recording", directory, least_free, "clips", "clips are lost")
        self._on_deleted = on_deleted
        self._entries: dict[str, _Entry] = {}
        """By name, in the order of writing. Names have the capture time, which a wrong clock may put in the future."""
        self._growing: dict[str, int] = {}
        """Size in bytes of the clips that are being written."""
        self._lock = threading.Lock()
        self.opened = threading.Event()
        """Set once the directory was read, or could not be."""
        self.bytes_kept = 0
        """Size in bytes of all clips, including incomplete ones."""
        self.in_use = ""
        """Who else uses the directory, as `process 123`; empty once this library has it."""
        self._held: int | None = None

    # -- the writer thread --------------------------------------------------------------------------------------
    def open(self) -> None:
        """Read the directory. If that fails, the error is logged, and the directory is used again for the next clip."""
        try:
            self._hold()
            self._scan()
            self._make_room()
            self.condition.has_room()
        except OSError as error:
            self.condition.failed(error)
        finally:
            self.opened.set()

    def close(self) -> None:
        """Let another engine use the directory. May be called again."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _hold(self) -> None:
        """Create the directory if need be, and keep other engines from using it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._held is None:
            try:
                self._held = file_lock.held(self.directory / LOCK)
            except file_lock.InUseError:
                self.in_use = file_lock.holder_of(self.directory / LOCK)
                raise
            self.in_use = ""

    def begin(self, capture_us: int, camera: str, action: str) -> str:
        """Return the name of a new clip. Raises OSError if no clip can be written."""
        self._hold()
        self.condition.check_room()
        names = (clip_name(capture_us, camera, action, number) for number in count(1))
        return next(name for name in names if name not in self._entries and name not in self._growing)

    def part(self, name: str, ending: str) -> Path:
        """Return the path of a clip's file while it is being written."""
        return self.directory / f"{name}{ending}{PART}"

    def keep(self, clip: Clip) -> int:
        """Write the metadata and give all files their final names. Return their size in bytes.

        The clip exists once its last file does.
        """
        metadata = self.part(clip.name, METADATA)
        metadata.write_bytes(msgspec.json.format(msgspec.json.encode(clip), indent=1) + b"\n")
        for ending in ENDINGS:
            part = self.part(clip.name, ending)
            part.rename(part.with_suffix(""))
        size = sum((self.directory / (clip.name + ending)).stat().st_size for ending in ENDINGS)
        with self._lock:
            self._entries[clip.name] = _Entry(size, clip)
            self.bytes_kept += size
        self._growing.pop(clip.name, None)
        if self.condition.has_room():
            self.condition.works()
        try:
            self._make_room()
        except OSError as error:
            self.condition.failed(error)  # the new clip is kept nevertheless
        return size

    def discard(self, name: str) -> None:
        """Delete the files of a failed clip. Never raises."""
        self._growing.pop(name, None)
        for ending in ENDINGS:
            for path in (self.part(name, ending), self.directory / (name + ending)):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def update_size(self, name: str, size: int) -> bool:
        """Update the size of a growing clip, and delete older ones. Return False if the clip exceeds the budget."""
        self._growing[name] = size
        return self._make_room()

    def _make_room(self) -> bool:
        while self.bytes_kept + sum(self._growing.values()) > self.budget or len(self._entries) > MAX_CLIPS:
            oldest = next(iter(self._entries), None)
            if oldest is None:
                return False
            for ending in ENDINGS[::-1]:  # the metadata first: without it there is no clip
                (self.directory / (oldest + ending)).unlink(missing_ok=True)
            with self._lock:
                self.bytes_kept -= self._entries.pop(oldest).size
            self._on_deleted(oldest)
        return True

    def _scan(self) -> None:
        sizes: Counter[str] = Counter()
        for path in self.directory.iterdir():
            match = _OWN.fullmatch(path.name)
            if match is None or path.is_symlink() or not path.is_file():
                continue
            if match[3]:
                path.unlink(missing_ok=True)
            else:
                sizes[match[1]] += path.stat().st_size
        found = {name: _Entry(size, _read_metadata(self.directory, name)) for name, size in sizes.items()}
        now_us = time.time_ns() // 1000
        with self._lock:
            self._entries = dict(sorted(found.items(), key=lambda item: (_age(item[1], now_us), item[0])))
            self.bytes_kept = sizes.total()

    # -- any thread ---------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._entries)

    def clips(self) -> list[Clip]:
        """Return all clips, newest first."""
        with self._lock:
            entries = sorted(self._entries.items(), reverse=True)
        return [entry.clip for _, entry in entries if entry.clip is not None]

    def clip(self, name: str) -> Clip | None:
        """Return the clip of this name, or None."""
        with self._lock:
            entry = self._entries.get(name)
        return entry.clip if entry is not None else None


def _age(entry: _Entry, now_us: int) -> int:
    """Return when a clip was written; 0 if that is in the future, because the clock was wrong, or not known."""
    return entry.clip.written_us if entry.clip is not None and entry.clip.written_us <= now_us else 0


def _read_metadata(directory: Path, name: str) -> Clip | None:
    """Return a clip's metadata, or None if it is invalid or files are missing."""
    try:
        clip = msgspec.json.decode((directory / (name + METADATA)).read_bytes(), type=Clip)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    whole = all((directory / (name + ending)).is_file() for ending in ENDINGS)
    return clip if clip.name == name and whole else None
