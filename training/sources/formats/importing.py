"""Importing a source: find its files, read and convert them, and write them into a data folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from training.sources.formats.body import FormatError, PoseSequence, Recording, whole
from training.sources.formats.bvh import JointMap, joints_of, read_bvh
from training.sources.formats.conversion import FPS, Options, converted
from training.sources.formats.kinect import read_action_labels, read_utkinect
from training.sources.formats.labels import Labels, Pairs, matched
from training.sources.formats.matlab import read_jhmdb, read_penn
from training.sources.formats.videos import LabelledVideo, read_action_folders, read_table, write_videos
from training.sources.formats.writing import (
    Tally,
    check_target,
    target,
    write_entry,
    write_motion,
    write_poses,
)
from training.sources.motion_clips import MOTION, POSES
from training.sources.segmented_videos import VIDEO
from training.sources.terms import Terms

_VIDEOS = ("videos", "folders")
_FILES = {
    "bvh": r".*\.bvh",
    "utkinect": r"joints_.*\.txt",
    "penn-action": r".*\.mat",
    "jhmdb": r"joint_positions\.mat",
}
FORMATS = (*_FILES, *_VIDEOS)
_MOST_FRAMES = 2_000_000
"""Frames read for one source: they are held in memory."""
_MOST_ERRORS = 5

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to import, and how. `paths` are files and folders; patterns are searched in a file's path.

    `skip_errors`: leave out files that cannot be read, instead of failing. `fps`: rate of 2-D sequences, 0 unknown.
    `in_frames`: a table's start and end are frames. `copy`: copy videos instead of linking to them.
    """

    format: str
    paths: tuple[Path, ...]
    out: Path
    id: str
    terms: Terms
    known: Mapping[str, str] = field(default_factory=dict)
    pairs: Pairs = ()
    person_from: re.Pattern[str] | None = None
    name_from: re.Pattern[str] | None = None
    options: Options = field(default_factory=Options)
    joints: JointMap = field(default_factory=dict)
    action_labels: Path | None = None
    fps: float = 0.0
    in_frames: bool = False
    copy: bool = False
    replace: bool = False
    skip_errors: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What was written where. `unlabelled`: clips by source's name without an action; `left_out`: errors of files."""

    path: Path
    tally: Tally
    mapping: Mapping[str, str]
    unlabelled: Mapping[str, int]
    notes: Sequence[str]
    left_out: Sequence[str]


def import_source(request: Request, progress: Progress | None = None) -> Report:
    """Import a source and return what was written.

    Raises `FormatError` for input that cannot be used, and `DataFolderError` if the data folder cannot be written.
    """
    kind = VIDEO if request.format in _VIDEOS else POSES if request.format in ("penn-action", "jhmdb") else MOTION
    check_target(request.out, request.id, kind, replace=request.replace)
    labels = Labels(request.pairs)
    notes: list[str] = []
    left_out: list[str] = []
    if kind == VIDEO:
        videos = _videos(request)
        people = [matched(request.person_from, video.path.as_posix()) for video in videos]
        if request.format == "folders":  # a new action may have any name
            names = sorted({video.rows[0].label for video in videos})
            new = [(name, name) for name in names if re.fullmatch(r"[a-z][a-z0-9_]*", name)]
            labels = Labels([*request.pairs, *new])
        tally = write_videos(
            request.out, request.id, videos, labels, in_frames=request.in_frames, copy=request.copy, people=people
        )
        conversion = "videos copied" if request.copy else "videos linked"
    elif kind == POSES:
        sequences = [one for one in _read(request, left_out, progress) if isinstance(one, PoseSequence)]
        tally = write_poses(request.out, request.id, sequences, labels)
        conversion = f"read as {request.format}"
    else:
        motion = [one for one in _read(request, left_out, progress) if isinstance(one, Recording)]
        recordings, notes = converted(motion, request.options)
        tally = write_motion(request.out, request.id, recordings, labels)
        conversion = "; ".join([f"read as {request.format}, 30 Hz, z up", *notes])
    path, mapping = target(request.out, request.id, kind), labels.mapping()
    facts = {**request.known, "terms_class": request.terms, "conversion": conversion}
    write_entry(request.out, request.id, kind, tally, mapping, facts)
    return Report(path, tally, mapping, labels.unlabelled, notes, left_out)


def source_files(format: str, paths: Sequence[Path]) -> list[Path]:
    """Return the files of a format among paths and in folders, in order of their names. Raises `FormatError`."""
    pattern = re.compile(_FILES[format], re.IGNORECASE)
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if pattern.fullmatch(one.name) and one.is_file())
            if not inside:
                raise FormatError(f"{path}: holds no file of the format {format} (names that fit {_FILES[format]})")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _read(request: Request, left_out: list[str], progress: Progress | None) -> list[Recording | PoseSequence]:
    reader, files = _reader(request), source_files(request.format, request.paths)
    read: list[Recording | PoseSequence] = []
    frames = 0
    for number, path in enumerate(files):
        try:
            found = reader(path)
        except FormatError as error:
            left_out.append(str(error))
            if not request.skip_errors and len(left_out) >= _MOST_ERRORS:
                break
            continue
        read.append(found)
        frames += len(found.keypoints) if isinstance(found, PoseSequence) else _frames(found)
        if frames > _MOST_FRAMES:
            raise FormatError(f"the files hold more than {_MOST_FRAMES} frames; import them as several sources")
        if progress is not None:
            progress(number + 1, len(files))
    if left_out and (not request.skip_errors or not read):
        advice = [] if request.skip_errors else ["--skip-errors leaves out files that can't be read"]
        raise FormatError("\n".join([*left_out[:_MOST_ERRORS], *advice]))
    return read


def _frames(recording: Recording) -> int:
    """Return a recording's frames, or those at 30 Hz if they are more: few frames far apart become many."""
    times = recording.times
    return max(len(times), int((times[-1] - times[0]) * FPS) + 1)


def _reader(request: Request) -> Callable[[Path], Recording | PoseSequence]:
    """Return what reads a file of the format, and takes a person and a name from its path."""

    def bvh(path: Path) -> Recording:
        content = read_bvh(path)
        times = np.arange(len(content.motion), dtype=np.float64) * content.frame_s
        joints = joints_of(path, content, request.joints)
        return Recording(path.stem.replace("_", " "), times, joints, whole(path.stem))

    given = None if request.action_labels is None else read_action_labels(request.action_labels)
    readers: dict[str, Callable[[Path], Recording | PoseSequence]] = {
        "bvh": bvh,
        "utkinect": lambda path: read_utkinect(path, given),
        "penn-action": read_penn,
        "jhmdb": read_jhmdb,
    }

    def read(path: Path) -> Recording | PoseSequence:
        found = readers[request.format](path)
        name, person = (matched(one, path.as_posix()) for one in (request.name_from, request.person_from))
        if isinstance(found, PoseSequence):
            return replace(found, name=name or found.name, person=person, fps=request.fps)
        return replace(found, spans=whole(name) if name else found.spans, person=person)

    return read


def _videos(request: Request) -> list[LabelledVideo]:
    if len(request.paths) != 1:
        what = "table of segments" if request.format == "videos" else "folder with a folder for each action"
        raise FormatError(f"give one {what}, not {len(request.paths)}")
    return read_table(request.paths[0]) if request.format == "videos" else read_action_folders(request.paths[0])
