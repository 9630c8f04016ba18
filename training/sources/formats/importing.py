"""Importing a source: find its files, read and convert them, and write them into a data folder; and what is known of
public sources."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from training.settings.run_config import RecordedConfig
from training.sources.formats.body import FormatError, PoseSequence, Recording, whole
from training.sources.formats.bvh import JointMap, joints_of, read_bvh
from training.sources.formats.conversion import Options, converted
from training.sources.formats.datasets import read_action_labels, read_jhmdb, read_penn, read_utkinect
from training.sources.formats.labels import Labels, Pairs, matched
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
from training.sources.terms import SourceFacts, Terms, permitted

_VIDEOS = ("videos", "folders")
_FILES = {
    "bvh": r".*\.bvh",
    "utkinect": r"joints_.*\.txt",
    "penn-action": r".*\.mat",
    "jhmdb": r"joint_positions\.mat",
}
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
    for number, path in enumerate(files):
        try:
            read.append(reader(path))
        except FormatError as error:
            left_out.append(str(error))
            if not request.skip_errors and len(left_out) >= _MOST_ERRORS:
                break
            continue
        if progress is not None:
            progress(number + 1, len(files))
    if left_out and (not request.skip_errors or not read):
        advice = [] if request.skip_errors else ["--skip-errors leaves out files that can't be read"]
        raise FormatError("\n".join([*left_out[:_MOST_ERRORS], *advice]))
    return read


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


PUBLIC_SOURCES = Path(__file__).with_name("public_sources.yaml")
"""What is known of public sources, for `partstream data import --like NAME`."""


@dataclass(frozen=True, slots=True)
class PublicSource:
    """A public data set: its format, terms and home, and how its files are named and converted.

    `person_from` and `name_from` are regular expressions on a file's path; `labels` are (pattern, action).
    `preparation`: what to do with the files of the home before the import, "" if they have the format already.
    """

    id: str
    format: str
    dataset: str
    home: str
    terms: Terms
    terms_text: str
    person_from: str | None = None
    name_from: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    options: Options = field(default_factory=Options)
    preparation: str = ""


def _source(content: dict[str, Any]) -> PublicSource:
    names = {"" if action == "-" else action: names.split() for action, names in content["labels"].items()}
    labels = tuple((name, action) for action, own in names.items() for name in own)
    return PublicSource(**{**content, "labels": labels, "options": Options(**content.get("options", {}))})


PUBLIC = {one["id"]: _source(one) for one in yaml.safe_load(PUBLIC_SOURCES.read_text(encoding="utf-8"))}


def missing_sources(config: RecordedConfig, present: Collection[str] = ()) -> list[PublicSource]:
    """Return the public sources that the configuration permits and that are not `present`, by name."""
    known = {name: SourceFacts(name, source.terms) for name, source in PUBLIC.items()}
    wanted = permitted(known, config.terms, config.also, config.without)
    return [PUBLIC[name] for name in sorted(wanted) if name not in present]
