"""Making a whole data set of generated videos in a folder, by several processes and with resumption.

The folder itself records its progress: each finished video has a note (`making`). Lists and manifest are written at the
beginning for the existing videos, and at the end or when interrupted.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from stages.third_party import weights
from stages.vocabulary import packaged
from training.kinetics_tps import (
    Lists,
    Video,
    VideoFacts,
    video_file,
    write_frame_list,
    write_ground_truth,
    write_lists,
)
from training.kinetics_tps.names import ANNOTATIONS, VIDEOS, Split
from training.kinetics_tps.write import OFFICIAL_EVERY
from training.synthetic.activities import unseen_motion
from training.synthetic.motion.movement import ACTIONS
from training.synthetic.videos.code import code_hash
from training.synthetic.videos.hands import OBJECTS
from training.synthetic.videos.making import ASSETS, NOTES, PROFILE, FinishedVideo, Maker, Order, read_note
from training.synthetic.videos.manifest import GROUND_TRUTH, MANIFEST, Manifest, read_manifest, write_manifest
from training.synthetic.videos.settings import Settings
from training.synthetic.videos.truth import TRUTH, truth_file

Progress = Callable[[int, int], None]
"""Called with (videos made, videos in all)."""
_STOP_CHECK_S = 0.5
"""Seconds between checks for a stop."""


class GenerateError(ValueError):
    """A data set cannot be generated as requested; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a data set: `videos` videos, whose main actions are `actions` in turn. `frames` fixes the length of a
    video; None draws it."""

    split: Split
    videos: int
    seed: int
    actions: tuple[str, ...] = ACTIONS
    settings: Settings = field(default_factory=Settings)
    frames: int | None = None

    def __post_init__(self) -> None:
        unknown = [action for action in self.actions if action not in ACTIONS]
        if unknown:
            raise GenerateError(f"unknown actions {', '.join(unknown)}; there are {', '.join(ACTIONS)}")
        if not self.actions or len(set(self.actions)) < len(self.actions):
            raise GenerateError("actions must be named, and each of them once")
        if self.videos < 1:
            raise GenerateError(f"{self.videos} videos: there must be at least one")
        if not 0 <= self.seed < 2**63:
            raise GenerateError(f"seed {self.seed}: must be a whole number from 0 to 2^63 − 1")

    def orders(self, root: Path) -> list[Order]:
        """Return the videos to make, by number. None of them depends on the number of videos."""
        unseen = unseen_actions() if self.split == "test" else frozenset[str]()
        return [
            Order(root, self.split, self.seed, number, action, action in unseen, self.settings, self.frames)
            for number in range(self.videos)
            for action in (self.actions[number % len(self.actions)],)
        ]

    def manifest(self, code: str, made: Sequence[FinishedVideo]) -> Manifest:
        """Return the manifest of a folder with the videos `made`, by code with the hash `code`."""
        settings = {"actions": list(self.actions), "frames": self.frames, **self.settings.to_json()}
        # As read from JSON, where tuples become lists, so that two manifests can be compared.
        return Manifest(self.seed, code, self.split, _plain(settings), tuple(one.video for one in made))


class GeneratedFolder:
    """The folder `root` of a data set with `plan`. With `resume` it may already hold some of its videos.

    Raises `GenerateError` if it holds anything else, and `stages.third_party.weights.WeightsError` if body or motions
    are not installed.
    """

    def __init__(self, root: Path, plan: Plan, *, resume: bool = False) -> None:
        self.root, self.plan = root, plan
        self._orders = plan.orders(root)
        self._code = code_hash()
        self._check_content(resume)
        for name in ASSETS:
            weights.locate(name)

    def make(
        self, workers: int = 1, progress: Progress | None = None, stopped: Callable[[], bool] = lambda: False
    ) -> Manifest:
        """Make the missing videos and return the manifest of all videos in the folder.

        When `stopped` returns True, videos in progress are finished and no more are begun. Raises `GenerateError`,
        `training.kinetics_tps.DatasetError` and `stages.third_party.weights.WeightsError`; finished videos are listed
        even then.
        """
        self._remove_partial_files()
        missing = [order for order in self._orders if self._note(order.name) is None]
        done = len(self._orders) - len(missing)
        # From now on the folder records its plan.
        self._list_videos()
        try:
            for _ in _make_videos(missing, workers, stopped):
                done += 1
                if progress is not None:
                    progress(done, len(self._orders))
        finally:
            manifest = self._list_videos()
        return manifest

    def _check_content(self, resume: bool) -> None:
        try:
            names = sorted(path.name for path in self.root.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            raise GenerateError(f"{self.root}: can't be used: {error.strerror}") from None
        if not names:
            return
        if MANIFEST not in names:
            raise GenerateError(
                f"{self.root}: already holds something else, such as {names[0]}; use an empty or new folder"
            )
        existing, wanted = read_manifest(self.root), self.plan.manifest(self._code, ())
        if not resume:
            raise GenerateError(
                f"{self.root}: already holds {len(existing.videos)} generated videos; --resume continues with them"
            )
        if existing.code != wanted.code:
            raise GenerateError(f"{self.root}: was made by another version of the code; generate into a new folder")
        for name in ("split", "seed", "settings"):
            if (was := getattr(existing, name)) != (now := getattr(wanted, name)):
                raise GenerateError(
                    f"{self.root}: was generated with {name} {was}, and this run has {now}; "
                    "use the same, or generate into a new folder"
                )

    def _note(self, name: str) -> FinishedVideo | None:
        """Return the note of a video, if its file and truth exist too."""
        made = read_note(self.root, name)
        if made is None:
            return None
        files = video_file(self.root, self.plan.split, made.video.action, name), truth_file(self.root, name)
        return made if all(path.is_file() for path in files) else None

    def _remove_partial_files(self) -> None:
        """Remove partial files of a killed process."""
        for top in (VIDEOS[self.plan.split], ANNOTATIONS, TRUTH, NOTES):
            for path in (self.root / top).rglob(".*.part"):
                path.unlink(missing_ok=True)
        for order in self._orders:
            if self._note(order.name) is None:
                video_file(self.root, order.split, order.action, order.name).unlink(missing_ok=True)

    def _list_videos(self) -> Manifest:
        """Write lists and manifest for all finished videos, also those beyond the plan."""
        made = sorted(
            (note for path in (self.root / NOTES).glob("*.json") if (note := self._note(path.stem))),
            key=lambda one: one.video.name,
        )
        vocabulary = packaged(PROFILE)
        write_lists(
            self.root,
            Lists(vocabulary.parts, tuple(state.label for state in vocabulary.states), tuple(sorted(OBJECTS))),
        )
        write_frame_list(self.root, self.plan.split, {one.video.name: one.video.frames for one in made})
        if self.plan.split == "test" and made:
            write_ground_truth(self.root / GROUND_TRUTH, _scored_videos(self.root, made), every=OFFICIAL_EVERY)
        manifest = self.plan.manifest(self._code, made)
        write_manifest(self.root, manifest)
        return manifest


def unseen_actions() -> frozenset[str]:
    """Return the actions that a test set shows in ways that training never shows."""
    return frozenset(action for action in ACTIONS if unseen_motion(action))


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """Return a value as read back from JSON."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _scored_videos(root: Path, made: Sequence[FinishedVideo]) -> Iterator[Video]:
    for one in made:
        facts = VideoFacts(one.video.frames, *one.video.size)
        yield Video(one.video.name, one.video.action, root, facts, one.scored)


