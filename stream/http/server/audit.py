"""The audit file: a JSON line for each change over HTTP, after its response is known.

A line names what was changed and by whom, never the values. Lines go to the operating system with one write, so that
they survive the end of the process. Without a file, they go to the log.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from stream import output_file
from stream.http.server.auth import Caller
from stream.http.server.bodies import FIELDS
from stream.http.server.problems import Problem
from stream.http.server.routes import Route, Schema
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

ROTATE_BYTES = 16 << 20
KEPT = 5
"""Rotated files, `FILE.1` (the latest) to `FILE.5`."""
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
        if path is not None:
            try:
                if path.exists():
                    os.close(_opened(path))
                elif not os.access(path.absolute().parent, os.W_OK | os.X_OK):
                    raise OSError(errno.EACCES, "its folder is missing, or may not be written")
            except OSError as error:
                raise ConfigError(f"http.audit_file: {path} cannot be written: {error.strerror}") from None

    def check(self) -> None:
        """Raise `Problem` if a line could not be written now, so that nothing is changed without one."""
        try:
            if self._path is not None:
                os.close(_opened(self._path))
        except OSError as error:
            raise Problem(
                507,
                "audit-unwritable",
                f"nothing can be changed while http.audit_file cannot be written: {error.strerror}",
            ) from None

    def write(self, request: web.Request, route: Route, caller: Caller, camera: str | None, status: int | None) -> None:
        """Write the line of a request that concerns `camera`. `status`: of its response; None if there was none."""
        line = json.dumps(
            {
                "at_us": time.time_ns() // 1000,
                "name": caller.name,
                "by": caller.by,
                "address": request.remote or "",
                "method": route.method,
                "route": route.path,
                "camera": None if camera is None else camera[:LONGEST],
                "target": _target(request),
                "fields": known_fields(request.get(FIELDS, []), route.body),
                "status": status,
            },
            separators=(",", ":"),
        )
        if self._path is None:
            logger.info("http: changed: %s", line)
            return
        try:
            _append(self._path, line.encode() + b"\n")
            self.written += 1
        except OSError as error:
            self.failed += 1
            logger.error("http.audit_file: %s cannot be written: %s: %s", self._path, error.strerror, line)


def known_fields(names: Iterable[str], body: Schema | None) -> list[str]:
    """Return the names of fields that this body has, and `UNKNOWN_FIELD` if there are others."""
    known: Collection[str] = ()
    if isinstance(body, dict):
        known = body.get("properties", {})
    elif body is not None:
        known = getattr(body, "model_fields", ())
    return sorted({name if name in known else UNKNOWN_FIELD for name in names})


def _target(request: web.Request) -> str | None:
    """Return what the path names besides a camera. A session's key is a secret."""
    values = (value for name, value in request.match_info.items() if name not in ("camera", "session"))
    return next((value[:LONGEST] for value in values), None)


def _append(path: Path, line: bytes) -> None:
    """Append a line. Raises OSError."""
    if path.exists() and path.stat().st_size + len(line) > ROTATE_BYTES:
        for number in range(KEPT, 0, -1):
            older = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
            with suppress(FileNotFoundError):
                older.replace(path.with_name(f"{path.name}.{number}"))
    file = _opened(path)
    try:
        if os.write(file, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(file)


def _opened(path: Path) -> int:
    return output_file.opened(path, os.O_WRONLY | os.O_APPEND, output_file.PRIVATE)
