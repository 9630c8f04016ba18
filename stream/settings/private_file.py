"""Files that only their owner may read, written whole: whoever reads finds all of it or none. Owns nothing."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Write the file, over the one that may be there. Blocks until it is on the disk; raises OSError, and it stays."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    _write(beside, text)
    try:
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def create(path: Path, text: str) -> None:
    """Write a new file, as `replace` does. Raises FileExistsError, and leaves alone what is there, if there is one."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    _write(beside, text)
    try:
        os.link(beside, path)  # a rename would go over what is there
    finally:
        beside.unlink()
    _sync_folder(path.parent)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
