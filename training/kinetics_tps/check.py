"""Checking a whole data set: every error, by file. Nothing is changed."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.kinetics_tps.annotations import FrameReader
from training.kinetics_tps.data_errors import DataError, ErrorCode, printable, quoted, shown
from training.kinetics_tps.dataset import DatasetError, is_folder, read_entry
from training.kinetics_tps.layout import (
    TrainEntry,
    UnlabelledVideo,
    report_duplicates,
    train_entries,
    unlabelled_videos,
)
from training.kinetics_tps.lists import read_frame_list, read_lists
from training.kinetics_tps.names import ANNOTATIONS, FRAME_LISTS, LISTS, VIDEOS, Split
from training.kinetics_tps.video_facts import VideoError, probe

_ORDER = {code: order for order, code in enumerate(ErrorCode)}
_HALVES: dict[Split, tuple[str, ...]] = {"train": (VIDEOS["train"], ANNOTATIONS), "test": (VIDEOS["test"],)}
"""The folders of each half."""
Progress = Callable[[int, int], None]
"""Called as (videos done, videos in all)."""


@dataclass(slots=True)
class Totals:
    """Counts of valid videos, frames and annotations."""

    train_videos: int = 0
    test_videos: int = 0
    frames: int = 0
    people: int = 0
    parts: int = 0
    objects: int = 0


@dataclass(slots=True)
class CheckReport:
    """Result of `check_dataset`: `errors` in the order of files, and `notes`, which are not errors."""

    root: str
    totals: Totals = field(default_factory=Totals)
    errors: list[DataError] = field(default_factory=list[DataError])
    notes: list[str] = field(default_factory=list[str])

    @property
    def clean(self) -> bool:
        """Whether there are no errors."""
        return not self.errors

    def counts(self) -> dict[ErrorCode, tuple[int, int]]:
        """Return the number of errors and of files with them, by code, in the order of `ErrorCode`."""
        errors = Counter(error.code for error in self.errors)
        files = Counter(code for code, _ in {(error.code, error.file) for error in self.errors})
        return {code: (errors[code], files[code]) for code in ErrorCode if code in errors}

    def to_json(self) -> dict[str, Any]:
        """Return one JSON object: `root`, `clean`, `totals`, `counts` by code, `errors` and `notes`."""
        return {
            "root": self.root,
            "clean": self.clean,
            "totals": asdict(self.totals),
            "counts": {code.value: errors for code, (errors, _) in self.counts().items()},
            "errors": [error._asdict() for error in self.errors],
            "notes": self.notes,
        }


def check_dataset(root: Path, progress: Progress | None = None) -> CheckReport:
    """Check folders, lists, frame lists, videos and annotations. Each video is opened and its first frame decoded.

    Raises `DatasetError` only if `root` is not a folder.
    """
    if not is_folder(root):
        raise DatasetError(f"{root}: is not a folder; give the one that holds {VIDEOS['train']} and {ANNOTATIONS}")
    return _Check(root, progress).run()


class _Check:
    """One pass over a data set."""

    def __init__(self, root: Path, progress: Progress | None) -> None:
        self._root, self._progress = root, progress
        self._done = self._all = 0
        self._report = CheckReport(str(root))

    def run(self) -> CheckReport:
        lists = read_lists(self._root, self._add)
        has_train, has_test = (
            any(os.path.lexists(self._root / name) for name in (*folders, f"{LISTS}/{FRAME_LISTS[split]}"))
            for split, folders in _HALVES.items()
        )
        # A data set with only a test half is valid; an empty one is not.
        has_train |= not has_test
        train = train_entries(self._root, self._add) if has_train else []
        test = unlabelled_videos(self._root, self._add) if has_test else []
        videos = [(entry.name, entry.video) for entry in train if entry.video is not None]
        report_duplicates(videos, self._add)
        report_duplicates(((video.name, video.path) for video in test), self._add)
        names = {name for name, _ in videos}
        for video in test:
            if video.name in names:
                words = "has the name of a training video; results use the name alone"
                self._add(ErrorCode.DUPLICATE_VIDEO, video.path, words)
        self._all = len(videos) + len(test)
        if has_train:
            self._check_train(train, FrameReader(lists))
        else:
            self._report.notes.append(f"there is no training half ({VIDEOS['train']})")
        if has_test:
            self._check_test(test)
        else:
            self._report.notes.append(f"there is no test half ({VIDEOS['test']})")
        self._report.errors.sort(key=lambda error: (error.file, _ORDER[error.code]))
        return self._report

    def _check_train(self, entries: list[TrainEntry], reader: FrameReader) -> None:
        found: dict[str, tuple[Path, int]] = {}
        totals = self._report.totals
        for entry in entries:
            facts, frames = read_entry(entry, reader, self._add)
            if entry.video is not None:
                found[entry.name] = (entry.video, facts.frames if facts else 0)
                self._advance()
            people = [person for frame in frames for person in frame.people]
            totals.train_videos += facts is not None and bool(frames)
            totals.frames += len(frames)
            totals.people += len(people)
            totals.parts += sum(len(person.parts) for person in people)
            totals.objects += sum(len(frame.objects) for frame in frames)
        self._compare("train", found)
        for key, times in sorted(reader.undocumented.items()):
            words = "named boxes in it are read as objects, the rest is ignored"
            self._report.notes.append(f"{times} frames have an undocumented key, `{printable(key)}`: {words}")

    def _check_test(self, videos: list[UnlabelledVideo]) -> None:
        found: dict[str, tuple[Path, int]] = {}
        for video in videos:
            frames = 0
            try:
                frames = probe(video.path).frames
                self._report.totals.test_videos += 1
            except VideoError as error:
                self._add(error.code, video.path, str(error))
            found[video.name] = (video.path, frames)
            self._advance()
        self._compare("test", found)

    def _compare(self, split: Split, found: dict[str, tuple[Path, int]]) -> None:
        """Compare the frame list with the videos found: file and frames by name, 0 frames if it could not be opened."""
        listed = read_frame_list(self._root, split, self._add)
        if listed is None:
            return
        path = self._root / LISTS / FRAME_LISTS[split]
        for name in (name for name in listed if name not in found):
            self._add(ErrorCode.MISSING_VIDEO, path, f"lists {quoted(name)}, but there is no such video")
        for name, (video, frames) in found.items():
            if name not in listed:
                self._add(ErrorCode.VIDEO_WITHOUT_ROW, video, f"is not in {path.name}")
            elif frames and frames != listed[name]:
                words = f"has {frames} frames; {path.name} says {listed[name]}"
                self._add(ErrorCode.FRAMES_DIFFER, video, words)

    def _add(self, code: ErrorCode, path: Path, message: str) -> None:
        # With a wrong list every part of every frame is an error: millions of them, with few different messages.
        self._report.errors.append(DataError(code, sys.intern(shown(path, self._root)), sys.intern(message)))

    def _advance(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._all)
