"""Scores many videos in several processes: each loads the models once and takes one video after another."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice

import torch

from training.synthetic.scoring.known_videos import KnownVideo
from training.synthetic.scoring.runs import Bench, Conditions, Scored, load_bench, read_video_truth
from training.synthetic.videos.truth import Truth


class ScoringError(RuntimeError):
    """The videos can't be scored in that way; the message says what to do."""


_bench: Bench | None = None
"""A worker process's own."""


def score_videos(
    videos: Sequence[KnownVideo], profiles: Sequence[str], conditions: Conditions, workers: int
) -> Iterator[tuple[int, list[Scored]]]:
    """(index of the video, one entry a profile), in whatever order they are done. One worker is this process.

    Raises `WeightsError`, `ValueError` for a device that isn't there, `TruthError`, `ScoringError`.
    """
    truths = {video.path.name: video for video in videos}
    if workers == 1:
        torch.set_num_threads(1)
        bench = load_bench(profiles, conditions, _TruthOf(truths))
        for index, video in enumerate(videos):
            yield index, bench.score(video)
        return
    spawn = multiprocessing.get_context("spawn")  # torch's threads don't survive a fork
    arguments = (list(profiles), conditions, _TruthOf(truths))
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_load, initargs=arguments)
    waiting = iter(enumerate(videos))
    running: dict[Future[list[Scored]], int] = {}

    def begin(number: int) -> None:
        for index, video in islice(waiting, number):
            running[pool.submit(_score, video)] = index

    try:
        # One video a process at a time: none is waited for that was only queued when scoring is stopped.
        with _ctrl_c_ignored():
            begin(workers)
        while running:
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                begin(1)
                yield running.pop(done), done.result()
    except BrokenProcessPool:
        raise ScoringError(
            "a worker process ended suddenly, perhaps for want of memory; score with fewer --workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _ctrl_c_ignored() -> Generator[None]:
    """Processes begun meanwhile ignore Ctrl-C for good, also while they load: it is the parent's, which lets them
    finish the videos in hand."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _TruthOf:
    """The truth about a video by its file's name."""

    def __init__(self, videos: dict[str, KnownVideo]) -> None:
        self._videos = videos

    def __call__(self, file: str) -> Truth:
        return read_video_truth(self._videos[file])


def _load(profiles: list[str], conditions: Conditions, truth_of: _TruthOf) -> None:
    global _bench
    torch.set_num_threads(1)
    _bench = load_bench(profiles, conditions, truth_of)


def _score(video: KnownVideo) -> list[Scored]:
    assert _bench is not None
    return _bench.score(video)
