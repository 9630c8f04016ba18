"""Files that are written: none may have two purposes, disks need room, and private files are readable by their owner.

`replace` and `create` write private files atomically: readers find the whole file or none.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ByteSize

from stages.settings import Section
from stream import output_file
from stream.settings.config_error import ConfigError
from stream.settings.source_address import SourceAddress

WRITTEN = ("results", "state_file", "alerts_file", "http.audit_file")
"""Settings of files that are written. Those of folders are not among them: what is written there has names of its own,
and a folder that is used by another engine is refused when it is opened."""


def check_written(settings: Section, config_file: Path | None = None) -> None:
    """Raise `ConfigError` if a file that is written is named by another setting too, or is the configuration."""
    named = dict(paths(settings))
    if config_file is not None:
        named["the configuration"] = config_file
    for setting in WRITTEN:
        path = named.get(setting)
        for other, taken in named.items():
            if path is not None and other != setting and output_file.same(path, taken):
                raise ConfigError(f"{setting}: must be a file of its own: {path} is that of {other}, too")


def paths(value: Any, name: str = "") -> Iterator[tuple[str, Path]]:
    """Yield each path in settings with its dotted name: files, folders, sources that are files, and checkpoints."""
    if isinstance(value, Section):
        for field in type(value).model_fields:
            yield from paths(getattr(value, field), f"{name}.{field}" if name else field)
    elif isinstance(value, Mapping):
        for key, one in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from paths(one, f"{name}.{key}")
    elif isinstance(value, SourceAddress):
        if value.kind == "file":
            yield name, Path(value.reveal())
    elif isinstance(value, Path):
        yield name, value
    elif isinstance(value, str):
        if name == "model.profile":
            yield name, Path(value)
    elif isinstance(value, Sequence):
        for number, one in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from paths(one, f"{name}.{number}")


def too_little(free: int, setting: str, least: int) -> str:
    """Return that `free` bytes are less than the setting's `least`."""
    texts = (ByteSize(count).human_readable(decimal=True, separator=" ") for count in (free, least))
    return f"{next(texts)} are free, less than {setting} ({next(texts)})"


def replace(path: Path, text: str) -> None:
    """Write a private file, replacing an existing one. Blocks until it is on disk; on OSError the old file stays."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    _write(temporary, text)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def create(path: Path, text: str) -> None:
    """Write a new private file, as `replace` does. Raises FileExistsError if there is one, which stays unchanged."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    _write(temporary, text)
    try:
        os.link(temporary, path)  # a rename would replace an existing file
    finally:
        temporary.unlink()
    sync(path.parent)


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


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
