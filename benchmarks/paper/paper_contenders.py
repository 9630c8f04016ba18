"""Contenders of `bench paper`: the pipeline, which processes batches, and the plain loop, which processes frames.

Each has its own detector and camera states; both share the checkpoint's network and feature extractor. A ratio of times
is meaningful only if their answers agree; otherwise `Comparison.incomparable` gives the reason.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.cameras.footage import Footage
from benchmarks.paper.plain_pipeline import PlainFrame, PlainPipeline
from ring_buffers.frames import Lease
from stages.checkpoint import Checkpoint
from stages.detection.detections import BatchDetections, Detector, FrameDetections
from stages.detection.region_detector import PERSON, RegionDetections
from stages.looks import Look
from stages.pipeline import Pipeline
from stages.profiles import load_detector
from stages.settings import ModelSettings, PipelineSettings, ScoreThresholds
from stages.third_party.weights import WeightsError
from stages.types import FrameAnalysis

MIN_SCORE = 0.3
"""Boxes with lower scores are not compared."""
MIN_IOU = 0.9
MIN_BOXES = 500
MIN_SHARE = 0.99
SETTINGS = PipelineSettings(model=ModelSettings(pictures="host", detection="full"))
"""Settings of both contenders. The plain loop reads whole pictures scaled on the host."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """n boxes of a frame: float32 [n, 4] x1, y1, x2, y2; scores float32 [n]; n labels."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class ActingPerson:
    """Box and action of a person in a frame; the action is None before the first step."""

    box: Sequence[float]
    action: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A contender's answer for a frame."""

    found: Boxes
    people: Sequence[ActingPerson]


@dataclass(slots=True)
class Comparison:
    """Counts of the comparison of our answers with theirs.

    `boxes` and `their_boxes` have scores of at least `MIN_SCORE`; `matched` and `their_matched` of them have a match
    among all boxes of the other contender.
    """

    frames: int = 0
    boxes: int = 0
    matched: int = 0
    their_boxes: int = 0
    their_matched: int = 0
    people: int = 0
    same_people: int = 0
    same_actions: int = 0

    def add(self, ours: Answer, theirs: Answer, least_iou: float = MIN_IOU) -> None:
        """Add a frame."""
        self.frames += 1
        boxes, matched = matched_boxes(ours.found, theirs.found, least_iou)
        their_boxes, their_matched = matched_boxes(theirs.found, ours.found, least_iou)
        self.boxes, self.matched = self.boxes + boxes, self.matched + matched
        self.their_boxes, self.their_matched = self.their_boxes + their_boxes, self.their_matched + their_matched
        self.people += len(ours.people)
        left = list(theirs.people)
        for person in ours.people:
            ious = [_iou(np.array(person.box), np.array(other.box)) for other in left]
            if ious and max(ious) >= least_iou:
                other = left.pop(int(np.argmax(ious)))
                self.same_people += 1
                self.same_actions += person.action == other.action

    @property
    def share(self) -> float:
        """Share of matched boxes, of ours or of theirs, whichever is lower; 0 without boxes."""
        of_ours = self.matched / self.boxes if self.boxes else 0.0
        return min(of_ours, self.their_matched / self.their_boxes if self.their_boxes else 0.0)

    @property
    def incomparable(self) -> str | None:
        """Why a ratio of times would be meaningless; None if the times can be compared."""
        if self.boxes < MIN_BOXES:
            return f"{self.boxes} boxes have scores of {MIN_SCORE} or more, {MIN_BOXES} are needed"
        if self.share < MIN_SHARE:
            return f"{self.share:.2%} of the boxes match, {MIN_SHARE:.0%} are needed"
        return None

    def as_json(self) -> dict[str, Any]:
        """Return counts and shares."""
        return asdict(self) | {"share": self.share, "incomparable": self.incomparable}


def matched_boxes(boxes: Boxes, others: Boxes, least_iou: float) -> tuple[int, int]:
    """Return the number of boxes with scores of at least `MIN_SCORE`, and the number of those with a match.

    Boxes are matched one to one with others of the same label, those with the best scores first. The other boxes may
    have lower scores, because one just below the limit would otherwise count as missing.
    """
    free: dict[str, list[int]] = {label: [] for label in boxes.labels}
    for other, label in enumerate(others.labels):
        free.setdefault(label, []).append(other)
    order: list[int] = np.argsort(-boxes.scores, kind="stable").tolist()
    good = [row for row in order if boxes.scores[row] >= MIN_SCORE]
    matched = 0
    for row in good:
        candidates = free[boxes.labels[row]]
        ious = [_iou(boxes.boxes[row], others.boxes[other]) for other in candidates]
        if ious and max(ious) >= least_iou:
            candidates.pop(int(np.argmax(ious)))
            matched += 1
    return len(good), matched


def _iou(one: NDArray[Any], other: NDArray[Any]) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = float(np.maximum(sides, 0).prod())
    union = float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()) - both
    return both / union if union > 0 else 0.0


class Contender(Protocol):
    """Processes batches of frames, and keeps its answers until `take_answers`."""

    def prepare(self, step: int) -> Any:
        """Return frame `step` of each camera in the contender's format; not timed."""
        ...

    def process(self, frames: Any) -> None:
        """Process a batch; this is timed."""
        ...

    def take_detection_s(self) -> float:
        """Return the seconds of detection since the last call."""
        ...

    def take_answers(self) -> list[Answer]:
        """Return the answers for all frames since the last call, in order."""
        ...


