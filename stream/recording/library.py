"""The directory of clips, kept within its budget.

Only files with names of clips (`clips.NAME` and an ending) are touched. A lock allows one engine per directory, which
removes unfinished files (`.part`) of an earlier run at the start. Only the writer thread changes the library.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from stream import file_lock
from stream.recording.clips import NAME, Clip, clip_name
from stream.settings.files import too_little

logger = logging.getLogger(__name__)

VIDEO, RESULTS, METADATA = ".mp4", ".jsonl", ".json"
ENDINGS = (VIDEO, RESULTS, METADATA)
LOCK = "clips.lock"
PART = ".part"
_OWN = re.compile(rf"({NAME.pattern})(\.mp4|\.jsonl|\.json)({re.escape(PART)})?")

MAX_CLIPS = 10_000
"""Maximum number of clips, whatever the budget, because their metadata is in memory."""
MAX_METADATA_BYTES = 1 << 20
NAMES_TRIED = 100

State = Literal["ready", "low_disk", "unwritable"]
FailReason = Literal["low_disk", "disk_full", "unwritable"]


class NoRoomError(OSError):
    """Less than the configured minimum is free on the disk, so that no clip can begin."""


def reason_of(error: OSError) -> FailReason:
    """Return a short code for why a clip could not be written."""
    if isinstance(error, NoRoomError):
        return "low_disk"
    return "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "unwritable"


@dataclass(slots=True)
class _Entry:
    size: int
    clip: Clip | None
    """None for files without valid metadata. They count towards the budget and are deleted like clips."""
    written_us: int = 0
    """When the last of its files was written, UTC; only known of clips of earlier runs."""

    def age_from(self, now_us: int) -> int:
        """Return when it was written; 0 if that is in the future, because the clock was wrong: it counts as oldest."""
        written_us = self.clip.written_us if self.clip is not None else self.written_us
        return written_us if written_us <= now_us else 0


class ClipLibrary:
    """The clips in one directory. `budget` and `least_free` are in bytes.

    `on_deleted` is called with the name of each clip that was deleted to make room.
    """

    def __init__(
        self, directory: Path, budget: int, least_free: int, on_deleted: Callable[[str], None] = lambda name: None
    ) -> None:
        self.directory = directory
        self.budget = budget
        self._least_free = least_free
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
        self.state: State = "ready"
        self.message = ""
        """Why the library is not ready, and what to do."""
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
            self.check_disk()
        except OSError as error:
            self.failed(error)
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

    def check_disk(self) -> bool:
        """Return whether the disk has room for a clip, and update the state."""
        try:
            free = shutil.disk_usage(self.directory).free
        except OSError as error:
            self.failed(error)
            return False
        if free < self._least_free:
            self._set_state(
                "low_disk",
                f"{too_little(free, 'recording.least_free', self._least_free)}: no clips are written; free disk "
                "space, or lower recording.budget",
            )
        elif self.state == "low_disk":
            self._set_state("ready", "")
        return self.state != "low_disk"

    def begin(self, capture_us: int, camera: str, action: str) -> str:
        """Return the name of a new clip. Raises OSError if no clip can be written."""
        self._hold()
        if not self.check_disk():
            raise NoRoomError(errno.ENOSPC, self.message)
        for number in range(1, NAMES_TRIED):
            name = clip_name(capture_us, camera, action, number)
            if name not in self._entries and not any(self.part(name, ending).exists() for ending in ENDINGS):
                return name
        raise FileExistsError(errno.EEXIST, "too many clips of the same moment")

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
        if self.state == "unwritable" and self.check_disk():
            self._set_state("ready", "")
        try:
            self._make_room()
        except OSError as error:
            self.failed(error)  # the new clip is kept nevertheless
        return size

    def discard(self, name: str) -> None:
        """Delete the files of a failed clip. Never raises."""
        self._growing.pop(name, None)
        for ending in ENDINGS:
            for path in (self.part(name, ending), self.directory / (name + ending)):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    logger.debug("%s: %s", path, error.strerror)

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

    def failed(self, error: OSError) -> None:
        """Update the state after a clip could not be written."""
        if isinstance(error, NoRoomError):
            return  # `check_disk` has already set the state
        why = error.strerror or str(error)
        self._set_state(
            "low_disk" if reason_of(error) == "disk_full" else "unwritable",
            f"{self.directory} cannot be written: {why}; clips are lost until this is fixed",
        )

    def close_after_error(self) -> None:
        """Update the state after the writer thread has failed."""
        self._set_state("unwritable", "internal error, see the log: no clips are written until a restart")

    def _set_state(self, state: State, message: str) -> None:
        if state != self.state:
            if state == "ready":
                logger.info("recording: clips are written to %s again", self.directory)
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
            status = path.stat()
            entry.size += status.st_size
            entry.written_us = max(entry.written_us, status.st_mtime_ns // 1000)
            if ending == METADATA:
                entry.clip = _read_metadata(path, name)
        now_us = time.time_ns() // 1000
        with self._lock:
            self._entries = dict(sorted(found.items(), key=lambda item: (item[1].age_from(now_us), item[0])))
            self.bytes_kept = sum(entry.size for entry in found.values())

    def _own_files(self) -> Iterator[tuple[Path, str, str]]:
        for path in self.directory.iterdir():
            match = _OWN.fullmatch(path.name)
            if match is not None and path.is_file() and not path.is_symlink():
                yield path, match[1], match[2]

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


def _read_metadata(path: Path, name: str) -> Clip | None:
    """Return a clip's metadata, or None if it is invalid or files are missing."""
    try:
        if path.stat().st_size > MAX_METADATA_BYTES:
            return None
        clip = msgspec.json.decode(path.read_bytes(), type=Clip)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    whole = all(path.with_name(name + ending).is_file() for ending in ENDINGS)
    return clip if clip.name == name and whole else None


def sync(path: Path) -> None:
    """Flush a file to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
