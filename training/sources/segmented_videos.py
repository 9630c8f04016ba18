"""Videos whose frames are labelled in segments: `video/<source>/labels.json` of a data folder, and the files beside it.

    {"clips": {"push_up/leap-1": {"frames": 500, "fps": 30.0, "size": [360, 640], "segments": [[0, 480, "push_up"]],
                                  "text": "two people", "person": "man1", "split": "test"}}}

A clip's name is its file's path without the extension. A segment is [first frame, end, label]: frames count from 0, the
end is exclusive, and the label is an action or null. Frames in no segment are not labelled. `text`, `person` and
`split` may be missing; other fields are ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from training.sources.terms import DataFolderError, read_content

VIDEO, LABELS = "video", "labels.json"
EXTENSIONS = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".flv")

MOST_FRAMES = 5_000_000
"""Most frames of one video, over 40 hours at 30 a second. Scoring looks at each labelled frame."""

Split = Literal["learn", "train", "validation", "test"]
"""The source's own division: `learn` leaves open which clips train and which select (`roles.video_roles`)."""


class Segment(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Frames `first` to `end` (exclusive) of a video, with an action; None if it is unknown, mixed or doubtful."""

    first: Annotated[int, Meta(ge=0)]
    end: int
    label: Annotated[str, Meta(min_length=1)] | None


def frames_of_labels(segments: Iterable[Segment]) -> Counter[str]:
    """Return the number of frames that segments give each label."""
    lasting: Counter[str] = Counter()
    for segment in segments:
        if segment.label is not None:
            lasting[segment.label] += segment.end - segment.first
    return lasting


@dataclass(frozen=True, slots=True)
class SegmentedVideo:
    """One video of `source`. `segments` are in order and do not overlap; `size` is (width, height) in pixels.

    `person` is "" if unknown, and `split` None if the source has no division of its own.
    """

    source: str
    name: str
    path: Path
    frames: int
    fps: float
    size: tuple[int, int]
    segments: tuple[Segment, ...]
    text: str = ""
    person: str = ""
    split: Split | None = None


_Side = Annotated[int, Meta(ge=1, le=100_000)]


class _Clip(msgspec.Struct, frozen=True):
    frames: Annotated[int, Meta(ge=1, le=MOST_FRAMES)]
    fps: Annotated[float, Meta(ge=0.1, le=1000)]
    size: tuple[_Side, _Side]
    segments: tuple[Segment, ...]
    text: str = ""
    person: str = ""
    split: Split | None = None


class _Labels(msgspec.Struct, frozen=True):
    clips: dict[str, msgspec.Raw]


def read_segmented_videos(folder: Path, sources: Collection[str]) -> list[SegmentedVideo]:
    """Return the videos of a data folder that belong to these sources, by source and name.

    A source without `video/<source>/labels.json` has no videos. Raises `DataFolderError` for labels that cannot be
    used, and for a clip without its video file.
    """
    paths = sorted((folder / VIDEO).glob(f"*/{LABELS}"))
    return [video for path in paths if path.parent.name in sources for video in read_labels(path)]


def read_labels(path: Path) -> list[SegmentedVideo]:
    """Read one source's labels and find its video files. Raises `DataFolderError`."""
    try:
        clips = msgspec.json.decode(read_content(path), type=_Labels).clips
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataFolderError(f"{path}: {error}") from None
    files = _files(path.parent)
    return [_video(path, name, clips[name], files) for name in sorted(clips)]


def _files(folder: Path) -> Mapping[str, list[Path]]:
    """Return the video files below a folder by their path without extension."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in EXTENSIONS and path.is_file():
            files.setdefault(str(PurePosixPath(path.relative_to(folder).with_suffix(""))), []).append(path)
    return files


def _video(labels: Path, name: str, content: msgspec.Raw, files: Mapping[str, list[Path]]) -> SegmentedVideo:
    where = f"{labels}: clip {name!r}"
    try:
        clip = msgspec.json.decode(content, type=_Clip)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataFolderError(f"{where}: {error}") from None
    segments = tuple(sorted(clip.segments, key=lambda segment: segment.first))
    for number, segment in enumerate(segments):
        span = f"{where}: segments: [{segment.first}, {segment.end}, …]"
        if not segment.first < segment.end <= clip.frames:
            raise DataFolderError(f"{span} must begin before its end, and end by the clip's {clip.frames} frames")
        if number and segment.first < segments[number - 1].end:
            raise DataFolderError(f"{span} overlaps the segment before it")
    found = files.get(name, [])
    if not found:
        file = f"{labels.parent / name}{EXTENSIONS[0]}"
        raise DataFolderError(
            f"{where}: no video file {file} (or {', '.join(EXTENSIONS[1:])}); add it, or remove the clip"
        )
    if len(found) > 1:
        raise DataFolderError(
            f"{where}: has {len(found)} video files: {', '.join(one.name for one in found)}; keep one"
        )
    return SegmentedVideo(
        source=labels.parent.name,
        name=name,
        path=found[0],
        frames=clip.frames,
        fps=clip.fps,
        size=clip.size,
        segments=segments,
        text=clip.text,
        person=clip.person,
        split=clip.split,
    )
