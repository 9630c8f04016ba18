"""Writing a source into a data folder: its `.npz`, and its entry in `sources.json`."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.body import JOINTS, KEYPOINTS, PoseSequence, Recording
from training.sources.formats.conversion import FPS
from training.sources.formats.labels import Labels
from training.sources.motion_clips import MOTION, POSES, UNKNOWN
from training.sources.sampling import USUAL_FPS
from training.sources.segmented_videos import VIDEO
from training.sources.terms import FILE, DataFolderError, Terms, read_sources

_ID = re.compile(r"[a-z0-9_]{1,60}")
_STRICTNESS = ("open", "none-stated", "research", "nc")


@dataclass(slots=True)
class Tally:
    """What a source holds: clips, people (0 if unknown), frames, seconds, and by action (clips, seconds)."""

    clips: int = 0
    people: int = 0
    frames: int = 0
    seconds: float = 0.0
    actions: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, action: str, seconds: float) -> None:
        """Count one clip's seconds of an action."""
        clips, before = self.actions.get(action, (0, 0.0))
        self.actions[action] = (clips + 1, before + seconds)


def check_target(folder: Path, name: str, kind: str, *, replace: bool) -> None:
    """Raise `DataFolderError` if a source with this name must not be written."""
    if not _ID.fullmatch(name):
        raise DataFolderError(f"--id {name[:80]!r} must be lower-case letters, digits and _")
    if folder.exists() and not folder.is_dir():
        raise DataFolderError(f"{folder}: is not a folder")
    known = read_sources(folder) if (folder / FILE).exists() else {}
    elsewhere = [other for other in (MOTION, POSES, VIDEO) if other != kind and target(folder, name, other).exists()]
    if elsewhere:
        raise DataFolderError(f"{folder}: has a source {name} in {elsewhere[0]}; choose another --id")
    if (name in known or target(folder, name, kind).exists()) and not replace:
        raise DataFolderError(f"{folder}: already has a source {name}; --replace overwrites it")


def target(folder: Path, name: str, kind: str) -> Path:
    """Return the file of a source, or its folder if it has videos."""
    return folder / kind / (name if kind == VIDEO else f"{name}.npz")


def write_motion(folder: Path, name: str, recordings: Sequence[Recording], labels: Labels) -> Tally:
    """Write `motion3d/<name>.npz` of recordings at 30 Hz, in metres with z up. Raises `DataFolderError`."""
    marked = [_frame_labels(recording, labels) for recording in recordings]
    with np.errstate(over="ignore"):
        points = np.concatenate([recording.joints for recording in recordings]).astype(np.float16)
    if np.isinf(points).any():
        raise DataFolderError(f"{name}: joints are more than 65 km away; give the right --unit, or repair the files")
    people = [recording.person for recording in recordings]
    rates = [FPS] * len(recordings)
    fields: dict[str, Any] = {"joints": points, "joint_names": np.array(JOINTS), "fps": np.float32(FPS)}
    texts = [recording.text for recording in recordings]
    return _write_clips(target(folder, name, MOTION), fields, marked, texts, people, rates, labels)


def write_poses(folder: Path, name: str, sequences: Sequence[PoseSequence], labels: Labels) -> Tally:
    """Write `pose2d/<name>.npz`. Raises `DataFolderError`."""
    units = {sequence.unit for sequence in sequences}
    if len(units) > 1:
        raise DataFolderError(f"files with different units can't be one source: {'; '.join(sorted(units))}")
    marked: list[Marked] = []
    for one in sequences:
        action = labels.action(one.name)
        marked.append(Marked(np.full(len(one.keypoints), _index(labels, action), np.int64), action))
    fields: dict[str, Any] = {
        "keypoints": np.concatenate([one.keypoints for one in sequences]),
        "keypoint_names": np.array(KEYPOINTS),
        "size": np.array([one.size for one in sequences], np.int32),
        "fps": np.array([one.fps for one in sequences], np.float32),
        "unit": np.array(units.pop()),
    }
    rates = [one.fps or USUAL_FPS for one in sequences]
    people = [one.person for one in sequences]
    texts = [one.text for one in sequences]
    return _write_clips(target(folder, name, POSES), fields, marked, texts, people, rates, labels)


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """The action of each frame of a clip, numbered in the order in which they were first asked for, and the clip's."""

    frames: NDArray[np.int64]
    clip: str


def _index(labels: Labels, action: str) -> int:
    return labels.number(action) if action else UNKNOWN


