"""A Kinetics-TPS data set on disk, for training: its valid videos, one after another.

A bad file never ends a run: its frame or video is left out and counted in `skipped`, and the first error with each code
is logged.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.kinetics_tps.annotations import AnnotatedFrame, FrameReader
from training.kinetics_tps.data_errors import ErrorCode, Report, shown
from training.kinetics_tps.layout import (
    TrainEntry,
    frame_files,
    report_duplicates,
    train_entries,
)
from training.kinetics_tps.lists import Lists, read_lists
from training.kinetics_tps.names import ANNOTATIONS, VIDEOS
from training.kinetics_tps.video_facts import VideoError, VideoFacts, probe

logger = logging.getLogger(__name__)


class DatasetError(ValueError):
    """The data set cannot be used at all; the message names the folder and says what to do."""


@dataclass(frozen=True, slots=True)
class Video:
    """A training video and its annotated frames, by index."""

    name: str
    action: str
    path: Path
    facts: VideoFacts
    frames: tuple[AnnotatedFrame, ...]


class Dataset:
    """The data set in a folder. Raises `DatasetError` if there is no such folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.skipped: Counter[ErrorCode] = Counter()
        """Frames and videos left out by the last reading, by error."""
        self._warned: set[str] = set()
        if not is_folder(root):
            raise DatasetError(f"{root}: is not a folder; give the one that holds {VIDEOS['train']} and {ANNOTATIONS}")
        self.lists: Lists = read_lists(root, self._warn_of_list)

    def train(self) -> Iterator[Video]:
        """Yield every training video that can be opened and has a valid annotated frame, by class and name.

        Raises `DatasetError` at once if a folder is missing, and at the end if no video was valid.
        """
        for folder in (VIDEOS["train"], ANNOTATIONS):
            if not is_folder(self.root / folder):
                raise DatasetError(f"{self.root}: has no folder {folder}; docs/kinetics-tps.md shows the layout")
        self.skipped.clear()
        return self._train()

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

    def _skip(self, code: ErrorCode, path: Path, message: str) -> None:
        self.skipped[code] += 1
        self._warn(code, f"{shown(path, self.root)}: {message}; left out and counted, like all with {code}")

    def _warn_of_list(self, code: ErrorCode, path: Path, message: str) -> None:
        self._warn(f"{code} {path.name}", f"{shown(path, self.root)}: {message}; labels missing in it are not checked")

    def _warn_of_undocumented(self, reader: FrameReader) -> None:
        if reader.undocumented:
            keys = ", ".join(sorted(reader.undocumented))
            self._warn("undocumented", f"annotations have undocumented keys ({keys}); named boxes in them are read as "
                       "objects, the rest is ignored")  # fmt: skip

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("%s: %s", self.root, message)

    def _advice(self) -> str:
        counts = ", ".join(f"{count} x {code.meaning}" for code, count in self.skipped.most_common(3))
        return f"{counts or 'the folder is empty'}. `partstream data check {self.root}` lists every error"


def is_folder(path: Path) -> bool:
    """Return whether the path is a folder that can be read."""
    try:
        return path.is_dir()
    except OSError:
        return False


def read_entry(
    entry: TrainEntry, reader: FrameReader, report: Report
) -> tuple[VideoFacts | None, list[AnnotatedFrame]]:
    """Open a training video and read its annotated frames; errors are reported, and their frames are not returned.

    Errors of frames are also found for a video that cannot be opened.
    """
    facts = None
    if entry.video is None:
        assert entry.annotations is not None
        report(ErrorCode.ANNOTATIONS_WITHOUT_VIDEO, entry.annotations, "there is no training video with this name")
    else:
        try:
            facts = probe(entry.video)
        except VideoError as error:
            report(error.code, entry.video, str(error))
        if entry.annotations is None:
            report(ErrorCode.VIDEO_WITHOUT_ANNOTATIONS, entry.video, "has no annotations")
    return facts, _frames(entry.annotations, facts, reader, report) if entry.annotations else []


def _frames(folder: Path, facts: VideoFacts | None, reader: FrameReader, report: Report) -> list[AnnotatedFrame]:
    picture = None if facts is None else (facts.width, facts.height)
    frames: list[AnnotatedFrame] = []
    for index, name in frame_files(folder, report):
        try:
            raw = Path(name).read_bytes()
        except OSError as error:
            report(ErrorCode.NOT_READABLE, Path(name), f"can't be read: {error.strerror}")
            continue
        frame, errors = reader.read(raw, index, picture)
        if facts is not None and index > facts.frames:
            errors.append((ErrorCode.FRAME_BEYOND_VIDEO, f"is frame {index} of a video of {facts.frames}"))
        if frame is not None and not errors:
            frames.append(frame)
        path = Path(name) if errors else folder
        for code, message in errors:
            report(code, path, message)
    return frames
