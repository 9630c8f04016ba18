"""Threads for requests that block. The engine needs the threads of the event loop itself, which asyncio shares.

A disk that has become slow keeps at most these threads, and a client that asks too often gets an error.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from stream.http.server.problems import Problem

T = TypeVar("T")

MOST_WAITING = 8
"""Calls that wait for a thread; further ones are refused."""


class RequestThreads:
    """A number of threads, which start when they are needed. `what` is what they do, for the refusal."""

    def __init__(self, name: str, threads: int, what: str) -> None:
        self._what = what
        self._most = threads + MOST_WAITING
        self._unfinished = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function in one of the threads.

        Raises `Problem` if too many calls wait, or after `close`. A call that has begun is finished even if its caller
        is cancelled, and counts until then.
        """
        with self._lock:
            if self._unfinished >= self._most:
                raise Problem(
                    503,
                    "not-now",
                    f"too many requests wait for {self._what}: the disk is slow, or too much is asked at once",
                    headers={"Retry-After": "2"},
                )
            self._unfinished += 1
        try:
            running = self._pool.submit(function, *arguments)
        except RuntimeError:  # closed, or no thread could be started
            self._finished()
            raise Problem(503, "not-now", "the engine is stopping, or no thread could be started") from None
        running.add_done_callback(self._finished)
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Begin no further calls. May be called again."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _finished(self, future: Future[Any] | None = None) -> None:
        with self._lock:
            self._unfinished -= 1
