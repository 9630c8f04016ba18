"""The file of `--json FILE`: checked before long work, and written whole."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from commands.ending import EXIT_USAGE, fail
from stream import output_file


def check_json_file(path: Path | None) -> None:
    """End the command for a place that no file can be written to, before the work."""
    if path is None:
        return
    try:
        fits = path.parent.is_dir() and not path.is_dir()
    except OSError as error:  # such as a name that is too long
        fail(f"--json {path}: can't be written: {error.strerror or error}", EXIT_USAGE)
    if not fits:
        fail(f"--json {path}: can't be written: give the path of a file in an existing folder", EXIT_USAGE)


def write_json(path: Path | None, content: Any, read: Iterable[Path] = (), *, indent: int | None = None) -> None:
    """Write a value as JSON, if there is a path. `read`: the files from which it was made, which are not replaced."""
    if path is not None:
        write_text(path, json.dumps(content, indent=indent, ensure_ascii=False) + "\n", read)


def write_text(path: Path, content: str, read: Iterable[Path] = ()) -> None:
    """Write a file as `write_json` does."""
    try:
        with output_file.replacing(path, read) as unfinished:
            unfinished.write_text(content, encoding="utf-8")
    except OSError as error:
        fail(f"{path}: can't be written: {error.strerror or error}")
