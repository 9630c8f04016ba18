"""What is read of a store of incidents, from any thread: each query opens the database for itself."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from stream.incidents import database
from stream.incidents.incident import Bucket, Incident, IncidentQuery, Missing, Picture
from stream.incidents.picture_files import PictureFiles
from stream.results import Frame


class StoreUnavailableError(Exception):
    """The database cannot be read at the moment. The argument says why."""


class StoredIncidents(ABC):
    """The incidents in a directory. `clip_exists` returns whether there is a clip of this name."""

    def __init__(self, directory: Path, files: PictureFiles, clip_exists: Callable[[str], bool]) -> None:
        self._directory = directory
        self._files = files
        self._clip_exists = clip_exists
        self._generation = 0
        """The number of databases that were put aside."""

    def find(self, query: IncidentQuery) -> list[Incident]:
        """Return the incidents that match, the latest first. Raises `StoreUnavailableError`. Blocks."""
        with self._reading() as connection:
            return [self._with_clip(one) for one in database.find(connection, query)]

    def get(self, name: str) -> Incident | None:
        """Return the incident of this id, or None. Raises `StoreUnavailableError`. Blocks."""
        with self._reading() as connection:
            found = database.get(connection, name)
        return None if found is None else self._with_clip(found)

    def was_deleted(self, name: str) -> bool:
        """Return whether there was an incident of this id. Raises `StoreUnavailableError`. Blocks."""
        with self._reading() as connection:
            return database.was_deleted(connection, name)

    def timeline(self, query: IncidentQuery, buckets: int) -> list[Bucket]:
        """Return how many incidents began in each part of the query's time range, which is needed.

        Raises `StoreUnavailableError`. Blocks.
        """
        with self._reading() as connection:
            return database.timeline(connection, query, buckets)

    def picture(self, name: str) -> Picture | Missing:
        """Return the picture of an incident and its result, or why there is none. Blocks.

        Raises `StoreUnavailableError`.
        """
        with self._reading() as connection:
            row = database.picture_of(connection, name)
            if row is None:
                return "gone" if database.was_deleted(connection, name) else "unknown"
        if row.file is None:
            return "none"
        jpeg = None if row.bytes is None else self._files.read(row.file)
        if jpeg is None:
            return "gone"
        return Picture(jpeg, None if row.result is None else _frame(row.result))

    def with_pictures(self, names: Collection[str]) -> set[str]:
        """Return which of these incidents have a picture; none if the database cannot be read. Blocks."""
        try:
            with self._reading() as connection:
                return database.with_pictures(connection, names)
        except StoreUnavailableError:
            return set()

    def _with_clip(self, incident: Incident) -> Incident:
        """Return the incident without a clip that was deleted."""
        gone = incident.clip is not None and not self._clip_exists(incident.clip)
        return replace(incident, clip=None) if gone else incident

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        generation = self._generation
        try:
            with database.reading(self._directory) as connection:
                yield connection
        except sqlite3.Error as error:
            if database.is_damaged(error):
                self._found_damaged(generation, error)
            raise StoreUnavailableError(str(error)) from None

    @abstractmethod
    def _found_damaged(self, generation: int, error: sqlite3.Error) -> None:
        """Note that the database of this generation is damaged."""


def _frame(result: bytes) -> Frame | None:
    """Return a stored result; None if an older version stored one that is no longer valid."""
    try:
        return msgspec.json.decode(result, type=Frame)
    except msgspec.DecodeError:
        return None
