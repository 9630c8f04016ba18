"""A cache of watched videos: `CACHE/<code>-<settings>/<video>.safetensors`.

That of a data set in the Kinetics-TPS layout is `DIR/.features`. `<code>` is a hash of the detector's weights and of
the code that decides what is seen, `<settings>` one of the settings. Folders of other code are removed after a week
without use. A file's key is the hash of the video's bytes. Annotations are not part of it: labels are matched at each
start, so that a corrected annotation needs no detection. A bad video never ends a run: it is skipped, named, counted.
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
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import stages
from stages.third_party import weights
from training.annotated_videos.sightings import key_of, write_sightings
from training.annotated_videos.watching import Watcher, WatchSettings
from training.console import ctrl_c_ignored
from training.video.frames import VideoReadError

FEATURES = ".features"
"""The cache of a data set in the Kinetics-TPS layout."""
DETECTOR = "movenet-multipose"
SECOND_LOOKS = ("movenet-thunder", "nanodet")
"""Also needed for videos that are watched as a camera's default settings watch them."""
CODE = (
    "ring_buffers/motion/*.py",
    "ring_buffers/slot_writers.py",
    "stages/detection/**/*.py",
    "stages/device/plane_pictures.py",
    "stages/device/precision.py",
    "stages/keypoint_features/*.py",
    "stages/looks.py",
    "stages/people/*.py",
    "stages/settings.py",
    "stages/vocabulary.py",
    "training/annotated_videos/watching.py",
    "training/video/*.py",
)
"""Sources that decide what is seen in a video."""
REGION_CODE = (
    "stages/profiles.py",
    "stages/region_extractors.py",
    "stages/region_features/*.py",
    "training/annotated_videos/region_sources.py",
)
"""Sources that also decide it with RoI features, or with another detector than MoveNet."""

UNUSED_S = 7 * 86_400.0
"""A folder of other code that was opened within this time may be in use by a run of that code."""
_FOLDER_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}")

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called as (videos done, videos)."""


class SkippedVideo(NamedTuple):
    """A video that cannot be watched, and why."""

    path: Path
    message: str


class VideoFile(NamedTuple):
    """A video and the `sha256` of its bytes."""

    name: str
    path: Path
    sha256: str


def features_folder(cache: Path, settings: WatchSettings) -> Path:
    """Return the folder in the cache for these settings."""
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
    reads_regions = settings != dataclasses.replace(settings, roi=None, vgg=None, detector=None)
    return cache / f"{_version(reads_regions)}-{chosen[:8]}"


def remove_stale_folders(cache: Path) -> list[str]:
    """Remove folders of other code from the cache if they were not used recently, and return their names.

    Folders that cannot be removed are logged.
    """
    removed: list[str] = []
    current = {_version(True), _version(False)}
    for folder in sorted(cache.glob("*")):
        if not _FOLDER_NAME.fullmatch(folder.name) or folder.name.partition("-")[0] in current or folder.is_symlink():
            continue
        try:
            if time.time() - folder.stat().st_mtime < UNUSED_S:
                continue
            shutil.rmtree(folder)
        except OSError as error:
            logger.warning("%s: was made by another version and can't be removed: %s", folder, error.strerror)
        else:
            removed.append(folder.name)
    return removed


def _version(reads_regions: bool) -> str:
    return _hash([detector_sha256().encode(), code_sha256(reads_regions).encode()])[:8]


def features_file(folder: Path, video: str) -> Path:
    """Return a video's file in a cache folder."""
    return folder / f"{video}.safetensors"


@functools.cache
def detector_sha256() -> str:
    """Return one hash of the pinned weights of MoveNet and of the networks for second looks."""
    files = (file for name in (DETECTOR, *SECOND_LOOKS) for file in weights.asset(name).files)
    return _hash(file.sha256.encode() for file in sorted(files, key=lambda file: file.name))


