"""Scoring many videos in several processes, each of which loads the models once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

import torch

from training.console import ctrl_c_ignored
from training.synthetic.scoring.known_videos import KnownVideo
from training.synthetic.scoring.runs import Bench, Conditions, Scored, load_bench, read_video_truth
from training.synthetic.videos.truth import Truth


class ScoringError(RuntimeError):
    """The videos cannot be scored this way; the message says what to do."""


_bench: Bench | None = None
"""The worker process's bench."""


def score_videos(
    videos: Sequence[KnownVideo], profiles: Sequence[str], conditions: Conditions, workers: int
) -> Iterator[tuple[int, list[Scored]]]:
    """Yield (index of the video, one entry per profile) in the order of completion. One worker is this process.

    Raises `WeightsError`, ValueError for a device that is not available, `TruthError` and `ScoringError`.
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
        # One video per process at a time, so that stopping does not wait for queued videos.
        with ctrl_c_ignored():
            begin(workers)
        while running:
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                begin(1)
                yield running.pop(done), done.result()
    except BrokenProcessPool:
        raise ScoringError(
            "a worker process was killed, perhaps because memory ran out; score with fewer --workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _TruthOf:
    """Returns a video's truth by its file's name."""

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
