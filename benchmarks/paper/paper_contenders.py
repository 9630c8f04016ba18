"""Contenders of `bench paper`: the pipeline, which processes batches, and the plain loop, which processes frames.

Each has its own detector and camera states; both share the checkpoint's network and feature extractor.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.cameras.footage import Footage
from benchmarks.paper.answer_comparison import ActingPerson, Answer, Boxes
from benchmarks.paper.plain_pipeline import PlainFrame, PlainPipeline
from ring_buffers.frames import Lease, SlotFormat
from stages.checkpoint import Checkpoint
from stages.detection.detections import BatchDetections, FrameDetections
from stages.detection.detector import Detector
from stages.detection.regions.region_classes import PERSON
from stages.detection.regions.region_detector import RegionDetections
from stages.looks import Look
from stages.pipeline import Pipeline
from stages.profiles import load_detector
from stages.settings import ModelSettings, PipelineSettings, ScoreThresholds
from stages.third_party.weights import WeightsError
from stages.types import FrameAnalysis

SETTINGS = PipelineSettings(model=ModelSettings(pictures="host", detection="full"))
"""Settings of both contenders. The plain loop reads whole pictures scaled on the host."""


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
    """Wrapper of a detector that records its detections and its time, without pictures and feature maps."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.has_keypoints, self.sees_regions = detector.has_keypoints, detector.sees_regions
        self.looks_for_objects, self.networks = detector.looks_for_objects, detector.networks
        self.looks_again = detector.looks_again
        self.found: list[FrameDetections] = []
        self.seconds = 0.0

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """See the wrapped detector."""
        return self._detector.default_thresholds

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """See the wrapped detector."""
        return self._detector.slot_format(source_size, detector_size)

    def detect(self, frames: Sequence[Lease], looks: Sequence[Look], max_people: int) -> BatchDetections:
        """See the wrapped detector."""
        began = time.perf_counter()
        found = self._detector.detect(frames, looks, max_people)
        self.seconds += time.perf_counter() - began
        self.found += [found.frames[index] for index in range(len(frames))]
        return found

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """See the wrapped detector."""
        self._detector.warm_up(pictures, content, max_people)


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
        self.pipeline = Pipeline(self._detector, checkpoint, SETTINGS)
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
