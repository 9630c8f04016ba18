"""Who `bench paper` compares: the pipeline, a batch at a time, and the plain loop, a frame at a time.

Each owns its detector and its cameras' state; network and feature extractor are the checkpoint's and shared.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.cameras.footage import Footage
from benchmarks.paper.plain_paper import PlainFrame, PlainPaper
from benchmarks.paper.same_answers import ActingPerson, Boxes, Said
from ring_buffers.frames import Lease, SlotFormat
from stages.checkpoint import Checkpoint
from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.detection.finder import BatchFound, Finder, FoundInFrame
from stages.detection.region_classes import PERSON
from stages.detection.region_finder import PeopleWithRegions
from stages.pipeline import Pipeline
from stages.profiles import load_finder
from stages.settings import ModelSettings, PipelineSettings, ScoreThresholds
from stages.third_party.weights import WeightsError
from stages.types import FrameAnalysis
from telemetry.observer import Observer

SETTINGS = PipelineSettings(model=ModelSettings(pictures="host"))
"""Of both contenders: the plain loop reads pictures that were scaled on the host."""


class Contender(Protocol):
    """Runs over batches of frames. What it said is kept until `said` takes it."""

    name: str

    def prepare(self, step: int) -> Any:
        """Step `step` of every camera, as the contender takes frames; not timed."""
        ...

    def process(self, frames: Any) -> None:
        """What is timed."""
        ...

    def said(self) -> list[Said]:
        """Of all frames since it was last asked, in order."""
        ...


class RecordingFinder:
    """A finder that keeps what it found, without pictures and maps."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self.has_keypoints = finder.has_keypoints
        self.found: list[FoundInFrame] = []

    @property
    def detector(self) -> object:
        """The finder's."""
        return self._finder.detector

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """The finder's."""
        return self._finder.default_thresholds

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """The finder's."""
        return self._finder.slot_format(source_size, detector_size)

    def find(self, frames: Sequence[Lease], turns: Sequence[bool], max_people: int) -> BatchFound:
        """The finder's."""
        found = self._finder.find(frames, turns, max_people)
        self.found += [found.frames[index] for index in range(len(frames))]
        return found

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """The finder's."""
        self._finder.warm_up(pictures, content, max_people)


class OurPipeline:
    """The pipeline: all cameras' frames of a step in one batch."""

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        footage: Callable[[Pipeline], Footage],
        cameras: list[str],
        device: torch.device,
        observer: Observer | None = None,
    ) -> None:
        """`footage` is made for the pipeline. Raises `WeightsError` for a checkpoint whose detector finds no parts."""
        self.name = name
        self._finder = RecordingFinder(load_finder(checkpoint, device))
        if self._finder.has_keypoints:
            raise WeightsError(
                f"profile {checkpoint.profile}: its people are found by MoveNet; `bench paper` measures checkpoints "
                "with a detector of people and parts (docs/kinetics-tps.md), `bench model` any other"
            )
        self.pipeline = Pipeline(self._finder, checkpoint, SETTINGS, device, observer)
        self.footage = footage(self.pipeline)
        self.cameras = cameras
        self._parts = checkpoint.vocabulary.parts
        self._answers: list[FrameAnalysis] = []

    @property
    def thresholds(self) -> ScoreThresholds:
        """Thresholds in use."""
        return SETTINGS.thresholds(self._finder.default_thresholds)

    def prepare(self, step: int) -> list[Lease]:
        """Leases of pictures in memory."""
        return self.footage.batch(self.cameras, step)

    def process(self, frames: list[Lease]) -> None:
        """One batch."""
        self._answers += self.pipeline.process(frames)

    def said(self) -> list[Said]:
        """Boxes as the detector found them, people as they are published."""
        answers, found = self._answers, self._finder.found
        self._answers, self._finder.found = [], []
        return [Said(_boxes(regions, self._parts), _people(one)) for one, regions in zip(answers, found, strict=True)]


class PlainLoop:
    """The plain loop: one camera's frame after the other."""

    name = "plain loop"

    def __init__(self, checkpoint: Checkpoint, ours: OurPipeline, device: torch.device) -> None:
        """On the same pictures as `ours`."""
        self._plain = PlainPaper(checkpoint, SETTINGS, ours.thresholds, ours.pipeline.window_steps, device)
        self._ours = ours
        self._answers: list[PlainFrame] = []

    def prepare(self, step: int) -> list[tuple[Lease, NDArray[np.uint8]]]:
        """Pictures in BGR, without padding."""
        return [(lease, bgr_of(lease)) for lease in self._ours.prepare(step)]

    def process(self, frames: list[tuple[Lease, NDArray[np.uint8]]]) -> None:
        """Frame by frame."""
        for lease, picture in frames:
            meta = lease.meta
            self._answers.append(self._plain.frame(meta.camera, picture, meta.size, meta.media_us))

    def said(self) -> list[Said]:
        """As `OurPipeline.said`."""
        answers, self._answers = self._answers, []
        return [
            Said(
                Boxes(
                    np.array([region.box for region in frame.regions], np.float32).reshape(-1, 4),
                    np.array([region.score for region in frame.regions], np.float32),
                    [region.label for region in frame.regions],
                ),
                [ActingPerson(person.box, person.action) for person in frame.people],
            )
            for frame in answers
        ]

    def halves(self) -> tuple[float, float]:
        """Seconds of the last frames' detection, and of all that came after it."""
        return sum(frame.detection_s for frame in self._answers), sum(frame.people_s for frame in self._answers)


def bgr_of(lease: Lease) -> NDArray[np.uint8]:
    """The picture as OpenCV would give it, scaled for the detector. Raises `ValueError` for one that isn't RGB."""
    format = lease.meta.format
    if format.pixels != "rgb24":
        raise ValueError(f"the plain loop reads pictures in rgb24, not {format.pixels}")
    width, height = format.content
    return np.ascontiguousarray(lease.picture[:height, :width, ::-1])


def with_proposals(checkpoint: Checkpoint, count: int) -> Checkpoint:
    """The same checkpoint, whose detector looks at no more than so many places of a picture."""
    stored = checkpoint.detector
    if stored is None:
        raise WeightsError(f"profile {checkpoint.profile}: it has no detector whose proposals could be fewer")
    model: Any = copy.deepcopy(dict(stored.description.model))
    model["test_cfg"]["rpn"]["max_per_img"] = count
    fewer = StoredDetector(replace(stored.description, model=model), stored.tensors, stored.where)
    return replace(checkpoint, detector=fewer)


def proposals_of(checkpoint: Checkpoint) -> int:
    """How many places of a picture its detector looks at."""
    model: Mapping[str, Any] = checkpoint.detector.description.model if checkpoint.detector is not None else {}
    return int(model.get("test_cfg", {}).get("rpn", {}).get("max_per_img", 0))


def _boxes(found: FoundInFrame, parts: Sequence[str]) -> Boxes:
    assert isinstance(found, PeopleWithRegions)
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
