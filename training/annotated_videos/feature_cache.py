"""The folder's own store: what was seen in each video, made once and kept, `DIR/.features/<way>/<video>.safetensors`.

`<way>` is how videos are watched: a hash of the detector's weights and the code that runs before the learned stages,
and one of the settings. Ways that this code can read lie side by side; those of other code are of no use to it any more
and are removed when nobody has used them for a week. A file is good for the bytes of one video, whose hash is its key.
Annotations are no part of it: labels are matched anew at each start, which costs little, so that an annotation that is
mended needs no detection. A bad video never ends a run: it is named and counted.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import multiprocessing
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import stages
from ring_buffers.frames import SlotFormat
from stages.third_party import weights
from training.annotated_videos.sightings import key_of, write_sightings
from training.annotated_videos.watching import Watcher, WatchSettings
from training.video.frames import VideoReadError

FEATURES = ".features"
DETECTOR = "movenet-multipose"
CODE = ("detection/**/*.py", "keypoint_features/*.py", "people/*.py", "region_features/*.py", "step_readers.py")
"""Sources in `stages/` that decide what is seen in a picture."""

UNUSED_S = 7 * 86_400.0
"""A way of other code that was opened within a week may be in use by a run of that code."""
_WAY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}|[0-9a-f]{16}")
"""Ways had one hash of everything before."""

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called as (videos done, videos)."""


class Fault(NamedTuple):
    """A video that can't be watched, and why."""

    path: Path
    message: str


class VideoFile(NamedTuple):
    """A video, and `sha256` of its bytes."""

    name: str
    path: Path
    sha256: str


def features_folder(root: Path, settings: WatchSettings) -> Path:
    """Where what was seen in the videos of the data set `root` lies, watched that way."""
    content = dataclasses.asdict(settings)
    if settings.vgg is None:
        del content["vgg"]
    else:
        content["vgg"]["path"] = None
    if settings.detector is None:
        del content["detector"]
    else:
        content["detector"]["path"] = None
    chosen = _hash([json.dumps(content, sort_keys=True).encode()])
    return root / FEATURES / f"{_version()}-{chosen[:8]}"


def remove_old_ways(root: Path) -> list[str]:
    """Remove what other code saw in the videos of the data set `root`, unless somebody has used it lately, and return
    the folders' names. What can't be removed is left and logged."""
    removed: list[str] = []
    for folder in sorted((root / FEATURES).glob("*")):
        if not _WAY.fullmatch(folder.name) or folder.name.startswith(f"{_version()}-") or folder.is_symlink():
            continue
        try:
            if time.time() - folder.stat().st_mtime < UNUSED_S:
                continue
            shutil.rmtree(folder)
        except OSError as error:
            logger.warning("%s: of another version, and can't be removed: %s", folder, error.strerror)
        else:
            removed.append(folder.name)
    return removed


def _version() -> str:
    return _hash([detector_sha256().encode(), code_sha256().encode()])[:8]


def features_file(folder: Path, video: str) -> Path:
    """A video's file in such a folder."""
    return folder / f"{video}.safetensors"


@functools.cache
def detector_sha256() -> str:
    """One hash for the detector's weights, as they are pinned."""
    return _hash(file.sha256.encode() for file in sorted(weights.asset(DETECTOR).files, key=lambda file: file.name))


@functools.cache
def code_sha256() -> str:
    """Return one hash of the sources that decide what is seen."""
    folder = Path(stages.__file__).parent
    return _hash(path.read_bytes() for pattern in CODE for path in sorted(folder.glob(pattern)))


def file_sha256(path: Path) -> str:
    """Hex hash of a file's bytes. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def watch_videos(
    root: Path, videos: Sequence[VideoFile], settings: WatchSettings, workers: int = 1, progress: Progress | None = None
) -> list[Fault]:
    """See to it that each video's file is there and good; returns those that couldn't be watched.

    Done in `workers` processes, or in this one if 1; each video's file appears whole or not at all, so that what is
    done stays done. Raises `WeightsError` where the detector isn't in the cache, OSError where a file can't be written.
    """
    folder = features_folder(root, settings)
    for name in remove_old_ways(root):
        logger.info("%s: removed, another version of the code had made it", root / FEATURES / name)
    if folder.is_dir():
        os.utime(folder)  # In use: other code leaves it alone.
    todo = [video for video in videos if key_of(features_file(folder, video.name)) != video.sha256]
    done, faults = len(videos) - len(todo), list[Fault]()
    for fault in _watched(folder, todo, settings, workers):
        done += 1
        if fault is not None:
            faults.append(fault)
        if progress is not None:
            progress(done, len(videos))
    return sorted(faults)


def _watched(folder: Path, todo: list[VideoFile], settings: WatchSettings, workers: int) -> Iterator[Fault | None]:
    if workers <= 1 or len(todo) <= 1:
        watcher = make_watcher(settings) if todo else None
        for video in todo:
            assert watcher is not None
            yield _watch(watcher, folder, video)
        return
    if settings.detector is None:
        weights.locate(DETECTOR)  # said here, not by each worker
    else:
        settings.detector.make()
    spawn = multiprocessing.get_context("spawn")  # torch's threads don't survive a fork
    pool = ProcessPoolExecutor(min(workers, len(todo)), spawn, _begin_worker, (settings,))
    waiting = iter(todo)
    running: set[Future[Fault | None]] = set()

    def begin(number: int) -> None:
        running.update(pool.submit(_watch_in_worker, folder, video) for video in islice(waiting, number))

    try:
        # One video a process at a time: none is waited for that was only queued when watching is stopped.
        with _ctrl_c_ignored():
            begin(workers)
        while running:
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                running.remove(done)
                begin(1)
                yield done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _ctrl_c_ignored() -> Generator[None]:
    """Processes begun meanwhile ignore Ctrl-C for good: it is the parent's, which has them finish what is in hand."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def make_watcher(settings: WatchSettings) -> Watcher:
    """A watcher with the detector of the settings, on the CPU. Raises `WeightsError`."""
    if settings.detector is not None:
        return Watcher(settings.detector.make(), settings)
    from stages.detection.keypoint_finder import KeypointFinder
    from stages.detection.movenet.movenet import MoveNet, slot_format

    return Watcher(KeypointFinder(MoveNet.load(), slot_format), settings)


def picture_format(settings: WatchSettings, size: tuple[int, int]) -> SlotFormat:
    """The picture of a video of (width, height) that `make_watcher`'s detector is shown."""
    if settings.detector is not None:
        return settings.detector.slot_format(size, settings.detector_size)
    from stages.detection.movenet.movenet import slot_format

    return slot_format(size, settings.detector_size)


def _watch(watcher: Watcher, folder: Path, video: VideoFile) -> Fault | None:
    try:
        seen, roi = watcher.watch(video.path)
    except VideoReadError as error:
        return Fault(video.path, str(error).removeprefix(f"{video.path}: "))
    write_sightings(features_file(folder, video.name), video.sha256, seen, roi)
    return None


_worker: list[Watcher] = []


def _begin_worker(settings: WatchSettings) -> None:
    import torch

    torch.set_num_threads(1)
    _worker.append(make_watcher(settings))


def _watch_in_worker(folder: Path, video: VideoFile) -> Fault | None:
    return _watch(_worker[0], folder, video)


def _hash(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()
