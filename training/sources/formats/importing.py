"""Importing a source: find its files, read and convert them, and write them into a data folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from training.sources.formats.body import PoseSequence, Recording, whole
from training.sources.formats.bvh import read_bvh
from training.sources.formats.conversion import FPS, Options, converted
from training.sources.formats.joint_names import JointMap, joints_of
from training.sources.formats.kinect import read_action_labels, read_msr_action3d, read_ntu, read_utkinect
from training.sources.formats.labels import Labels, Pairs, matched
from training.sources.formats.markers import read_markers
from training.sources.formats.matlab import read_jhmdb, read_penn
from training.sources.formats.reading import FormatError, check_name
from training.sources.formats.videos import LabelledVideo, read_action_folders, read_table, write_videos
from training.sources.formats.writing import (
    Tally,
    check_target,
    entry,
    stricter_terms,
    target,
    write_entry,
    write_motion,
    write_poses,
)
from training.sources.motion_clips import MOTION, POSES
from training.sources.segmented_videos import VIDEO
from training.sources.terms import Terms

KIND = {
    "bvh": MOTION,
    "ui-prmd": MOTION,
    "utkinect": MOTION,
    "msr-action3d": MOTION,
    "ntu": MOTION,
    "penn-action": POSES,
    "jhmdb": POSES,
    "videos": VIDEO,
    "folders": VIDEO,
}
"""The formats, and the part of a data folder that they go to."""
_FILES = {
    "bvh": r".*\.bvh",
    "ui-prmd": r".*_positions.*\.txt(\.gz)?",
    "utkinect": r"joints_.*\.txt",
    "msr-action3d": r".*_skeleton3D\.txt",
    "ntu": r".*\.skeleton",
    "penn-action": r".*\.mat",
    "jhmdb": r"joint_positions\.mat",
}
_MOST_FRAMES = 2_000_000
"""Frames read for one source: they are held in memory."""
_MOST_ERRORS = 5

Progress = Callable[[int, int], None]
Read = TypeVar("Read", PoseSequence, list[Recording])


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
    kind = KIND[request.format]
    check_target(request.out, request.id, kind, replace=request.replace)
    labels = Labels(request.pairs)
    notes: list[str] = []
    left_out: list[str] = []
    if kind == VIDEO:
        videos = _videos(request)
        people = [matched(request.person_from, video.path.as_posix()) for video in videos]
        if request.format == "folders":  # a new action may have any name
            names = sorted({video.rows[0].label for video in videos})
            labels = Labels(
                [*request.pairs, *((name, name) for name in names if re.fullmatch(r"[a-z][a-z0-9_]*", name))]
            )
        with stricter_terms(request.out, request.id, request.terms):
            tally = write_videos(
                request.out, request.id, videos, labels, in_frames=request.in_frames, copy=request.copy, people=people
            )
        conversion = "videos copied" if request.copy else "videos linked"
    elif kind == POSES:
        sequences = [sequence for _, sequence in _read(request, _pose_reader(request), left_out, progress)]
        with stricter_terms(request.out, request.id, request.terms):
            tally = write_poses(request.out, request.id, sequences, labels)
        conversion = f"read as {request.format}"
    else:
        read = [
            _named(request, path, recording, number)
            for path, several in _read(request, _motion_reader(request), left_out, progress)
            for number, recording in enumerate(several)
        ]
        done = converted(read, request.options)
        notes += done.notes
        with stricter_terms(request.out, request.id, request.terms):
            tally = write_motion(request.out, request.id, done.recordings, labels)
        conversion = "; ".join([f"read as {request.format}, 30 Hz, z up", *done.notes])
    made = entry(
        request.id,
        kind,
        tally,
        request.terms,
        mapping=labels.mapping(),
        conversion=conversion,
        **request.known,
    )
    write_entry(request.out, made)
    return Report(
        target(request.out, request.id, kind), tally, labels.mapping(), dict(labels.unlabelled), notes, left_out
    )


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
    for path in found:
        check_name(path)
    return list(dict.fromkeys(found))


def _read(
    request: Request, reader: Callable[[Path], Read], left_out: list[str], progress: Progress | None
) -> list[tuple[Path, Read]]:
    files = source_files(request.format, request.paths)
    read: list[tuple[Path, Read]] = []
    frames = 0
    for number, path in enumerate(files):
        try:
            found = reader(path)
        except FormatError as error:
            left_out.append(str(error))
            if not request.skip_errors and len(left_out) >= _MOST_ERRORS:
                break
            continue
        read.append((path, found))
        frames += len(found.keypoints) if isinstance(found, PoseSequence) else sum(map(_frames, found))
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


def _motion_reader(request: Request) -> Callable[[Path], list[Recording]]:
    if request.format == "bvh":

        def bvh(path: Path) -> list[Recording]:
            content = read_bvh(path)
            times = np.arange(len(content.motion), dtype=np.float64) * content.frame_s
            text = path.stem.replace("_", " ")
            return [Recording(text, times, joints_of(path, content, request.joints), whole(path.stem))]

        return bvh
    if request.format == "utkinect":
        given = None if request.action_labels is None else read_action_labels(request.action_labels)
        return lambda path: [read_utkinect(path, given)]
    if request.format == "ntu":
        return read_ntu
    single = read_markers if request.format == "ui-prmd" else read_msr_action3d
    return lambda path: [single(path)]


def _pose_reader(request: Request) -> Callable[[Path], PoseSequence]:
    single = read_penn if request.format == "penn-action" else read_jhmdb

    def read(path: Path) -> PoseSequence:
        found = single(path)
        where = path.as_posix()
        name = matched(request.name_from, where) or found.name
        return replace(found, name=name, person=matched(request.person_from, where), fps=request.fps)

    return read


def _named(request: Request, path: Path, recording: Recording, number: int) -> Recording:
    """Return a file's recording with the name and, for the first one, the person that the patterns find in its path."""
    where = path.as_posix()
    name = matched(request.name_from, where)
    spans = whole(name) if name else recording.spans
    return replace(recording, spans=spans, person="" if number else matched(request.person_from, where))


def _videos(request: Request) -> list[LabelledVideo]:
    if len(request.paths) != 1:
        what = "table of segments" if request.format == "videos" else "folder with a folder for each action"
        raise FormatError(f"give one {what}, not {len(request.paths)}")
    return read_table(request.paths[0]) if request.format == "videos" else read_action_folders(request.paths[0])
