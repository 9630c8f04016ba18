"""The file of Ray's token, with which any program can be run on every node of the cluster."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from stream.settings import files
from stream.settings.config_error import ConfigError

LEAST_CHARACTERS, MOST_CHARACTERS = 32, 512
_CHARACTERS = re.compile(r"[A-Za-z0-9_.~+/=-]+")


def create(path: Path) -> bool:
    """Create the file with a new token, unless there is one. Returns whether it was created. Raises `ConfigError`."""
    if path.exists():
        return False
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.create(path, secrets.token_hex(32))
    except OSError as error:
        raise ConfigError(f"{path}: the token can't be written: {error.strerror}") from None
    return True


def check(path: Path) -> None:
    """Raise `ConfigError` if the file is missing, holds no good token, or can be read by other users."""
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
            raise ConfigError(f"{path}: the token can't be read: it is not a file")
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            text = file.read(MOST_CHARACTERS + 2).decode("ascii", "replace").strip()
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no token. Copy the head's file, and let only its owner read it") from None
    except OSError as error:
        raise ConfigError(f"{path}: the token can't be read: {error.strerror}") from None
    if stat.S_IMODE(state.st_mode) & 0o077:
        raise ConfigError(f"{path}: other users can read the token. Use `chmod 600 {path}`, and a new token")
    if not LEAST_CHARACTERS <= len(text) <= MOST_CHARACTERS or not _CHARACTERS.fullmatch(text):
        raise ConfigError(f"{path}: must contain a token of {LEAST_CHARACTERS} to {MOST_CHARACTERS} letters and digits")
