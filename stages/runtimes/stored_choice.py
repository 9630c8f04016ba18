"""The measured choice of a runtime in the user's cache, one JSON file per network, machine and use.

A choice is used only if everything that it depends on is the same. A file that can't be used is logged and ignored.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from pathlib import Path
from typing import Literal

import msgspec

from stages.runtimes.network import Candidate, PrecisionName, RuntimeName

FORMAT = "partstream.runtime/4"

logger = logging.getLogger(__name__)


class ChoiceKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a choice depends on."""

    network: str
    processor: str
    cores: int
    torch_threads: int
    threads: int
    """Number of threads of the other runtimes."""
    sizes: list[tuple[int, int]]
    """Heights and widths."""
    precision: str
    """`model.precision`."""
    packages: dict[str, str]
    """Versions of the runtimes' packages."""


class StoredChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A choice, and the measurements that led to it."""

    format: Literal["partstream.runtime/4"]
    key: ChoiceKey
    runtime: RuntimeName
    precision: PrecisionName
    milliseconds: dict[str, dict[str, float]]
    """For each candidate that ran, by picture size (`576x768`, height first)."""
    rejected: dict[str, str]
    """The reason against each candidate that was not accepted."""

    @property
    def candidate(self) -> Candidate:
        """The chosen runtime and precision."""
        return Candidate(self.runtime, self.precision)


def choice_file(folder: Path, key: ChoiceKey) -> Path:
    """Return the file of a key, which need not exist."""
    digest = hashlib.sha256(msgspec.json.encode(key, order="sorted")).hexdigest()
    return folder / f"{key.network}-{digest[:16]}.json"


def read_choice(folder: Path, key: ChoiceKey) -> StoredChoice | None:
    """Return the choice that was stored for `key`, or None."""
    path = choice_file(folder, key)
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=StoredChoice)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("model.runtime: %s is ignored, and runtimes are measured again: %s", path, error)
        return None
    return stored


def write_choice(folder: Path, choice: StoredChoice) -> None:
    """Store a choice atomically. If the folder can't be written, runtimes are measured at each start."""
    path = choice_file(folder, choice.key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as scratch:
            partial = Path(scratch) / path.name
            partial.write_bytes(msgspec.json.format(msgspec.json.encode(choice), indent=1) + b"\n")
            partial.replace(path)
    except OSError as error:
        logger.info(
            "model.runtime: %s can't be written (%s): runtimes are measured at each start", path, error.strerror
        )
