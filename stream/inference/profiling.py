"""Profiling on demand: records how the inference thread spends its time, while the engine runs.

There is one recording at a time, limited in seconds and batches; the oldest files are deleted. All blocking work runs
in threads other than the event loop's.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from stages.device.profiler import Profiler

T = TypeVar("T")

logger = logging.getLogger(__name__)

RECORDED_S = 5.0
MAX_BATCHES = 100
"""Some thousand operators each: with the edge profile 4 MB compressed, and 0.6 s to finish."""
MAX_KEPT = 8
POLL_S = 0.05
STOP_WITHIN_S = 0.4
SUFFIX = ".json.gz"

InInferenceThread = Callable[[Callable[[], None]], Awaitable[None]]
"""Calls a function in the inference thread, between two batches. Raises RuntimeError if the thread has ended."""


def torch_profiler() -> Profiler:
    """Return torch's profiler. Imports torch, so not for the event loop."""
    from stages.device.profiler import Profiler

    return Profiler()


class Profiling:
    """Makes and keeps recordings; `batches` returns the number of batches so far. Used in the event loop.

    Without a directory, files go into a new temporary directory, which is not deleted.
    """

    def __init__(
        self,
        directory: Path | None,
        in_inference_thread: InInferenceThread,
        batches: Callable[[], int],
        make_profiler: Callable[[], Profiler] = torch_profiler,
    ) -> None:
        self.written: Path | None = None
        """The file of the latest recording that was finished."""
        self._directory = directory
        self._in_inference_thread = in_inference_thread
        self._batches = batches
        self._make_profiler = make_profiler
        self._task: asyncio.Task[None] | None = None

    def begin(self, seconds: float = RECORDED_S) -> None:
        """Start a recording, unless one is in progress. The log names its file, or tells why there is none."""
        if self._task is not None and not self._task.done():
            logger.warning("profiling: a recording is in progress")
            return
        logger.info("profiling for %g s", seconds)
        self._task = asyncio.create_task(self._record(seconds), name="profiling")

    async def stop(self) -> None:
        """Stop, discarding a recording in progress. Waits briefly for the inference thread to stop profiling."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=STOP_WITHIN_S)

    async def _record(self, wanted_s: float) -> None:
        try:
            profiler = await _in_thread(self._make_profiler)
            await _in_thread(profiler.prepare)
            seconds, batches = await self._run(profiler, wanted_s)
            self.written = await _in_thread(lambda: self._write(profiler))
            logger.info("profiled %.1f s, %d batches: %s", seconds, batches, self.written)
        except OSError as error:
            logger.warning("profiling: profiling_directory can't be used: %s", error.strerror or error)
        except Exception:
            logger.exception("profiling failed")

    async def _run(self, profiler: Profiler, seconds: float) -> tuple[float, int]:
        """Record for `seconds` or `MAX_BATCHES`. Return the actual seconds and batches."""
        try:
            await self._in_inference_thread(profiler.begin)
            began, first = time.monotonic(), self._batches()
            for _ in range(ceil(seconds / POLL_S)):
                if self._batches() - first >= MAX_BATCHES:
                    break
                await asyncio.sleep(POLL_S)
        finally:  # even when the engine stops: a process that ends while torch profiles may crash
            await self._in_inference_thread(profiler.end)
        return round(time.monotonic() - began, 2), self._batches() - first

    def _write(self, profiler: Profiler) -> Path:
        """Write the file, delete the oldest ones and return its path. Raises OSError."""
        folder = self._directory = self._directory or Path(tempfile.mkdtemp(prefix="partstream-profiling-"))
        name = f"profiling-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"
        unfinished = folder / f".{name}"
        try:
            profiler.write(unfinished)
            unfinished.replace(folder / name)
        finally:
            unfinished.unlink(missing_ok=True)
        _remove_oldest(folder)
        return folder / name


def _remove_oldest(folder: Path) -> None:
    """Delete all but the newest files, of any run, and unfinished files of earlier runs."""
    for file in (*sorted(folder.glob(f"profiling-*{SUFFIX}"))[:-MAX_KEPT], *folder.glob(f".profiling-*{SUFFIX}")):
        file.unlink(missing_ok=True)


async def _in_thread(function: Callable[[], T]) -> T:
    """Return the function's result from a daemon thread.

    Cancelling waits until the function has returned: a process that ends while torch prepares to profile crashes.
    """
    outcome: Future[T] = Future()

    def call() -> None:
        try:
            outcome.set_result(function())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=call, name="profiling", daemon=True).start()
    future = asyncio.wrap_future(outcome)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        raise
