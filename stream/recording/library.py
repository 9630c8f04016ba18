"""ClipLibrary: the directory of clips, kept within its budget. Touches no file that recording didn't write.

Its own are known by their names (`clips.NAME` and an ending). Lives as long as its engine, one engine a directory: what
an earlier one left unfinished (`.part`) is removed at the start. The writer's thread changes it; others may read.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from stream.recording.clips import NAME, Clip, clip_name

logger = logging.getLogger(__name__)

VIDEO, RESULTS, ABOUT = ".mp4", ".jsonl", ".json"
ENDINGS = (VIDEO, RESULTS, ABOUT)
PART = ".part"
_OWN = re.compile(rf"({NAME.pattern})(\.mp4|\.jsonl|\.json)({re.escape(PART)})?")

MOST_CLIPS = 10_000
"""Clips kept, whatever the budget: what is known of them is held in memory."""
LARGEST_ABOUT = 1 << 20
NAMES_TRIED = 100

State = Literal["ready", "low_disk", "unwritable"]
FailReason = Literal["low_disk", "disk_full", "unwritable"]


class NoRoomError(OSError):
    """No clip may be begun: less is free on the disk than is to stay free."""


def reason_of(error: OSError) -> FailReason:
    """A short code for why a clip could not be written."""
    if isinstance(error, NoRoomError):
        return "low_disk"
    return "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "unwritable"


@dataclass(slots=True)
class _Entry:
    size: int
    clip: Clip | None
    """None for files without a readable one: they count, and go when their turn comes."""


class ClipLibrary:
    """The clips of one directory. `budget` and `least_free` in bytes."""

    def __init__(self, directory: Path, budget: int, least_free: int) -> None:
        self.directory = directory
        self.budget = budget
        self._least_free = least_free
        self._entries: dict[str, _Entry] = {}
        self._growing: dict[str, int] = {}
        """Bytes of clips that are being written."""
        self._lock = threading.Lock()
        self.bytes_kept = 0
        """Bytes of all clips kept, and of what was left of others."""
        self.state: State = "ready"
        self.message = ""
        """For people: why it isn't ready, and what to do."""

    # -- the writer's thread ------------------------------------------------------------------------------------
    def open(self) -> None:
        """Find what is there. A directory that can't be used is told, and tried again with the next clip."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._scan()
            self._make_room()
            self.look()
        except OSError as error:
            self.failed(error)

    def look(self) -> bool:
        """Whether the disk has room for a clip; its state says so too."""
        try:
            free = shutil.disk_usage(self.directory).free
        except OSError as error:
            self.failed(error)
            return False
        if free < self._least_free:
            self._say(
                "low_disk",
                f"{free >> 20} MiB are free, recording.least_free wants {self._least_free >> 20} MiB: no clips are "
                "written; make room, or lower recording.budget",
            )
        elif self.state == "low_disk":
            self._say("ready", "")
        return self.state != "low_disk"

    def begin(self, capture_us: int, camera: str, action: str) -> str:
        """The name of a new clip. Raises OSError if none can be written now."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.look():
            raise NoRoomError(errno.ENOSPC, self.message)
        for number in range(1, NAMES_TRIED):
            name = clip_name(capture_us, camera, action, number)
            if name not in self._entries and not any(self.part(name, ending).exists() for ending in ENDINGS):
                return name
        raise FileExistsError(errno.EEXIST, "too many clips of the same moment")

    def part(self, name: str, ending: str) -> Path:
        """Where a clip's file is while it is being written."""
        return self.directory / f"{name}{ending}{PART}"

    def keep(self, clip: Clip) -> None:
        """The clip's video and results are written: give them their names. It is there once its last file is."""
        about = self.part(clip.name, ABOUT)
        about.write_bytes(msgspec.json.format(msgspec.json.encode(clip), indent=1) + b"\n")
        for ending in ENDINGS:
            part = self.part(clip.name, ending)
            part.rename(part.with_suffix(""))
        size = sum((self.directory / (clip.name + ending)).stat().st_size for ending in ENDINGS)
        with self._lock:
            self._entries[clip.name] = _Entry(size, clip)
            self.bytes_kept += size
        self._growing.pop(clip.name, None)
        self._say("ready", "")
        try:
            self._make_room()
        except OSError as error:
            self.failed(error)  # this one is kept all the same

    def discard(self, name: str) -> None:
        """Remove what there is of a clip that came to nothing; never raises."""
        self._growing.pop(name, None)
        for ending in ENDINGS:
            for path in (self.part(name, ending), self.directory / (name + ending)):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    logger.debug("%s: %s", path, error.strerror)

    def grown(self, name: str, size: int) -> bool:
        """The clip under way has so many bytes: older ones make room for it. False if the budget can't hold it."""
        self._growing[name] = size
        return self._make_room()

    def _make_room(self) -> bool:
        while self.bytes_kept + sum(self._growing.values()) > self.budget or len(self._entries) > MOST_CLIPS:
            oldest = min(self._entries, default=None)
            if oldest is None:
                return False
            for ending in ENDINGS[::-1]:  # what is said of it first: then it is no clip any more
                (self.directory / (oldest + ending)).unlink(missing_ok=True)
            with self._lock:
                self.bytes_kept -= self._entries.pop(oldest).size
        return True

    def failed(self, error: OSError) -> None:
        """A clip could not be written, for this reason."""
        if isinstance(error, NoRoomError):
            return  # `look` has said it
        why = error.strerror or str(error)
        self._say(
            "low_disk" if reason_of(error) == "disk_full" else "unwritable",
            f"{self.directory} can't be written: {why}; clips are lost until it can",
        )

    def closed_by_fault(self) -> None:
        """Whoever writes can't go on."""
        self._say("unwritable", "a fault in partstream, which the log has: no clips are written until a restart")

    def _say(self, state: State, message: str) -> None:
        if state != self.state:
            if state == "ready":
                logger.info("recording: clips are written again to %s", self.directory)
            else:
                logger.error("recording: %s", message)
        self.state, self.message = state, message

    def _scan(self) -> None:
        found: dict[str, _Entry] = {}
        for path, name, ending in self._own_files():
            if path.name.endswith(PART):
                path.unlink(missing_ok=True)
                continue
            entry = found.setdefault(name, _Entry(0, None))
            entry.size += path.stat().st_size
            if ending == ABOUT:
                entry.clip = _read(path, name)
        with self._lock:
            self._entries = found
            self.bytes_kept = sum(entry.size for entry in found.values())

    def _own_files(self) -> Iterator[tuple[Path, str, str]]:
        for path in self.directory.iterdir():
            match = _OWN.fullmatch(path.name)
            if match is not None and path.is_file() and not path.is_symlink():
                yield path, match[1], match[2]

    # -- any thread ---------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        """Clips kept."""
        return len(self._entries)

    def clips(self) -> list[Clip]:
        """Every clip, newest first."""
        with self._lock:
            entries = sorted(self._entries.items(), reverse=True)
        return [entry.clip for _, entry in entries if entry.clip is not None]

    def clip(self, name: str) -> Clip | None:
        """The clip of this name, if there is one."""
        with self._lock:
            entry = self._entries.get(name)
        return entry.clip if entry is not None else None


def _read(path: Path, name: str) -> Clip | None:
    """What is said of a clip; None if that isn't whole."""
    try:
        if path.stat().st_size > LARGEST_ABOUT:
            return None
        clip = msgspec.json.decode(path.read_bytes(), type=Clip)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    whole = all(path.with_name(name + ending).is_file() for ending in ENDINGS)
    return clip if clip.name == name and whole else None


def sync(path: Path) -> None:
    """Have what was written to a file reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
