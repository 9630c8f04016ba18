"""Finding the videos and annotations of a data set on disk, by names only.

`train_entries` takes a video's class from its folder. `unlabelled_videos` ignores folders, because those of test videos
would reveal the class.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.kinetics_tps.data_errors import ErrorCode, Report, quoted
from training.kinetics_tps.names import ANNOTATIONS, VIDEO_SUFFIX, VIDEOS, frame_index, name_error


@dataclass(frozen=True, slots=True)
class TrainEntry:
    """A training video's files: `video` or `annotations` is None if only the other exists."""

    action: str
    name: str
    video: Path | None
    annotations: Path | None


@dataclass(frozen=True, slots=True)
class UnlabelledVideo:
    """A test video: a name and a file, without a class. The path is only for opening it."""

    name: str
    path: Path


def train_entries(root: Path, report: Report) -> list[TrainEntry]:
    """Return every training video that has a file, annotations or both, by class and name."""
    videos = {(folder.name, name): path for folder in _classes(root / VIDEOS["train"], report)
              for name, path in _videos(folder, report)}  # fmt: skip
    actions = {action for action, _ in videos}
    annotations: dict[tuple[str, str], Path] = {}
    for folder in _classes(root / ANNOTATIONS, report):
        if folder.name not in actions:
            words = f"there are no videos of the class {quoted(folder.name)}"
            report(ErrorCode.CLASS_WITHOUT_VIDEOS, folder, words)
        annotations |= {(folder.name, path.name): path for path in _folders(folder, report)}
    return [
        TrainEntry(action, name, videos.get((action, name)), annotations.get((action, name)))
        for action, name in sorted(videos.keys() | annotations.keys())
    ]


def unlabelled_videos(root: Path, report: Report) -> list[UnlabelledVideo]:
    """Return every test video, by name."""
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
    """Return the names that several videos have, and report each of their files.

    None of these videos can be used: one of their classes is wrong, and choosing between two test videos would use
    their folders.
    """
    videos = list(videos)
    times = Counter(name for name, _ in videos)
    for name, path in videos:
        if times[name] > 1:
            words = f"{times[name]} videos are called {quoted(name)}; results use the name alone"
            report(ErrorCode.DUPLICATE_VIDEO, path, words)
    return {name for name, count in times.items() if count > 1}


def frame_files(folder: Path, report: Report, *, inner: bool = False) -> list[tuple[int, str]]:
    """Return index and path of every annotated frame of a video, by index.

    The data set's description shows another folder with the video's name inside; frames in it count unless the outer
    folder has them.
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
            words = "is not named img_00001.json, img_00002.json …"
            report(ErrorCode.BAD_FRAME_NAME, Path(entry.path), words)
        elif kind is not None:
            report(ErrorCode.UNEXPECTED_ENTRY, Path(entry.path), f"is a {kind} among annotated frames")
    for index, path in within:
        if index in found:
            report(ErrorCode.UNEXPECTED_ENTRY, Path(path), f"annotates frame {index} a second time")
        else:
            found[index] = path
    return sorted(found.items())


def _classes(top: Path, report: Report) -> Iterator[Path]:
    """Yield the class folders under `train_videos` or `train_annotations`."""
    for entry in _entries(top, report):
        kind = _kind(entry, report)
        if kind == "folder":
            if _named(entry, report):
                yield Path(entry.path)
        elif kind == "file" and entry.name.endswith(VIDEO_SUFFIX):
            words = "is in no class folder, so its class is unknown"
            report(ErrorCode.VIDEO_OUTSIDE_CLASS, Path(entry.path), words)
        elif kind == "file":
            report(ErrorCode.UNEXPECTED_ENTRY, Path(entry.path), "is a file among class folders")


def _videos(folder: Path, report: Report) -> Iterator[tuple[str, Path]]:
    for entry in _entries(folder, report):
        kind = _kind(entry, report)
        if kind == "file" and (name := _video_name(entry, report)) is not None:
            yield name, Path(entry.path)
        elif kind == "folder":
            report(ErrorCode.UNEXPECTED_ENTRY, Path(entry.path), "is a folder among videos")


def _folders(folder: Path, report: Report) -> Iterator[Path]:
    for entry in _entries(folder, report):
        kind = _kind(entry, report)
        if kind == "folder" and _named(entry, report):
            yield Path(entry.path)
        elif kind == "file":
            words = "is a file among the folders of annotated videos"
            report(ErrorCode.UNEXPECTED_ENTRY, Path(entry.path), words)


def _video_name(entry: os.DirEntry[str], report: Report) -> str | None:
    if not entry.name.endswith(VIDEO_SUFFIX):
        report(ErrorCode.UNEXPECTED_ENTRY, Path(entry.path), f"is not a {VIDEO_SUFFIX} file")
        return None
    name = entry.name.removesuffix(VIDEO_SUFFIX)
    if error := name_error(name):
        report(ErrorCode.BAD_NAME, Path(entry.path), error)
        return None
    return name


def _named(entry: os.DirEntry[str], report: Report) -> bool:
    if error := name_error(entry.name):
        report(ErrorCode.BAD_NAME, Path(entry.path), error)
    return error is None


def _entries(folder: Path, report: Report) -> list[os.DirEntry[str]]:
    """Return a folder's entries, by name, without hidden files (.DS_Store)."""
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except FileNotFoundError:
        report(ErrorCode.MISSING_FOLDER, folder, "is missing")
        return []
    except OSError as error:
        report(ErrorCode.NOT_READABLE, folder, f"can't be read: {error.strerror}")
        return []
    if not entries:
        report(ErrorCode.EMPTY_FOLDER, folder, "is empty")
    return sorted(entries, key=lambda entry: entry.name)


def _kind(entry: os.DirEntry[str], report: Report) -> str | None:
    """Return `file` or `folder`, following links; anything else is reported."""
    try:
        if entry.is_file():
            return "file"
        if entry.is_dir():
            return "folder"
        if entry.is_symlink():
            report(ErrorCode.BROKEN_LINK, Path(entry.path), "is a link whose target is missing")
        else:
            report(ErrorCode.NOT_READABLE, Path(entry.path), "is neither a file nor a folder")
    except OSError as error:
        report(ErrorCode.NOT_READABLE, Path(entry.path), f"can't be read: {error.strerror}")
    return None
