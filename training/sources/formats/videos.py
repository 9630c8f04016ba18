"""Labelled videos: a table of segments, or a folder of clips for each action, as `video/<source>/` of a data folder."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import msgspec

from training.kinetics_tps.video_facts import VideoError, probe
from training.sources.formats.body import FormatError, check_file
from training.sources.formats.labels import Labels
from training.sources.formats.writing import Tally
from training.sources.segmented_videos import EXTENSIONS, LABELS, MOST_FRAMES, VIDEO, Segment, Split, frames_of_labels
from training.sources.terms import DataFolderError
from training.video.frames import OPEN_OPTIONS

_COLUMNS = ("video", "start", "end", "label")
_MORE_COLUMNS = ("person", "text", "split")
FORMAT = (
    "clips: {path without extension: {frames, fps, size, segments: [[first frame, end, label], …], text, person}}; "
    "frames from 0, end exclusive; label null: not labelled"
)


class Row(msgspec.Struct, frozen=True):
    """A segment of a video: `start` and `end` in seconds, or frames from 0 with an exclusive end; `label` may be ""."""

    video: str
    start: float
    end: float
    label: str
    person: str = ""
    text: str = ""
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class LabelledVideo:
    """A video file under the name that it gets, with its segments; `end` is None for the video's end."""

    name: str
    path: Path
    rows: tuple[Row, ...]
    to_end: bool = False


def read_table(path: Path) -> list[LabelledVideo]:
    """Read segments from a CSV file with the columns video, start, end and label.

    Further columns may be person, text and split. Videos are found beside the table. Raises `FormatError`.
    """
    by_video: dict[str, list[Row]] = {}
    for number, content in enumerate(_rows(path), 1):
        try:
            row = msgspec.convert(content, Row, strict=False)
        except msgspec.ValidationError as error:
            raise FormatError(f"{path}: segment {number}: {error}") from None
        if not (math.isfinite(row.start) and math.isfinite(row.end)):
            raise FormatError(f"{path}: segment {number}: start and end must be numbers")
        by_video.setdefault(row.video, []).append(row)
    if not by_video:
        raise FormatError(f"{path}: holds no segment")
    names = _names(path, [Path(video) for video in by_video])
    found: list[LabelledVideo] = []
    for name, (video, own) in zip(names, by_video.items(), strict=True):
        file = path.parent / video
        if file.suffix.lower() not in EXTENSIONS:
            raise FormatError(f"{path}: {video!r} is not a video file; its name must end with {', '.join(EXTENSIONS)}")
        if len({(row.person, row.split) for row in own}) > 1:
            raise FormatError(f"{path}: {video}: all its segments must have the same person and split")
        found.append(LabelledVideo(name, file, tuple(sorted(own, key=lambda row: row.start))))
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    check_file(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            if lacking := [name for name in _COLUMNS if name not in reader.fieldnames]:
                raise FormatError(
                    f"{path}: lacks the columns {', '.join(lacking)}; the first line must name the columns"
                )
            kept = (*_COLUMNS, *_MORE_COLUMNS)
            return [
                {name: value.strip() for name, value in row.items() if name in kept and (value or name in _COLUMNS)}
                for row in reader
                if any(row.values())
            ]
    except (OSError, ValueError, AttributeError, csv.Error) as error:  # AttributeError: a row with too few columns
        raise error if isinstance(error, FormatError) else FormatError(f"{path}: can't be read: {error}") from None


def read_action_folders(folder: Path) -> list[LabelledVideo]:
    """Find the videos of `folder/<action>/`; each shows this action from its first frame to its last.

    Raises `FormatError`.
    """
    if not folder.is_dir():
        raise FormatError(f"{folder}: is not a folder")
    files = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in EXTENSIONS and path.is_file())
    files = [path for path in files if not path.parent.name.startswith(".")]
    if not files:
        raise FormatError(f"{folder}: holds no folder of an action with videos ({', '.join(EXTENSIONS)})")
    names = _names(folder, [path.relative_to(folder) for path in files])
    return [
        LabelledVideo(name, file, (Row(file.name, 0, 0, file.parent.name),), to_end=True)
        for name, file in zip(names, files, strict=True)
    ]


