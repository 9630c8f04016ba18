"""A Kinetics-TPS data set on disk, for training: its videos, one after another, without what is faulty.

A `Dataset` owns the lists and the count of what it left out; it holds no video open and reads frames as they are
asked for. One bad file never ends a run: its frame or video is left out, counted in `skipped`, and the first of each
kind is logged.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.kinetics_tps.annotations import AnnotatedFrame
from training.kinetics_tps.data_errors import MEANING, FaultCode, Report, shown
from training.kinetics_tps.frame_reader import FrameReader
from training.kinetics_tps.layout import (
    TrainEntry,
    UnlabelledVideo,
    frame_files,
    report_duplicates,
    train_entries,
    unlabelled_videos,
)
from training.kinetics_tps.lists import Lists, read_lists
from training.kinetics_tps.names import ANNOTATIONS, VIDEOS
from training.kinetics_tps.video_facts import VideoError, VideoFacts, probe

logger = logging.getLogger(__name__)
_PIECE = 1 << 17


class DatasetError(ValueError):
    """The data set can't be used at all; the message names the folder and says what to do."""


@dataclass(frozen=True, slots=True)
class Video:
    """A training video with its annotated frames, which are some of its frames, by index."""

    name: str
    action: str
    path: Path
    facts: VideoFacts
    frames: tuple[AnnotatedFrame, ...]


class Dataset:
    """The data set in a folder. Raises `DatasetError` where there is no such folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.skipped: Counter[FaultCode] = Counter()
        """What the last reading left out, by kind of fault."""
        self._warned: set[str] = set()
        if not is_folder(root):
            raise DatasetError(f"{root}: is not a folder; give the one that holds {VIDEOS['train']} and {ANNOTATIONS}")
        self.lists: Lists = read_lists(root, self._warn_of_list)

    def train(self) -> Iterator[Video]:
        """Every training video that can be opened and has a usable frame, by class and name. Raises `DatasetError`
        at once where folders are missing, and at the end where nothing was usable."""
        for folder in (VIDEOS["train"], ANNOTATIONS):
            if not is_folder(self.root / folder):
                raise DatasetError(f"{self.root}: has no folder {folder}; docs/kinetics-tps.md shows the layout")
        self.skipped.clear()
        return self._train()

    def test(self) -> list[UnlabelledVideo]:
        """The test videos, by name, without a class: what their folders are called changes nothing."""
        self.skipped.clear()
        found = unlabelled_videos(self.root, self._skip)
        twice = report_duplicates(((video.name, video.path) for video in found), self._skip)
        videos = [video for video in found if video.name not in twice]
        if not videos:
            raise DatasetError(f"{self.root}: has no video in {VIDEOS['test']}; {self._advice()}")
        return videos

    def _train(self) -> Iterator[Video]:
        reader, usable = FrameReader(self.lists), 0
        entries = train_entries(self.root, self._skip)
        named = ((entry.name, entry.video) for entry in entries if entry.video is not None)
        twice = report_duplicates(named, self._skip)
        for entry in entries:
            if entry.name in twice:
                continue
            facts, frames = read_entry(entry, reader, self._skip)
            self._warn_of_undocumented(reader)
            if facts is not None and frames and entry.video is not None:
                usable += 1
                yield Video(entry.name, entry.action, entry.video, facts, tuple(frames))
        if not usable:
            raise DatasetError(f"{self.root}: no training video can be used; {self._advice()}")

    def _skip(self, code: FaultCode, path: Path, message: str) -> None:
        self.skipped[code] += 1
        self._warn(code, f"{shown(path, self.root)}: {message}; left out and counted, like all of its kind ({code})")

    def _warn_of_list(self, code: FaultCode, path: Path, message: str) -> None:
        self._warn(f"{code} {path.name}", f"{shown(path, self.root)}: {message}; what it doesn't list isn't checked")

    def _warn_of_undocumented(self, reader: FrameReader) -> None:
        if reader.undocumented:
            keys = ", ".join(sorted(reader.undocumented))
            self._warn("undocumented", f"annotations hold keys that aren't documented ({keys}); boxes with a name "
                       "among them are read as objects, all else is ignored")  # fmt: skip

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("%s: %s", self.root, message)

    def _advice(self) -> str:
        counts = ", ".join(f"{count} x {MEANING[code]}" for code, count in self.skipped.most_common(3))
        return f"{counts or 'nothing is there'}. `partstream data check {self.root}` lists every fault"


def is_folder(path: Path) -> bool:
    """Whether there is a folder that can be looked into."""
    try:
        return path.is_dir()
    except OSError:
        return False


def read_entry(
    entry: TrainEntry, reader: FrameReader, report: Report, probed: VideoFacts | VideoError | None = None
) -> tuple[VideoFacts | None, list[AnnotatedFrame]]:
    """Open a training video and read its annotated frames; what is faulty is reported and not returned.

    `probed` is what `probe` gave or raised, where that was done already. Faults of frames are found all the same where
    the video can't be opened.
    """
    facts = None
    if entry.video is None:
        assert entry.annotations is not None
        report(FaultCode.ANNOTATIONS_WITHOUT_VIDEO, entry.annotations, "there is no training video of that name")
    else:
        try:
            facts = probe(entry.video) if probed is None else probed
            if isinstance(facts, VideoError):
                raise facts
        except VideoError as error:
            facts = None
            report(error.code, entry.video, str(error))
        if entry.annotations is None:
            report(FaultCode.VIDEO_WITHOUT_ANNOTATIONS, entry.video, "has no annotations")
    return facts, _frames(entry.annotations, facts, reader, report) if entry.annotations else []


def _frames(folder: Path, facts: VideoFacts | None, reader: FrameReader, report: Report) -> list[AnnotatedFrame]:
    picture = None if facts is None else (facts.width, facts.height)
    frames: list[AnnotatedFrame] = []
    for index, name in frame_files(folder, report):
        try:
            raw = _read(name)
        except OSError as error:
            report(FaultCode.NOT_READABLE, Path(name), f"can't be read: {error.strerror}")
            continue
        frame, faults = reader.read(raw, index, picture)
        if facts is not None and index > facts.frames:
            faults.append((FaultCode.FRAME_BEYOND_VIDEO, f"is frame {index} of a video of {facts.frames}"))
        if frame is not None and not faults:
            frames.append(frame)
        path = Path(name) if faults else folder
        for code, message in faults:
            report(code, path, message)
    return frames


def _read(path: str) -> bytes:
    """A small file in three system calls, where `open().read()` takes eight: there are 575,000 of them."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        pieces = [os.read(descriptor, _PIECE)]
        while len(pieces[-1]) == _PIECE:
            pieces.append(os.read(descriptor, _PIECE))
        return b"".join(pieces)
    finally:
        os.close(descriptor)
