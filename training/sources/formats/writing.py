"""Writing a source into a data folder: its `.npz`, and its entry in `sources.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from stages.whole_file import whole_file
from training.sources.formats.body import JOINTS, KEYPOINTS, PoseSequence, Recording, Span
from training.sources.formats.conversion import FPS
from training.sources.formats.labels import Labels
from training.sources.motion_clips import MOTION, POSES, UNKNOWN
from training.sources.sampling import USUAL_FPS
from training.sources.segmented_videos import VIDEO
from training.sources.terms import FILE, DataFolderError, read_sources

_ID = re.compile(r"[a-z0-9_]{1,60}")


@dataclass(slots=True)
class Tally:
    """What a source holds: clips, people (0 if unknown), frames, seconds, and by action (clips, seconds)."""

    clips: int = 0
    people: int = 0
    frames: int = 0
    seconds: float = 0.0
    actions: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, frames: int, rate: float, lasting: Mapping[str, int]) -> None:
        """Count one clip of `frames` frames at `rate` a second, in which actions are `lasting` some of them."""
        self.clips += 1
        self.frames += frames
        self.seconds += frames / rate
        for action, count in lasting.items():
            clips, before = self.actions.get(action, (0, 0.0))
            self.actions[action] = (clips + 1, before + count / rate)


def frames_of_actions(action: NDArray[np.int64], names: Sequence[str]) -> dict[str, int]:
    """Return the number of frames of each action that occurs. `action` [T]: indices of `names`, -1 unknown."""
    numbers, counts = np.unique(action, return_counts=True)
    return {names[int(number)]: int(count) for number, count in zip(numbers, counts, strict=True) if number != UNKNOWN}


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
    with np.errstate(over="ignore"):
        points = np.concatenate([recording.joints for recording in recordings]).astype(np.float16)
    if np.isinf(points).any():
        raise DataFolderError(f"{name}: joints are more than 65 km away; give the right --unit, or repair the files")
    spans = [[(span, labels.action(span.name)) for span in recording.spans] for recording in recordings]
    actions = labels.actions()
    marked = [_frame_labels(one.times, own, actions) for one, own in zip(recordings, spans, strict=True)]
    fields: dict[str, Any] = {"joints": points, "joint_names": np.array(JOINTS), "fps": np.float32(FPS)}
    rates = [FPS] * len(recordings)
    return _write_clips(target(folder, name, MOTION), fields, marked, actions, recordings, rates)


def write_poses(folder: Path, name: str, sequences: Sequence[PoseSequence], labels: Labels) -> Tally:
    """Write `pose2d/<name>.npz`. Raises `DataFolderError`."""
    units = {sequence.unit for sequence in sequences}
    if len(units) > 1:
        raise DataFolderError(f"files with different units can't be one source: {'; '.join(sorted(units))}")
    named = [labels.action(one.name) for one in sequences]
    actions = labels.actions()
    numbers = [actions.index(action) if action else UNKNOWN for action in named]
    marked = [np.full(len(one.keypoints), number) for one, number in zip(sequences, numbers, strict=True)]
    fields: dict[str, Any] = {
        "keypoints": np.concatenate([one.keypoints for one in sequences]),
        "keypoint_names": np.array(KEYPOINTS),
        "size": np.array([one.size for one in sequences], np.int32),
        "fps": np.array([one.fps for one in sequences], np.float32),
        "unit": np.array(units.pop()),
    }
    rates = [one.fps or USUAL_FPS for one in sequences]
    return _write_clips(target(folder, name, POSES), fields, marked, actions, sequences, rates)


def _frame_labels(
    times: NDArray[np.float64], spans: Sequence[tuple[Span, str]], actions: Sequence[str]
) -> NDArray[np.int64]:
    """Return the actions of a recording's frames; frames to which two actions are given are unknown."""
    frames = np.full(len(times), UNKNOWN)
    disputed = np.zeros(len(times), bool)
    for span, action in spans:
        if action:
            number = actions.index(action)
            inside = (times >= span.begin) & (times < span.end)
            disputed |= inside & (frames != UNKNOWN) & (frames != number)
            frames[inside] = number
    frames[disputed] = UNKNOWN
    return frames


def _write_clips(
    path: Path,
    fields: dict[str, Any],
    marked: Sequence[NDArray[np.int64]],
    actions: Sequence[str],
    clips: Sequence[Recording] | Sequence[PoseSequence],
    rates: Sequence[float],
) -> Tally:
    if len(actions) > np.iinfo(np.int8).max:
        raise DataFolderError(f"{path}: {len(actions)} actions are too many for one source")
    tally = Tally(people=len({one.person for one in clips} - {""}))
    whole: list[str] = []
    for frames, rate in zip(marked, rates, strict=True):
        lasting = frames_of_actions(frames, actions)
        tally.add(len(frames), rate, lasting)
        whole.append(next((action for action, count in lasting.items() if count == len(frames)), ""))
    content = {
        **fields,
        "start": np.cumsum([0, *map(len, marked)]).astype(np.int64),
        "label": np.array(whole),
        "text": np.array([one.text for one in clips]),
        "person": np.array([one.person for one in clips]),
        "frame_label": np.concatenate(marked).astype(np.int8),
        "frame_labels": np.array(actions),
    }
    replace_file(path, lambda file: np.savez_compressed(file, **content))
    return tally


def write_entry(
    folder: Path, name: str, kind: str, tally: Tally, mapping: Mapping[str, str], facts: Mapping[str, str]
) -> None:
    """Put a source's entry into `sources.json`; the other entries stay unchanged. Raises `DataFolderError`.

    `facts`: terms_class and conversion, and dataset, repository, commit and terms_text if they are known.
    """
    path = folder / FILE
    content: dict[str, Any] = {"sources": []}
    if path.exists():
        read_sources(folder)  # refuses a file that is not a list of sources
        content = json.loads(path.read_bytes())
    entry = {
        "id": name,
        "kind": kind,
        **{key: value for key, value in facts.items() if value},
        "files": [f"{kind}/{target(folder, name, kind).name}{'/' if kind == VIDEO else ''}"],
        "clips": tally.clips,
        "frames": tally.frames,
        "seconds": round(tally.seconds, 1),
        "people": str(tally.people or "not identified"),
        "mapping": dict(mapping),
        "actions": {
            name: {"clips": clips, "seconds": round(seconds, 1)} for name, (clips, seconds) in tally.actions.items()
        },
    }
    sources = {source["id"]: source for source in content["sources"]} | {name: entry}
    content["sources"] = list(sources.values())
    replace_file(path, lambda file: file.write(json.dumps(content, indent=1, ensure_ascii=False).encode()))


def replace_file(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file beside its place, then move it there. Raises `DataFolderError`."""
    try:
        with whole_file(path) as unfinished, unfinished.open("wb") as file:
            write(file)
    except OSError as error:
        raise DataFolderError(f"{path}: can't be written ({error.strerror or error})") from None
