"""The audit file: a JSON line for each request that changes something, after its response is known.

A line names what was changed and by whom, never the values. Lines go to the operating system with one write, so that
they survive the end of the process. Without a file, they go to the log.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic

from aiohttp import web

from stream import output_file
from stream.http.server.access_control.access import Caller
from stream.http.server.bodies import FIELDS
from stream.http.server.problems import Problem
from stream.http.server.routes import Route, Schema
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

ROTATE_BYTES = 16 << 20
KEPT = 5
"""Rotated files, `FILE.1` (the latest) to `FILE.5`."""

MINUTE_S = 60.0
REFUSED_LINES = 20
"""Lines in a minute of requests that were refused (status 4xx). Further ones are counted, in one line at its end, so
that they cannot push the lines of changes out of the kept files."""
MOST_NAMES = 20

LONGEST = 200
"""Characters of a name that a client made up."""

UNKNOWN_FIELD = "?"
"""Stands for all fields that the route does not have: their names are the client's, and may be anything."""


class Audit:
    """The audit of one server. Used in the event loop, which a line keeps for some 20 µs."""

    def __init__(self, path: Path | None) -> None:
        """Raises `ConfigError` naming `http.audit_file` if it cannot be written. Does not create it.

        `partstream doctor` comes here too, perhaps as another user, whose file the engine could not write.
        """
        self.written = 0
        self.failed = 0
        """Lines that could not be written; they are in the log."""
        self._path = path
        self._missing = 0
        """Lines that are missing since the last one that could be written."""
        self._minute_ends: float | None = None
        """End of the minute that began with a refused request, monotonic seconds."""
        self._refused = 0
        """Refused requests with a line in this minute."""
        self._counted: Counter[str] = Counter()
        """Those without one, by the sender's name."""
        if path is not None:
            try:
                if path.exists():
                    os.close(self._opened(path))
                elif not os.access(path.absolute().parent, os.W_OK | os.X_OK):
                    raise OSError(errno.EACCES, "its folder is missing, or may not be written")
            except OSError as error:
                raise ConfigError(f"http.audit_file: {path} cannot be written: {error.strerror}") from None

    def check(self) -> None:
        """Raise `Problem` if a line could not be written now, so that nothing is changed without one."""
        if self._path is None:
            return
        try:
            if self._missing:
                self._append(self._path, {"at_us": _now_us(), "missing": self._missing})
                logger.error("http.audit_file: %s is written again; %d lines are missing", self._path, self._missing)
                self._missing = 0
            else:
                os.close(self._opened(self._path))
        except OSError as error:
            raise Problem(
                507,
                "audit-unwritable",
                f"nothing can be changed while http.audit_file cannot be written: {error.strerror}",
            ) from None

    def write(self, request: web.Request, route: Route, caller: Caller, camera: str | None, status: int | None) -> None:
        """Write the line of a request that concerns `camera`. `status`: of its response; None if there was none."""
        if status is not None and 400 <= status < 500 and not self._has_room(monotonic()):
            self._counted[caller.name] += 1
            return
        self._write(
            {
                "at_us": _now_us(),
                "name": caller.name,
                "by": caller.by,
                "address": request.remote or "",
                "method": route.method,
                "route": route.path,
                "camera": None if camera is None else camera[:LONGEST],
                "target": _target(request),
                "fields": known_fields(request.get(FIELDS, []), route.body),
                "status": status,
            }
        )

    def end_minute(self, now: float) -> None:
        """Write how many refused requests have no line, if their minute is over at this time, monotonic seconds."""
        if self._minute_ends is None or now < self._minute_ends:
            return
        names, refused = dict(self._counted.most_common(MOST_NAMES)), self._counted.total()
        self._minute_ends, self._refused = None, 0
        self._counted.clear()
        if refused:
            self._write({"at_us": _now_us(), "refused": refused, "names": names})

    def _has_room(self, now: float) -> bool:
        """Return whether a refused request gets a line."""
        self.end_minute(now)
        if self._minute_ends is None:
            self._minute_ends = now + MINUTE_S
        self._refused += 1
        return self._refused <= REFUSED_LINES

    def _write(self, line: dict[str, object]) -> None:
        if self._path is None:
            logger.info("http: changed: %s", _encoded(line))
            return
        try:
            self._append(self._path, line)
            self.written += 1
        except OSError as error:
            self.failed += 1
            self._missing += 1
            logger.error("http.audit_file: %s cannot be written: %s: %s", self._path, error.strerror, _encoded(line))

    def _append(self, path: Path, line: dict[str, object]) -> None:
        """Append a line, or raise OSError and leave the file as it was."""
        encoded = _encoded(line).encode() + b"\n"
        file = self._opened(path)
        try:
            size = os.fstat(file).st_size
            if size and size + len(encoded) > ROTATE_BYTES:
                os.close(file)
                file = -1
                _rotate(path)
                file, size = self._opened(path), 0
            written = os.write(file, encoded)
            if written < len(encoded):  # the disk is full
                with suppress(OSError):
                    os.ftruncate(file, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            if file >= 0:
                os.close(file)

    def _opened(self, path: Path) -> int:
        return output_file.opened(path, os.O_WRONLY | os.O_APPEND, output_file.PRIVATE)


def known_fields(names: Iterable[str], body: Schema | None) -> list[str]:
    """Return the names of fields that this body has, and `UNKNOWN_FIELD` if there are others."""
    known: Collection[str] = ()
    if isinstance(body, dict):
        known = body.get("properties", {})
    elif body is not None:
        known = getattr(body, "model_fields", None) or getattr(body, "__struct_fields__", ())
    return sorted({name if name in known else UNKNOWN_FIELD for name in names})


def _target(request: web.Request) -> str | None:
    """Return what the path names besides a camera. A session's key is a secret."""
    values = (value for name, value in request.match_info.items() if name not in ("camera", "session"))
    return next((value[:LONGEST] for value in values), None)


def _rotate(path: Path) -> None:
    for number in range(KEPT, 0, -1):
        older = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        with suppress(FileNotFoundError):
            older.replace(path.with_name(f"{path.name}.{number}"))


def _encoded(line: dict[str, object]) -> str:
    return json.dumps(line, separators=(",", ":"))


def _now_us() -> int:
    return time.time_ns() // 1000
