"""Ends what was admitted when its token no longer permits it: open requests, streams and WebRTC sessions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from stream.http.server.access_control.access import Caller

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says about its sender: the values of its headers, or empty."""

    host: str
    authorization: str = field(repr=False)
    cookie: str = field(repr=False)
    forwarded: bool = False
    """Whether a proxy says that it forwards the request."""


@dataclass(slots=True)
class _Admitted:
    credentials: Credentials
    caller: Caller
    end: Callable[[], object]
    exists: Callable[[], bool]


class Hold:
    """Ends what a request began and what outlives it, such as a WebRTC session."""

    def __init__(self, watch: Callable[[Callable[[], object], Callable[[], bool]], None]) -> None:
        self._watch = watch

    def end_when_revoked(self, end: Callable[[], object], exists: Callable[[], bool]) -> None:
        """Call `end` when the request's sender loses access, if it still `exists` then."""
        self._watch(end, exists)


HOLD = web.RequestKey("HOLD", Hold)
"""For handlers that begin something that outlives the request."""


class Revocation:
    """What was admitted and has not ended. `identify` returns the present caller of credentials."""

    def __init__(self, identify: Callable[[Credentials], Caller]) -> None:
        self._identify = identify
        self._admitted: dict[int, _Admitted] = {}

    @contextmanager
    def request(
        self, request: web.Request, credentials: Credentials, caller: Caller, *, long_lived: bool
    ) -> Generator[None]:
        """Watch a request while it is handled. A long-lived handler is cancelled; others may be changing something."""
        handler = asyncio.current_task() if long_lived else None

        def cut() -> None:
            if handler is not None:  # asyncio's sendfile does not notice that its connection was aborted
                handler.cancel()
            if request.transport is not None:
                request.transport.abort()

        admitted = _Admitted(credentials, caller, cut, lambda: True)
        self._admitted[id(admitted)] = admitted
        try:
            yield
        finally:
            self._admitted.pop(id(admitted), None)

    def hold(self, credentials: Credentials, caller: Caller) -> Hold:
        """Return what a handler needs to have something watched until it has ended."""

        def watch(end: Callable[[], object], exists: Callable[[], bool]) -> None:
            admitted = _Admitted(credentials, caller, end, exists)
            self._admitted[id(admitted)] = admitted

        return Hold(watch)

    def check(self) -> None:
        """End everything whose sender would now be another caller, or none."""
        callers: dict[Credentials, Caller] = {}
        for key, admitted in list(self._admitted.items()):
            if not admitted.exists():
                del self._admitted[key]
                continue
            credentials = admitted.credentials
            if credentials not in callers:
                callers[credentials] = self._identify(credentials)
            if callers[credentials] != admitted.caller:
                del self._admitted[key]
                logger.info("http: ended a stream or session of %s, whose access has changed", admitted.caller.name)
                admitted.end()
