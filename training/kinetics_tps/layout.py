"""Finds the videos and annotations of a data set on disk, whatever else lies there. Reads names, never contents.

Two functions for two halves: `train_entries` takes a video's class from its folder, `unlabelled_videos` knows none:
test folders say the answer, so nothing of them goes into a video's name or place.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.kinetics_tps.data_errors import FaultCode, Report, quoted
from training.kinetics_tps.names import ANNOTATIONS, VIDEO_SUFFIX, VIDEOS, frame_index, name_fault


@dataclass(frozen=True, slots=True)
class TrainEntry:
    """A training video's files: `video` or `annotations` is None where only the other is there."""

    action: str
    name: str
    video: Path | None
    annotations: Path | None


@dataclass(frozen=True, slots=True)
class UnlabelledVideo:
    """A test video: a name and a file. It has no class, and its path is for opening it only."""

    name: str
    path: Path


def train_entries(root: Path, report: Report) -> list[TrainEntry]:
    """Every training video that has a file, annotations or both, by class and name."""
    videos = {(folder.name, name): path for folder in _classes(root / VIDEOS["train"], report)
              for name, path in _videos(folder, report)}  # fmt: skip
    actions = {action for action, _ in videos}
    annotations: dict[tuple[str, str], Path] = {}
    for folder in _classes(root / ANNOTATIONS, report):
        if folder.name not in actions:
            words = f"there are no videos of a class {quoted(folder.name)}"
            report(FaultCode.CLASS_WITHOUT_VIDEOS, folder, words)
        annotations |= {(folder.name, path.name): path for path in _folders(folder, report)}
    return [
        TrainEntry(action, name, videos.get((action, name)), annotations.get((action, name)))
        for action, name in sorted(videos.keys() | annotations.keys())
    ]


def unlabelled_videos(root: Path, report: Report) -> list[UnlabelledVideo]:
    """Every test video, by name."""
    top = root / VIDEOS["test"]
    found: list[UnlabelledVideo] = []
    for entry in _entries(top, report):
        kind = _kind(entry, report)
        if kind == "folder":
            found += [UnlabelledVideo(name, path) for name, path in _videos(Path(entry.path), report)]
        elif kind == "file" and (name := _video_name(entry, report)) is not None:
            found.append(UnlabelledVideo(name, Path(entry.path)))
    return sorted(found, key=lambda video: video.name)


def report_duplicates(videos: Iterable[tuple[str, Path]], report: Report) -> set[str]:
    """The names that several videos have; reported once for each of their files. None of them can be used: one of two
    classes is wrong, and to choose between two test videos would be to look at their folders."""
    videos = list(videos)
    times = Counter(name for name, _ in videos)
    for name, path in videos:
        if times[name] > 1:
            words = f"{times[name]} videos are called {quoted(name)}; results go by name"
            report(FaultCode.DUPLICATE_VIDEO, path, words)
    return {name for name, count in times.items() if count > 1}


def frame_files(folder: Path, report: Report, *, inner: bool = False) -> list[tuple[int, str]]:
    """Index and path of every annotated frame of a video, by index.

    The data set's own description draws one more folder of the video's name: an `inner` one is looked into, for frames
    that the outer one hasn't got.
    """
    found: dict[int, str] = {}
    within: list[tuple[int, str]] = []
    for entry in _entries(folder, report):
        index = frame_index(entry.name)
        kind = _kind(entry, report)
        if index is not None and kind == "file":
            found[index] = entry.path
        elif kind == "folder" and entry.name == folder.name and not inner:
            within = frame_files(Path(entry.path), report, inner=True)
        elif kind == "file" and entry.name.endswith(".json"):
            words = "is not called img_00001.json, img_00002.json …"
            report(FaultCode.BAD_FRAME_NAME, Path(entry.path), words)
        elif kind is not None:
            report(FaultCode.UNEXPECTED_ENTRY, Path(entry.path), f"is a {kind} among annotated frames")
    for index, path in within:
        if index in found:
            report(FaultCode.UNEXPECTED_ENTRY, Path(path), f"annotates frame {index} a second time")
        else:
            found[index] = path
    return sorted(found.items())


def _classes(top: Path, report: Report) -> Iterator[Path]:
    """The class folders under `train_videos` or `train_annotations`."""
    for entry in _entries(top, report):
        kind = _kind(entry, report)
        if kind == "folder":
            if _named(entry, report):
                yield Path(entry.path)
        elif kind == "file" and entry.name.endswith(VIDEO_SUFFIX):
            words = "lies in no class folder, so its class isn't known"
            report(FaultCode.VIDEO_OUTSIDE_CLASS, Path(entry.path), words)
        elif kind == "file":
            report(FaultCode.UNEXPECTED_ENTRY, Path(entry.path), "is a file among class folders")


def _videos(folder: Path, report: Report) -> Iterator[tuple[str, Path]]:
    for entry in _entries(folder, report):
        kind = _kind(entry, report)
        if kind == "file" and (name := _video_name(entry, report)) is not None:
            yield name, Path(entry.path)
        elif kind == "folder":
            report(FaultCode.UNEXPECTED_ENTRY, Path(entry.path), "is a folder among videos")


def _folders(folder: Path, report: Report) -> Iterator[Path]:
    for entry in _entries(folder, report):
        kind = _kind(entry, report)
        if kind == "folder" and _named(entry, report):
            yield Path(entry.path)
        elif kind == "file":
            words = "is a file among the folders of annotated videos"
            report(FaultCode.UNEXPECTED_ENTRY, Path(entry.path), words)


def _video_name(entry: os.DirEntry[str], report: Report) -> str | None:
    if not entry.name.endswith(VIDEO_SUFFIX):
        report(FaultCode.UNEXPECTED_ENTRY, Path(entry.path), f"is not a {VIDEO_SUFFIX} file")
        return None
    name = entry.name.removesuffix(VIDEO_SUFFIX)
    if fault := name_fault(name):
        report(FaultCode.BAD_NAME, Path(entry.path), fault)
        return None
    return name


def _named(entry: os.DirEntry[str], report: Report) -> bool:
    if fault := name_fault(entry.name):
        report(FaultCode.BAD_NAME, Path(entry.path), fault)
    return fault is None


def _entries(folder: Path, report: Report) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name; hidden files (.DS_Store) are left out."""
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except FileNotFoundError:
        report(FaultCode.MISSING_FOLDER, folder, "is not there")
        return []
    except OSError as error:
        report(FaultCode.NOT_READABLE, folder, f"can't be read: {error.strerror}")
        return []
    if not entries:
        report(FaultCode.EMPTY_FOLDER, folder, "holds nothing")
    return sorted(entries, key=lambda entry: entry.name)


def _kind(entry: os.DirEntry[str], report: Report) -> str | None:
    """`file` or `folder`, links followed; anything else is reported."""
    try:
        if entry.is_file():
            return "file"
        if entry.is_dir():
            return "folder"
        if entry.is_symlink():
            report(FaultCode.BROKEN_LINK, Path(entry.path), "is a link to something that isn't there")
        else:
            report(FaultCode.NOT_READABLE, Path(entry.path), "is neither a file nor a folder")
    except OSError as error:
        report(FaultCode.NOT_READABLE, Path(entry.path), f"can't be read: {error.strerror}")
    return None