class RecordingDetector:
    """A detector that records its detections, without pictures and feature maps, and its time."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.found: list[FrameDetections] = []
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def detect(self, frames: Sequence[Lease], looks: Sequence[Look], max_people: int) -> BatchDetections:
        """Return the detections, and record them."""
        began = time.perf_counter()
        found = self._detector.detect(frames, looks, max_people)
        self.seconds += time.perf_counter() - began
        self.found += [found.frames[index] for index in range(len(frames))]
        return found


class OurPipeline:
    """The pipeline, with the frames of all cameras in one batch."""

    def __init__(self, checkpoint: Checkpoint, video: Path, pictures: int, cameras: list[str]) -> None:
        """Frames are the first `pictures` of the video. Raises `WeightsError` if the detector detects no parts."""
        self._detector = RecordingDetector(load_detector(checkpoint))
        if self._detector.has_keypoints:
            raise WeightsError(
                f"profile {checkpoint.profile} detects people with MoveNet. `bench paper` measures checkpoints with a "
                "detector of people and parts (docs/kinetics-tps.md); use `bench model` for others"
            )
        self.pipeline = Pipeline(cast("Detector", self._detector), checkpoint, SETTINGS)
        self.footage = Footage(video, self.pipeline, pictures, None)
        self.cameras = cameras
        self._parts = checkpoint.vocabulary.parts
        self._answers: list[FrameAnalysis] = []

    @property
    def thresholds(self) -> ScoreThresholds:
        """Thresholds of the detector and the settings."""
        return SETTINGS.thresholds(self._detector.default_thresholds)

    def prepare(self, step: int) -> list[Lease]:
        """Return leases of pictures in memory."""
        return self.footage.batch(self.cameras, step)

    def process(self, frames: list[Lease]) -> None:
        """Process a batch."""
        self._answers += self.pipeline.process(frames)

    def take_detection_s(self) -> float:
        """Return the seconds of detection since the last call."""
        seconds, self._detector.seconds = self._detector.seconds, 0.0
        return seconds

    def take_answers(self) -> list[Answer]:
        """Return detected boxes and published people of each frame."""
        answers, found = self._answers, self._detector.found
        self._answers, self._detector.found = [], []
        return [Answer(_boxes(regions, self._parts), _people(one)) for one, regions in zip(answers, found, strict=True)]


class PlainLoop:
    """The plain loop, which processes frames one by one."""

    def __init__(self, checkpoint: Checkpoint, ours: OurPipeline) -> None:
        """`ours` supplies the frames."""
        self._plain = PlainPipeline(checkpoint, SETTINGS, ours.thresholds, ours.pipeline.window_steps)
        self._ours = ours
        self._answers: list[PlainFrame] = []

    def prepare(self, step: int) -> list[tuple[Lease, NDArray[np.uint8]]]:
        """Return leases with their pictures in BGR, without padding."""
        return [(lease, bgr_of(lease)) for lease in self._ours.prepare(step)]

    def process(self, frames: list[tuple[Lease, NDArray[np.uint8]]]) -> None:
        """Process the frames one by one."""
        for lease, picture in frames:
            meta = lease.meta
            self._answers.append(self._plain.frame(meta.camera, picture, meta.size, meta.media_us))

    def take_answers(self) -> list[Answer]:
        """Return detected boxes and people of each frame."""
        answers, self._answers = self._answers, []
        return [
            Answer(
                Boxes(
                    np.array([region.box for region in frame.regions], np.float32).reshape(-1, 4),
                    np.array([region.score for region in frame.regions], np.float32),
                    [region.label for region in frame.regions],
                ),
                [ActingPerson(person.box, person.action) for person in frame.people],
            )
            for frame in answers
        ]

    def take_detection_s(self) -> float:
        """Return the seconds of detection, of the frames since `take_answers`."""
        return sum(frame.detection_s for frame in self._answers)


def bgr_of(lease: Lease) -> NDArray[np.uint8]:
    """Return the picture in BGR, scaled for the detector. Raises `ValueError` if it is not RGB."""
    format = lease.meta.format
    if format.pixels != "rgb24":
        raise ValueError(f"the plain loop requires rgb24 pictures, not {format.pixels}")
    width, height = format.content
    return np.ascontiguousarray(lease.picture[:height, :width, ::-1])


def _boxes(found: FrameDetections, parts: Sequence[str]) -> Boxes:
    assert isinstance(found, RegionDetections)
    there = found.part_scores > 0
    labels = [PERSON] * len(found.scores)
    labels += [part for part, count in zip(parts, there.sum(1), strict=True) for _ in range(count)]
    return Boxes(
        np.concatenate((found.boxes, found.part_boxes[there], found.objects.boxes)),
        np.concatenate((found.scores, found.part_scores[there], found.objects.scores)),
        [*labels, *found.objects.labels],
    )


def _people(analysis: FrameAnalysis) -> list[ActingPerson]:
    return [ActingPerson(person.box, person.action and person.action.label) for person in analysis.people]
