"""Files that are written whole: readers find the old file or the new one, never a part."""

from __future__ import annotations

import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Give the path of an unfinished file beside `path`, which takes its place at the end of the block.

    The folder is created, and the permissions are those of the old file, or the usual ones. After an error the
    unfinished file is removed and the old one stays. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Hidden, so that it is not read as part of a data set if the process is killed now.
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    unfinished.touch()
    mode = (path if path.exists() else unfinished).stat().st_mode
    try:
        yield unfinished
        unfinished.chmod(stat.S_IMODE(mode))  # safetensors makes files that only their owner can read
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