_maker: Maker | None = None
"""The process's maker, created with its first video."""


def _make(order: Order) -> FinishedVideo:
    global _maker
    _maker = _maker or Maker()
    return _maker.make(order)


def _prepare_worker() -> None:
    # Ctrl-C goes to every process of the terminal; workers finish their video. If the first process is killed, workers
    # get no more work and end by themselves.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"


def _make_videos(orders: Sequence[Order], workers: int, stopped: Callable[[], bool]) -> Iterator[FinishedVideo]:
    """Yield each video as it is made, in any order. When `stopped`, no more are begun."""
    if workers <= 1 or len(orders) <= 1:
        for order in orders:
            if stopped():
                return
            yield _make(order)
        return
    # Spawned, because a fork would copy the locks of threads.
    context = multiprocessing.get_context("spawn")
    workers = min(workers, len(orders))
    pool = ProcessPoolExecutor(workers, context, _prepare_worker)
    waiting = iter(orders)
    running: set[Future[FinishedVideo]] = set()
    try:
        while True:
            # One video per process at a time, so that stopping does not wait for queued videos.
            while len(running) < workers and not stopped() and (order := next(waiting, None)) is not None:
                running.add(pool.submit(_make, order))
            if not running:
                return
            done, running = wait(running, _STOP_CHECK_S, FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool:
        raise GenerateError(
            "a worker process was killed, perhaps because memory ran out; continue with --resume and fewer --workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
