"""Whether what is written to disk can be: clips, results, changed cameras, fetched weights."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from commands.doctor.finding import Finding, fault, ok, warning
from stages.third_party import weights
from stream.settings.recording import RecordingConfig

PROBE_BYTES = 1 << 20
LEAST_FREE = 200 << 20
"""For results and what is fetched: the largest usual download is less."""

FreeBytes = Callable[[Path], int]
Write = Callable[[Path], None]


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write there."""
    return shutil.disk_usage(folder).free


def write_probe(folder: Path) -> None:
    """Write a MiB and take it away again: only so do quotas and read-only file systems show. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder, prefix=".partstream-doctor-") as file:
        file.write(os.urandom(PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def recording(config: RecordingConfig, free: FreeBytes = free_bytes, write: Write = write_probe) -> Finding:
    """Whether clips can be written, now and until they have filled their budget."""
    check = "recording.directory"
    if config.directory is None:
        return ok(check, "nothing is recorded")
    folder = nearest_folder(config.directory)
    if (unwritable := _cannot_write(check, folder, write)) is not None:
        return unwritable
    room = free(folder)
    if room < config.least_free:
        return fault(
            check,
            f"{_size(room)} are free at {folder}, recording.least_free wants {_size(config.least_free)}: no clips are "
            "written",
            "Make room there, record to another disk, or lower recording.least_free",
        )
    kept = sum(file.stat().st_size for file in config.directory.glob("*") if file.is_file())
    lacking = config.budget - kept - (room - config.least_free)
    if lacking > 0:
        return warning(
            check,
            f"{_size(room)} are free at {folder}: clips will lack {_size(lacking)} of their {_size(config.budget)}",
            "Lower recording.budget, so that old clips go in time; or make room there",
        )
    return ok(check, f"{_size(room)} are free at {folder}, and it can be written to")


def folder(check: str, wanted: Path, free: FreeBytes = free_bytes, write: Write = write_probe) -> Finding:
    """Whether files can be written into a folder, which may have to be made first."""
    there = nearest_folder(wanted)
    if (unwritable := _cannot_write(check, there, write)) is not None:
        return unwritable
    room = free(there)
    if room < LEAST_FREE:
        return warning(check, f"only {_size(room)} are free at {there}", "Make room there")
    return ok(check, f"{_size(room)} are free at {there}, and it can be written to")


def cache(free: FreeBytes = free_bytes, write: Write = write_probe) -> Finding:
    """Whether weights can be fetched into the cache. One that is only read may be read-only, if all is there."""
    found = folder("weights cache", weights.cache_dir(), free, write)
    if found.level == "fault" and weights.cache_dir().is_dir():
        return warning(found.check, f"{found.seen}: nothing can be fetched", found.remedy)
    return found


def nearest_folder(wanted: Path) -> Path:
    """The folder itself, or the nearest one above it that is there: in it the others would be made."""
    wanted = wanted.absolute()
    return next((path for path in (wanted, *wanted.parents) if path.exists()), wanted)


def _cannot_write(check: str, folder: Path, write: Write) -> Finding | None:
    if not folder.is_dir():
        return fault(check, f"{folder} is no folder", "Name a folder")
    try:
        write(folder)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        seen = f"{folder} is full" if full else f"{folder} can't be written to: {error.strerror}"
        return fault(check, seen, "Make room there" if full else f"Let user {_user()} write there, or choose another")
    return None


def _user() -> str:
    return str(os.geteuid()) if hasattr(os, "geteuid") else "this"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 10**9 else f"{count / 1e6:.0f} MB"
