"""Files that an agent writes each time it starts, and that are still of use if the disk is full by then."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

from stream.settings import files

logger = logging.getLogger(__name__)


def write(path: Path, text: str) -> None:
    """Write the file for its owner only, unless it is as it is to be. If it can't be written, the old one stays.

    Raises `OSError` if it can't be written and there is no old one.
    """
    try:
        if path.read_bytes() == text.encode() and stat.S_IMODE(path.stat().st_mode) == 0o600:
            return
    except OSError:
        files.replace(path, text)
        return
    try:
        files.replace(path, text)
    except OSError as error:
        logger.error("%s can't be written, so the file from before is used: %s", path, error.strerror)
