"""Checks of the disks: clips, results, the state file, and the weights cache."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from commands.console.amounts import size_text
from commands.doctor.finding import Finding, fault, ok, warning
from stages.third_party import weights
from stream.settings.recording import RecordingConfig

PROBE_BYTES = 1 << 20
MIN_FREE_BYTES = 200 << 20
"""For results and downloads, the largest of which is usually smaller."""

FreeBytes = Callable[[Path], int]
Write = Callable[[Path], None]


def free_bytes(folder: Path) -> int:
    """Return the bytes that an ordinary user may still write there."""
    return shutil.disk_usage(folder).free


def write_probe(folder: Path) -> None:
    """Write a MiB and remove it, which also finds quotas and read-only file systems. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder, prefix=".partstream-doctor-") as file:
        file.write(os.urandom(PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def recording(config: RecordingConfig, free: FreeBytes = free_bytes, write: Write = write_probe) -> Finding:
    """Check whether clips can be written, now and until they fill their budget."""
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
            f"{size_text(room)} are free at {folder}, less than recording.least_free ({size_text(config.least_free)})",
            "Free some space, record to another disk, or lower recording.least_free",
        )
    kept = sum(file.stat().st_size for file in config.directory.glob("*") if file.is_file())
    lacking = config.budget - kept - (room - config.least_free)
    if lacking > 0:
        return warning(
            check,
            f"{size_text(room)} are free at {folder}: {size_text(lacking)} too little for recording.budget "
            f"({size_text(config.budget)})",
            "Lower recording.budget, so that old clips are removed in time, or free some space",
        )
    return ok(check, f"{size_text(room)} are free at {folder}, and it is writable")


def folder(check: str, wanted: Path, free: FreeBytes = free_bytes, write: Write = write_probe) -> Finding:
    """Check whether files can be written into a folder, which need not exist yet."""
    there = nearest_folder(wanted)
    if (unwritable := _cannot_write(check, there, write)) is not None:
        return unwritable
    room = free(there)
    if room < MIN_FREE_BYTES:
        return warning(check, f"only {size_text(room)} are free at {there}", "Free some space there")
    return ok(check, f"{size_text(room)} are free at {there}, and it is writable")


def cache(free: FreeBytes = free_bytes, write: Write = write_probe) -> Finding:
    """Check whether weights can be fetched into the cache. A read-only cache that is complete is no fault."""
    found = folder("weights cache", weights.cache_dir(), free, write)
    if found.level == "fault" and weights.cache_dir().is_dir():
        return warning(found.check, f"{found.seen}: nothing can be fetched", found.remedy)
    return found


def nearest_folder(wanted: Path) -> Path:
    """Return the folder itself, or the nearest parent that exists, in which it would be made."""
    wanted = wanted.absolute()
    return next((path for path in (wanted, *wanted.parents) if path.exists()), wanted)


def _cannot_write(check: str, folder: Path, write: Write) -> Finding | None:
    if not folder.is_dir():
        return fault(check, f"{folder} is not a folder", "Name a folder")
    try:
        write(folder)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        seen = f"{folder} is full" if full else f"{folder} is not writable: {error.strerror}"
        return fault(
            check, seen, "Free some space there" if full else f"Let user {_user()} write there, or choose another"
        )
    return None


def _user() -> str:
    return str(os.geteuid()) if hasattr(os, "geteuid") else "this"
