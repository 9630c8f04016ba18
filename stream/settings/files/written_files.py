"""The files that an engine writes: none of them may be one that it reads, or writes for another purpose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.settings import Section
from stream import output_file
from stream.settings.config_error import ConfigError
from stream.settings.source_address import SourceAddress

WRITTEN = ("results", "state_file", "alerts_file", "http.audit_file")
"""Settings of files that are written. Those of folders are not among them: what is written there has names of its own,
and a folder that is used by another engine is refused when it is opened."""


def check(settings: Section, config_file: Path | None = None) -> None:
    """Raise `ConfigError` if a file that is written is named by another setting too, or is the configuration."""
    named = dict(paths(settings))
    if config_file is not None:
        named["the configuration"] = config_file
    for setting in WRITTEN:
        path = named.get(setting)
        other = next((name for name in named if path is not None and _one(path, named, setting, name)), None)
        if other is not None:
            raise ConfigError(f"{setting}: must be a file of its own: {path} is that of {other}, too")


def _one(path: Path, named: Mapping[str, Path], setting: str, other: str) -> bool:
    return other != setting and output_file.same(path, named[other])


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