def _frame_labels(recording: Recording, labels: Labels) -> Marked:
    """Return the actions of a recording's frames; frames to which two actions are given are unknown."""
    frames = np.full(len(recording.times), UNKNOWN, np.int64)
    disputed = np.zeros(len(frames), bool)
    for span in recording.spans:
        number = _index(labels, labels.action(span.name))
        inside = (recording.times >= span.begin) & (recording.times < span.end)
        if number == UNKNOWN:
            continue
        disputed |= inside & (frames != UNKNOWN) & (frames != number)
        frames[inside] = number
    frames[disputed] = UNKNOWN
    first = int(frames[0])
    same = first != UNKNOWN and bool((frames == first).all())
    return Marked(frames, labels.named(first) if same else "")


def _write_clips(
    path: Path,
    fields: dict[str, Any],
    marked: Sequence[Marked],
    texts: Sequence[str],
    people: Sequence[str],
    rates: Sequence[float],
    labels: Labels,
) -> Tally:
    actions = labels.actions()
    if len(actions) > np.iinfo(np.int8).max:
        raise DataFolderError(f"{path}: {len(actions)} actions are too many for one source")
    # `Labels` numbers actions as they come; the file has the 24 first.
    order = np.array([actions.index(name) for name in labels.order] + [UNKNOWN])
    frame_label = order[np.concatenate([one.frames for one in marked])]
    tally = Tally(len(marked), len(set(people) - {""}), len(frame_label))
    for one, rate in zip(marked, rates, strict=True):
        tally.seconds += len(one.frames) / rate
        for number, count in zip(*np.unique(one.frames, return_counts=True), strict=True):
            if number != UNKNOWN:
                tally.add(labels.named(int(number)), float(count) / rate)
    start = np.cumsum([0, *(len(one.frames) for one in marked)]).astype(np.int64)
    content = {
        **fields,
        "start": start,
        "label": np.array([one.clip for one in marked]),
        "text": np.array(texts),
        "person": np.array(people),
        "frame_label": frame_label.astype(np.int8),
        "frame_labels": np.array(actions),
    }
    replace_file(path, lambda file: np.savez_compressed(file, **content))
    return tally


def write_entry(folder: Path, entry: Mapping[str, Any]) -> None:
    """Put a source's entry into `sources.json`; the other entries stay unchanged. Raises `DataFolderError`."""
    path = folder / FILE
    content: dict[str, Any] = {"sources": []}
    if path.exists():
        read_sources(folder)  # refuses a file that is not a list of sources
        content = json.loads(path.read_bytes())
    places = [number for number, source in enumerate(content["sources"]) if source["id"] == entry["id"]]
    if places:
        content["sources"][places[0]] = dict(entry)
    else:
        content["sources"].append(dict(entry))
    replace_file(path, lambda file: file.write(json.dumps(content, indent=1, ensure_ascii=False).encode()))


@contextmanager
def stricter_terms(folder: Path, name: str, terms: Terms) -> Generator[None]:
    """Give the entry of a source stricter terms before its content is replaced, and take them back if that fails.

    Without it, a disk that is full after the content would leave new content under the old terms. Raises
    `DataFolderError`.
    """
    known = read_sources(folder).get(name) if (folder / FILE).exists() else None
    if known is None or _STRICTNESS.index(terms) <= _STRICTNESS.index(known.terms):
        yield
        return
    listed = json.loads((folder / FILE).read_bytes())["sources"]
    earlier = next(source for source in listed if source["id"] == name)
    write_entry(folder, {**earlier, "terms_class": terms})
    try:
        yield
    except BaseException:
        write_entry(folder, earlier)
        raise


def entry(
    name: str,
    kind: str,
    tally: Tally,
    terms: Terms,
    *,
    mapping: Mapping[str, str],
    conversion: str,
    **known: str,
) -> dict[str, Any]:
    """Return a source's entry for `sources.json`. `known`: dataset, repository, commit, terms_text."""
    file = f"{kind}/{name}/" if kind == VIDEO else f"{kind}/{name}.npz"
    return {
        "id": name,
        "kind": kind,
        **{key: value for key, value in known.items() if value},
        "terms_class": terms,
        "files": [file],
        "clips": tally.clips,
        "frames": tally.frames,
        "seconds": round(tally.seconds, 1),
        "people": str(tally.people or "not identified"),
        "conversion": conversion,
        "mapping": dict(mapping),
        "actions": {
            name: {"clips": clips, "seconds": round(seconds, 1)} for name, (clips, seconds) in tally.actions.items()
        },
    }


def replace_file(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file beside its place, then move it there, so that no reader sees a part of it.

    Raises `DataFolderError`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataFolderError(f"{path}: can't be written ({error.strerror or error})") from None