@functools.cache
def code_sha256(reads_regions: bool) -> str:
    """Return one hash of the sources that decide what is seen; `reads_regions`: also those of `REGION_CODE`."""
    root = Path(stages.__file__).parents[1]
    patterns = CODE + REGION_CODE if reads_regions else CODE
    return _hash(path.read_bytes() for pattern in patterns for path in sorted(root.glob(pattern)))


def file_sha256(path: Path) -> str:
    """Return the hex hash of a file's bytes. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def watch_videos(
    cache: Path,
    videos: Sequence[VideoFile],
    settings: WatchSettings,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[SkippedVideo]:
    """Watch the videos that have no valid file in the cache yet, and return those that cannot be watched.

    This takes `workers` processes, or the current one if 1. Each video's file is written atomically, so that finished
    videos stay finished. Raises `WeightsError` without the detector's weights, OSError if a file cannot be written.
    """
    folder = features_folder(cache, settings)
    for name in remove_stale_folders(cache):
        logger.info("%s: removed, because another version made it", cache / name)
    if folder.is_dir():
        os.utime(folder)  # In use: other code does not remove it.
    todo = [video for video in videos if key_of(features_file(folder, video.name)) != video.sha256]
    done, skipped = len(videos) - len(todo), list[SkippedVideo]()
    for one in _watch_all(folder, todo, settings, workers):
        done += 1
        if one is not None:
            skipped.append(one)
        if progress is not None:
            progress(done, len(videos))
    return sorted(skipped)


def _watch_all(
    folder: Path, todo: list[VideoFile], settings: WatchSettings, workers: int
) -> Iterator[SkippedVideo | None]:
    if workers <= 1 or len(todo) <= 1:
        watcher = make_watcher(settings) if todo else None
        for video in todo:
            assert watcher is not None
            yield _watch(watcher, folder, video)
        return
    if settings.detector is None:
        for asset in (DETECTOR, *(() if settings.detection == "full" else SECOND_LOOKS)):
            weights.locate(asset)  # raises here instead of in each worker
    else:
        settings.detector.make()
    spawn = multiprocessing.get_context("spawn")  # torch's threads don't survive a fork
    pool = ProcessPoolExecutor(min(workers, len(todo)), spawn, _begin_worker, (settings,))
    waiting = iter(todo)
    running: set[Future[SkippedVideo | None]] = set()

    def begin(number: int) -> None:
        running.update(pool.submit(_watch_in_worker, folder, video) for video in islice(waiting, number))

    try:
        # One video per process at a time, so that stopping does not wait for queued videos.
        with ctrl_c_ignored():
            begin(workers)
        while running:
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                running.remove(done)
                begin(1)
                yield done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def make_watcher(settings: WatchSettings) -> Watcher:
    """Return a watcher with the settings' detector, on the CPU. Raises `WeightsError`."""
    if settings.detector is not None:
        return Watcher(settings.detector.make(), settings)
    from stages.detection.keypoint_detector import KeypointDetector
    from stages.detection.movenet.movenet import MoveNet, slot_format

    if settings.detection == "full":
        return Watcher(KeypointDetector(MoveNet.load(), slot_format), settings)
    import torch

    from stages.profiles import keypoint_detector
    from stages.settings import ModelSettings

    # As many threads as torch has, because videos may be watched side by side.
    threads = torch.get_num_threads()
    return Watcher(keypoint_detector(model=ModelSettings(threads=threads, objects_s=None)), settings)


def _watch(watcher: Watcher, folder: Path, video: VideoFile) -> SkippedVideo | None:
    try:
        seen, roi = watcher.watch(video.path)
    except VideoReadError as error:
        return SkippedVideo(video.path, str(error).removeprefix(f"{video.path}: "))
    write_sightings(features_file(folder, video.name), video.sha256, seen, roi)
    return None


_worker: list[Watcher] = []


def _begin_worker(settings: WatchSettings) -> None:
    import torch

    torch.set_num_threads(1)
    _worker.append(make_watcher(settings))


def _watch_in_worker(folder: Path, video: VideoFile) -> SkippedVideo | None:
    return _watch(_worker[0], folder, video)


def _hash(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()
