"""Checking a data folder: what each source holds, and what is wrong or doubtful in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from training.sources.captured.bodies import check_joints
from training.sources.formats.body import JOINT, JOINTS
from training.sources.formats.conversion import toes_forward
from training.sources.formats.writing import Tally, frames_of_actions
from training.sources.motion_clips import MOTION, POSES, MotionClips, read_file
from training.sources.sampling import USUAL_FPS
from training.sources.segmented_videos import LABELS, VIDEO, frames_of_labels, read_labels
from training.sources.terms import DataFolderError, read_sources

LIMBS = tuple(
    (f"{side}_{near}", f"{side}_{far}")
    for side in "lr"
    for near, far in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
MOST_VARIATION, LEAST_FORWARD, MOST_MISSING = 0.10, 0.80, 0.05
"""Beyond these, a note is made: variation of limb lengths, share of toes in front, share of missing points."""
_FEWEST_KNOWN = 10
"""Frames from which a limb's variation is measured."""


@dataclass(slots=True)
class SourceReport:
    """One source of a data folder.

    `limb_variation`: standard deviation of a limb's length by its mean, 95th percentile over limbs and clips.
    `toes_forward`: share of frames, left and right. `missing`: share of missing points, without joints that the source
    lacks altogether. They are None where there is nothing to measure. `notes` are doubts.
    """

    id: str
    kind: str
    terms: str
    tally: Tally = field(default_factory=Tally)
    limb_variation: float | None = None
    toes_forward: tuple[float, float] | None = None
    missing: float | None = None
    lacks: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FolderReport:
    """The sources of a data folder, and its errors: what keeps a source from being used."""

    sources: Sequence[SourceReport]
    errors: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"sources": [asdict(source) for source in self.sources], "errors": list(self.errors)}


def is_data_folder(folder: Path) -> bool:
    """Return whether a folder has the layout of a data folder, with or without its `sources.json`."""
    return any((folder / name).exists() for name in ("sources.json", MOTION, POSES, VIDEO))


def check_folder(folder: Path, progress: Callable[[int, int], None] | None = None) -> FolderReport:
    """Read a whole data folder, except the videos' pictures, and report on every source.

    Raises `DataFolderError` if its `sources.json` cannot be read.
    """
    facts = read_sources(folder)
    places = [*sorted((folder / MOTION).glob("*.npz")), *sorted((folder / POSES).glob("*.npz"))]
    places += sorted(path for path in (folder / VIDEO).glob("*") if path.is_dir() and not path.name.startswith("."))
    sources: list[SourceReport] = []
    errors: list[str] = []
    for number, path in enumerate(places):
        name, kind = (path.name if path.parent.name == VIDEO else path.stem), path.parent.name
        if name not in facts:
            errors.append(f"{path}: has no entry in sources.json, so its terms are unknown and it is not used")
        report = SourceReport(name, kind, facts[name].terms if name in facts else "unknown")
        try:
            if kind == VIDEO:
                _check_videos(path, report)
            else:
                _check_clips(read_file(path), report)
            sources.append(report)
        except DataFolderError as error:
            errors.append(str(error))
        if progress is not None:
            progress(number + 1, len(places))
    there = {path.name if path.parent.name == VIDEO else path.stem for path in places}
    errors += [f"{folder}: sources.json names {name}, which has no file" for name in facts if name not in there]
    return FolderReport(sources, errors)


def _check_videos(path: Path, report: SourceReport) -> None:
    if not (path / LABELS).is_file():
        raise DataFolderError(f"{path}: has no {LABELS}")
    videos = read_labels(path / LABELS)
    report.tally = Tally(people=len({video.person for video in videos} - {""}))
    for video in videos:
        report.tally.add(video.frames, video.fps, frames_of_labels(video.segments))
    if not report.tally.actions:
        report.notes.append("no frame is labelled")


def _check_clips(clips: MotionClips, report: SourceReport) -> None:
    if report.kind == MOTION:
        check_joints(clips)
    report.tally = Tally(people=len(set(clips.person) - {""}))
    variations: list[float] = []
    forward: list[tuple[float, float]] = []
    whole_body = clips.names == JOINTS
    for clip in range(len(clips)):
        frames = clips.frames(clip)
        points, lasting = (
            clips.points[frames].astype(np.float32),
            frames_of_actions(clips.action[frames], clips.actions),
        )
        report.tally.add(len(points), float(clips.fps[clip]) or USUAL_FPS, lasting)
        if whole_body and report.kind == MOTION:
            variations += limb_variations(points)
            forward.append(toes_forward(points))
    known = ~np.isnan(clips.points[..., 0]) & ~np.isnan(clips.points[..., 1])
    lacking = known.sum(0) == 0
    report.lacks = tuple(name for name, lacks in zip(clips.names, lacking, strict=True) if lacks)
    report.missing = float(1 - known[:, ~lacking].mean()) if known.any() else 1.0
    if variations:
        report.limb_variation = float(np.percentile(variations, 95))
    weights = np.diff(clips.start).astype(np.float64)
    shares = np.array(forward).reshape(-1, 2)
    if len(shares) and np.isfinite(shares).any(0).all():
        left, right = (
            float(np.average(side[np.isfinite(side)], weights=weights[np.isfinite(side)])) for side in shares.T
        )
        report.toes_forward = (left, right)
    _note(report)
    if report.kind == MOTION and not whole_body:
        report.notes.append(f"its joints are not the {len(JOINTS)} of a data folder, so bodies were not checked")


def limb_variations(points: np.ndarray[Any, np.dtype[np.float32]]) -> list[float]:
    """Return, for each limb of a clip's joints [T, 20, 3], its length's standard deviation by its mean."""
    found: list[float] = []
    for near, far in LIMBS:
        length = np.linalg.norm(points[:, JOINT[near]] - points[:, JOINT[far]], axis=-1)
        length = length[np.isfinite(length)]
        if len(length) >= _FEWEST_KNOWN and length.mean() > 0:
            found.append(float(length.std() / length.mean()))
    return found


def _note(report: SourceReport) -> None:
    if not report.tally.actions:
        report.notes.append("no frame is labelled")
    if report.limb_variation is not None and report.limb_variation > MOST_VARIATION:
        report.notes.append(f"limb lengths vary by {report.limb_variation:.0%}: noisy joints")
    if report.toes_forward is not None and min(report.toes_forward) < LEAST_FORWARD:
        left, right = report.toes_forward
        words = "left and right may be exchanged" if max(left, right) < 0.5 else "feet are noisy, or sides exchanged"
        report.notes.append(f"toes are in front of the ankles in {left:.0%} (left) and {right:.0%} (right): {words}")
    if report.missing is not None and report.missing > MOST_MISSING:
        report.notes.append(f"{report.missing:.0%} of the points are missing")
