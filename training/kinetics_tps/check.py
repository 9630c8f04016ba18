"""Goes through a whole data set and lists all that is wrong with it, file by file. Changes nothing."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.kinetics_tps.annotations import AnnotatedFrame
from training.kinetics_tps.data_errors import Fault, FaultCode, printable, quoted, shown
from training.kinetics_tps.dataset import DatasetError, is_folder, read_entry
from training.kinetics_tps.frame_reader import FrameReader
from training.kinetics_tps.layout import (
    TrainEntry,
    UnlabelledVideo,
    report_duplicates,
    train_entries,
    unlabelled_videos,
)
from training.kinetics_tps.lists import Lists, read_frame_list, read_lists
from training.kinetics_tps.names import ANNOTATIONS, FRAME_LISTS, LISTS, VIDEOS, Split
from training.kinetics_tps.video_facts import VideoError, VideoFacts, probe

_ORDER = {code: order for order, code in enumerate(FaultCode)}
_HALVES: dict[Split, tuple[str, ...]] = {"train": (VIDEOS["train"], ANNOTATIONS), "test": (VIDEOS["test"],)}
"""The folders of each half."""
Progress = Callable[[int, int], None]
"""Called as (videos done, videos in all)."""


@dataclass(slots=True)
class Totals:
    """What is there and right."""

    train_videos: int = 0
    test_videos: int = 0
    frames: int = 0
    people: int = 0
    parts: int = 0
    objects: int = 0


@dataclass(slots=True)
class CheckReport:
    """What `check_dataset` found: `faults` in the order of files, `notes` that are no faults."""

    root: str
    totals: Totals = field(default_factory=Totals)
    faults: list[Fault] = field(default_factory=list[Fault])
    notes: list[str] = field(default_factory=list[str])

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def counts(self) -> dict[FaultCode, tuple[int, int]]:
        """Faults and files that have them, by kind, in the order of `FaultCode`."""
        faults = Counter(fault.code for fault in self.faults)
        files = Counter(code for code, _ in {(fault.code, fault.file) for fault in self.faults})
        return {code: (faults[code], files[code]) for code in FaultCode if code in faults}

    def to_json(self) -> dict[str, Any]:
        """One JSON object: `root`, `clean`, `totals`, `counts` by code, `faults` and `notes`."""
        return {
            "root": self.root,
            "clean": self.clean,
            "totals": asdict(self.totals),
            "counts": {code.value: faults for code, (faults, _) in self.counts().items()},
            "faults": [fault._asdict() for fault in self.faults],
            "notes": self.notes,
        }


def check_dataset(root: Path, progress: Progress | None = None) -> CheckReport:
    """Check everything: folders, lists, frame lists, videos, annotations. A video is opened and its first picture
    decoded. Raises `DatasetError` where there is no such folder, and for nothing that is in it."""
    if not is_folder(root):
        raise DatasetError(f"{root}: is not a folder; give the one that holds {VIDEOS['train']} and {ANNOTATIONS}")
    return _Check(root, progress).run()


class _Check:
    """One walk through a data set."""

    def __init__(self, root: Path, progress: Progress | None) -> None:
        self._root = root
        self._progress = progress
        self._done = self._all = 0
        self._report = CheckReport(str(root))
        self._shown = (root, "")
        # Opening a video doesn't hold the interpreter's lock: they are opened while frames are read.
        self._pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))

    def run(self) -> CheckReport:
        try:
            self._walk()
        finally:
            self._pool.shutdown(cancel_futures=True)
        self._report.faults.sort(key=lambda fault: (fault.file, _ORDER[fault.code]))
        return self._report

    def _walk(self) -> None:
        lists = read_lists(self._root, self._fault)
        has_train, has_test = (
            any(os.path.lexists(self._root / name) for name in (*folders, f"{LISTS}/{FRAME_LISTS[split]}"))
            for split, folders in _HALVES.items()
        )
        # A set for testing alone is fine; nothing at all isn't.
        has_train |= not has_test
        train = train_entries(self._root, self._fault) if has_train else []
        test = unlabelled_videos(self._root, self._fault) if has_test else []
        videos = [(entry.name, entry.video) for entry in train if entry.video is not None]
        report_duplicates(videos, self._fault)
        report_duplicates(((video.name, video.path) for video in test), self._fault)
        names = {name for name, _ in videos}
        for video in test:
            if video.name in names:
                words = "has the name of a training video; results go by name"
                self._fault(FaultCode.DUPLICATE_VIDEO, video.path, words)
        self._all = len(videos) + len(test)
        if has_train:
            self._check_train(train, lists)
        else:
            self._report.notes.append(f"there is no training half ({VIDEOS['train']})")
        if has_test:
            self._check_test(test)
        else:
            self._report.notes.append(f"there is no test half ({VIDEOS['test']})")

    def _check_train(self, entries: list[TrainEntry], lists: Lists) -> None:
        reader = FrameReader(lists)
        probed = self._pool.map(_probe, [entry.video for entry in entries if entry.video is not None])
        found: dict[str, tuple[Path, int]] = {}
        for entry in entries:
            facts, frames = read_entry(entry, reader, self._fault, next(probed) if entry.video else None)
            if entry.video is not None:
                found[entry.name] = (entry.video, facts.frames if facts else 0)
                self._advance()
            self._count(frames, usable=facts is not None)
        self._compare("train", found)
        for key, times in sorted(reader.undocumented.items()):
            words = "boxes with a name in it are taken for objects, all else is ignored"
            self._report.notes.append(f"{times} frames have an undocumented key, `{printable(key)}`: {words}")

    def _check_test(self, videos: list[UnlabelledVideo]) -> None:
        found: dict[str, tuple[Path, int]] = {}
        for video, facts in zip(videos, self._pool.map(_probe, [video.path for video in videos])):
            if isinstance(facts, VideoError):
                self._fault(facts.code, video.path, str(facts))
            else:
                self._report.totals.test_videos += 1
            found[video.name] = (video.path, 0 if isinstance(facts, VideoError) else facts.frames)
            self._advance()
        self._compare("test", found)

    def _compare(self, split: Split, found: dict[str, tuple[Path, int]]) -> None:
        """The frame list against the videos: file and frames by name, 0 frames where a video couldn't be opened."""
        listed = read_frame_list(self._root, split, self._fault)
        if listed is None:
            return
        path = self._root / LISTS / FRAME_LISTS[split]
        for name in (name for name in listed if name not in found):
            self._fault(FaultCode.MISSING_VIDEO, path, f"names {quoted(name)}, and there is no such video")
        for name, (video, frames) in found.items():
            if name not in listed:
                self._fault(FaultCode.VIDEO_WITHOUT_ROW, video, f"is not in {path.name}")
            elif frames and frames != listed[name]:
                words = f"has {frames} frames; {path.name} says {listed[name]}"
                self._fault(FaultCode.FRAMES_DIFFER, video, words)

    def _count(self, frames: list[AnnotatedFrame], *, usable: bool) -> None:
        totals = self._report.totals
        totals.train_videos += usable and bool(frames)
        totals.frames += len(frames)
        totals.people += sum(len(frame.people) for frame in frames)
        totals.parts += sum(len(person.parts) for frame in frames for person in frame.people)
        totals.objects += sum(len(frame.objects) for frame in frames)

    def _fault(self, code: FaultCode, path: Path, message: str) -> None:
        if path != self._shown[0]:
            self._shown = (path, shown(path, self._root))
        # With a wrong list every part of every frame is a fault: millions, of which few sentences are different.
        self._report.faults.append(Fault(code, self._shown[1], sys.intern(message)))

    def _advance(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._all)


def _probe(path: Path) -> VideoFacts | VideoError:
    try:
        return probe(path)
    except VideoError as error:
        return error