def write_videos(
    folder: Path,
    source: str,
    videos: Sequence[LabelledVideo],
    labels: Labels,
    *,
    in_frames: bool,
    copy: bool,
    people: Sequence[str],
) -> Tally:
    """Write `video/<source>/labels.json` with links to the videos, or copies, and replace what was there.

    `people` [number of videos]: used where the table names none. Raises `FormatError` for a video that cannot be read
    or a segment that does not fit it, and `DataFolderError` if the folder cannot be written.
    """
    clips: dict[str, dict[str, Any]] = {}
    tally = Tally()
    seen: set[str] = set()
    for video, person in zip(videos, people, strict=True):
        frames, fps, size = video_facts(video.path)
        segments = _segments(video, frames, fps, labels, in_frames=in_frames)
        first = video.rows[0]
        person = first.person or person
        seen |= {person} - {""}
        clip: dict[str, Any] = {"frames": frames, "fps": round(fps, 3), "size": size}
        clip["segments"] = [(one.first, one.end, one.label) for one in segments]
        clip["text"] = first.text or video.path.stem
        clip |= {key: value for key, value in (("person", person), ("split", first.split)) if value}
        clips[video.name] = clip
        tally.add(frames, fps, frames_of_labels(segments))
    tally.people = len(seen)
    content = json.dumps({"format": FORMAT, "clips": clips}, indent=1, ensure_ascii=False)
    _place(folder / VIDEO / source, videos, content, copy=copy)
    return tally


def _place(place: Path, videos: Sequence[LabelledVideo], content: str, *, copy: bool) -> None:
    """Build the folder beside its place, then put it there.

    Refuses videos that lie in the place itself, because what was there is removed.
    """
    for video in videos:
        if video.path.resolve().is_relative_to(place.resolve()):
            raise DataFolderError(f"{video.path}: lies in {place}, which the import replaces; move it elsewhere first")
    made = place.with_name(f".{place.name}.part")
    try:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for video in videos:
            file = made / f"{video.name}{video.path.suffix.lower()}"
            file.parent.mkdir(parents=True, exist_ok=True)
            if copy:
                shutil.copyfile(video.path, file)
            else:
                file.symlink_to(video.path.resolve())
        (made / LABELS).write_text(content, encoding="utf-8")
        if place.exists():
            shutil.rmtree(place)
        made.rename(place)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise DataFolderError(f"{place}: can't be written ({error.strerror or error})") from None


def _segments(video: LabelledVideo, frames: int, fps: float, labels: Labels, *, in_frames: bool) -> list[Segment]:
    found: list[Segment] = []
    scale = 1.0 if in_frames else fps
    for row in video.rows:
        begin, end = (0, frames) if video.to_end else (round(row.start * scale), round(row.end * scale))
        where = f"{video.path}: segment {row.start:g} to {row.end:g} ({row.label})"
        if not 0 <= begin < min(end, frames):
            unit = "frames" if in_frames else "seconds"
            raise FormatError(
                f"{where}: must begin before its end and within the video, which has {frames} frames at {fps:g} a "
                f"second; are start and end in {unit}?"
            )
        if found and begin < found[-1].end:
            raise FormatError(f"{where}: overlaps the segment before it, which ends at frame {found[-1].end}")
        found.append(Segment(begin, min(end, frames), (labels.action(row.label) if row.label else "") or None))
    return found


def video_facts(path: Path) -> tuple[int, float, tuple[int, int]]:
    """Return a video's number of frames, frames a second, and (width, height). Raises `FormatError`."""
    try:
        facts = probe(path)
        with av.open(f"file:{path.absolute()}", options=OPEN_OPTIONS) as container:
            rate = container.streams.video[0].average_rate
    except VideoError as error:
        raise FormatError(f"{path}: {error}") from None
    except Exception as error:  # damaged files also raise IndexError, AttributeError, … in the bindings
        raise FormatError(f"{path}: can't be opened ({error})") from None
    if not rate or not 0.1 <= float(rate) <= 1000:
        raise FormatError(f"{path}: its frame rate is unknown; convert it to a constant rate")
    if not 1 <= facts.frames <= MOST_FRAMES:
        raise FormatError(f"{path}: says that it has {facts.frames} frames; up to {MOST_FRAMES} are read. Convert it")
    return facts.frames, float(rate), (facts.width, facts.height)


def _names(where: Path, paths: Sequence[Path]) -> list[str]:
    """Return names without extension: the relative path, or the file's name for a path that leads elsewhere."""
    names = [
        path.stem if path.is_absolute() or ".." in path.parts else path.with_suffix("").as_posix() for path in paths
    ]
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise FormatError(f"{where}: two videos would have the name {twice[0]!r}; rename one")
    return names
