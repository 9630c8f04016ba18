"""Profiling on demand: records how the inference thread spends its time, while the engine runs.

There is one recording at a time, limited in seconds, batches and bytes; the oldest files are deleted. All blocking work
runs in threads other than the event loop's.
"""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

if TYPE_CHECKING:
    from stages.device.profiler import Profiler

T = TypeVar("T")

logger = logging.getLogger(__name__)

DEFAULT_S, MAX_S = 5.0, 30.0
MAX_BATCHES = 100
"""Some thousand operators each: with the edge profile 4 MB compressed, and 0.6 s to finish."""
MAX_BYTES = 64 << 20
MIN_FREE_BYTES = 4 * MAX_BYTES
"""torch first writes the file uncompressed."""
MAX_KEPT = 8
POLL_S = 0.05
STOP_WITHIN_S = 0.4
SUFFIX = ".json.gz"
NAME = re.compile(r"profiling-\d{8}T\d{6}Z(-\d+)?")


class ProfilingError(Exception):
    """No recording is possible now; the message says why."""


class AlreadyProfilingError(ProfilingError):
    """A recording is in progress."""


class ProfilingRecording(msgspec.Struct, frozen=True):
    """One recording, as the API returns it."""

    name: str
    state: Literal["recording", "writing", "done", "failed"]
    seconds: float
    """Requested duration, later the actual one."""
    batches: int
    bytes: int
    message: str
    """Why it failed, or the path of its file."""


class ProfilingRecordingList(msgspec.Struct, frozen=True):
    """The recordings of this run, newest first."""

    recordings: list[ProfilingRecording]


InInferenceThread = Callable[[Callable[[], None]], Awaitable[None]]
"""Calls a function in the inference thread, between two batches. Raises RuntimeError if the thread has ended."""


def torch_profiler() -> Profiler:
    """Return torch's profiler. Imports torch, so not for the event loop."""
    from stages.device.profiler import Profiler

    return Profiler()


class Profiling:
    """Makes and keeps recordings; `batches` returns the number of batches so far.

    Methods are for the event loop, unless they say that they block. Without a directory, files go into a new temporary
    directory, which is not deleted.
    """

    def __init__(
        self,
        directory: Path | None,
        in_inference_thread: InInferenceThread,
        batches: Callable[[], int],
        make_profiler: Callable[[], Profiler] = torch_profiler,
    ) -> None:
        self._directory = directory
        self._in_inference_thread = in_inference_thread
        self._batches = batches
        self._make_profiler = make_profiler
        self._recordings: dict[str, ProfilingRecording] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def recordings(self) -> list[ProfilingRecording]:
        """The recordings of this run that are kept, newest first."""
        return list(reversed(self._recordings.values()))

    def file(self, name: str) -> Path | None:
        """Return the file of a finished recording; None if there is none."""
        recording = self._recordings.get(name)
        return Path(recording.message) if recording is not None and recording.state == "done" else None

    def check_directory(self) -> None:
        """Log an error if no file can be created in the configured directory. Blocks."""
        if self._directory is None:
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self._directory).close()
        except OSError as error:
            logger.error(
                "profiling_directory: no file can be created in %s: %s; there are no recordings until this is fixed",
                self._directory,
                error.strerror,
            )

    def begin(self, seconds: float = DEFAULT_S) -> ProfilingRecording:
        """Start a recording. Raises `AlreadyProfilingError`, or `ProfilingError` if a file cannot be written."""
        if self._task is not None and not self._task.done():
            raise AlreadyProfilingError("a recording is in progress: wait until it is done")
        folder = self._folder()
        name = self._new_name(folder)
        self._update(ProfilingRecording(name, "recording", min(seconds, MAX_S), 0, 0, ""))
        self._task = asyncio.create_task(self._record(name, folder), name="profiling")
        return self._recordings[name]

    async def stop(self) -> None:
        """Stop, discarding a recording in progress. Waits briefly for the inference thread to stop profiling."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=STOP_WITHIN_S)

    def _folder(self) -> Path:
        try:
            if self._directory is None:
                self._directory = Path(tempfile.mkdtemp(prefix="partstream-profiling-"))
            self._directory.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._directory).free
        except OSError as error:
            raise ProfilingError(f"profiling_directory can't be used: {error.strerror}") from None
        if free < MIN_FREE_BYTES:
            raise ProfilingError(
                f"{free >> 20} MiB are free in {self._directory}, but {MIN_FREE_BYTES >> 20} are needed: make room"
            )
        return self._directory

    def _new_name(self, folder: Path) -> str:
        name = f"profiling-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        tried = [name, *(f"{name}-{number}" for number in range(2, 100))]
        return next(one for one in tried if one not in self._recordings and not (folder / (one + SUFFIX)).exists())

    async def _record(self, name: str, folder: Path) -> None:
        part = folder / f".{name}{SUFFIX}"
        try:
            profiler = await _in_thread(self._make_profiler)
            await _in_thread(profiler.prepare)
            seconds, batches = await self._run(profiler, self._recordings[name].seconds)
            self._update(ProfilingRecording(name, "writing", seconds, batches, 0, ""))
            file = folder / (name + SUFFIX)
            size = await _in_thread(lambda: _write(profiler, part, file))
            self._update(ProfilingRecording(name, "done", seconds, batches, size, str(file)))
            logger.info("profiled %.1f s, %d batches: %s", seconds, batches, file)
        except ProfilingError as error:
            self._fail(name, str(error))
        except OSError as error:
            self._fail(name, error.strerror or type(error).__name__)
        except Exception as error:
            logger.exception("profiling failed")
            self._fail(name, f"a bug in partstream ({type(error).__name__}): please report it, with the log")

    def _fail(self, name: str, why: str) -> None:
        logger.warning("profiling: %s", why)
        self._update(msgspec.structs.replace(self._recordings[name], state="failed", message=why))

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

    def _update(self, recording: ProfilingRecording) -> None:
        self._recordings[recording.name] = recording
        while len(self._recordings) > MAX_KEPT:
            del self._recordings[next(iter(self._recordings))]


def _write(profiler: Profiler, part: Path, to: Path) -> int:
    """Write the file, delete the oldest ones and return its size. Raises `ProfilingError` if it is too large."""
    try:
        profiler.write(part)
        size = part.stat().st_size
        if size > MAX_BYTES:
            raise ProfilingError(
                f"it has {size >> 20} MiB, but at most {MAX_BYTES >> 20} are allowed: ask for fewer seconds"
            )
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)
    _remove_oldest(to.parent)
    return size


def _remove_oldest(folder: Path) -> None:
    """Delete all but the newest files, of any run, and unfinished files of earlier runs."""
    names = [file.name.removesuffix(SUFFIX) for file in folder.glob(f"*{SUFFIX}")]
    finished = sorted(name for name in names if NAME.fullmatch(name))
    left = [name for name in names if name.startswith(".") and NAME.fullmatch(name[1:])]
    for name in (*finished[:-MAX_KEPT], *left):
        (folder / (name + SUFFIX)).unlink(missing_ok=True)


async def _in_thread(function: Callable[[], T]) -> T:
    """Return the function's result from a daemon thread.

    Cancelling waits until the function has returned: a process that ends while torch prepares to profile crashes.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(outcome: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            outcome(value)

    def call() -> None:
        try:
            outcome, value = future.set_result, function()
        except Exception as error:
            outcome, value = future.set_exception, error
        try:
            loop.call_soon_threadsafe(settle, outcome, value)
        except RuntimeError:
            return  # the loop has been closed

    threading.Thread(target=call, name="profiling", daemon=True).start()
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        raise
