"""The pipeline: the order of the stages, from a batch of frames to what is said of each.

Owns the scenes of all cameras and their people's state; `forget` ends a camera's. All calls but `slot_format` come from
the one inference thread. Two copies from device to host a batch: the detections (the tracker runs on the host) and the
packed scores (docs/architecture.md, "The journey of a frame").
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from ring_buffers.state_bank import TrackKey
from stages.checkpoint import DEFAULT_WINDOW_STEPS, Checkpoint
from stages.detection.detections import PictureGroup
from stages.detection.detector import Detector
from stages.detection.slot_pictures import planes_for
from stages.device.device_memory import device_memory
from stages.device.halving import Halving, TooLargeError
from stages.device.plane_pictures import device_pictures
from stages.device.stage_timer import StageTimer
from stages.heads.action_states import ActionStates, WaveStep
from stages.heads.network import VisualInput
from stages.people.batch_steps import BatchSteps
from stages.people.people import SeenPerson, StepAnalysis
from stages.people.people_tracker import FramePeople, PeopleTracker
from stages.region_extractors import region_extractor
from stages.settings import PipelineSettings
from stages.step_scores import StepScores, joined, person_inputs, run_heads, score_actions
from stages.types import (
    Box,
    DeviceMemory,
    FrameAnalysis,
    Model,
    ModelInfo,
    ObjectAnalysis,
    PartAnalysis,
    PersonAnalysis,
)
from telemetry.observer import Observer

logger = logging.getLogger(__name__)

_WARM_SOURCE = (1280, 720)


def _box(corners: NDArray[np.float32]) -> Box:
    x1, y1, x2, y2 = corners.tolist()
    return (x1, y1, x2, y2)


def _objects(frame: FramePeople) -> list[ObjectAnalysis]:
    rows = zip(frame.objects.labels, frame.objects.boxes, frame.objects.scores, strict=True)
    return [ObjectAnalysis(label, _box(box), float(score), frame.detected) for label, box, score in rows]


def _window(wanted: int | None, checkpoint: Checkpoint) -> int:
    trained = checkpoint.window or DEFAULT_WINDOW_STEPS
    if wanted is not None and checkpoint.window and wanted != trained:
        logger.warning(
            "window.steps is %d, but checkpoint %s was trained with windows of %d steps: its answers may be worse; "
            "leave window.steps out to take the checkpoint's",
            wanted,
            checkpoint.sha256 or checkpoint.profile,
            trained,
        )
    return wanted or trained


class Pipeline(Model):
    """Implements `stages.types.Model` for any checkpoint, with a detector that sees what its network reads."""

    def __init__(
        self,
        detector: Detector,
        checkpoint: Checkpoint,
        settings: PipelineSettings | None = None,
        device: torch.device | str = "cpu",
        observer: Observer | None = None,
    ) -> None:
        """Detector and checkpoint lie on `device` already, whatever `settings.model.device` is.

        Raises `ValueError` where they don't fit together.
        """
        settings = settings or PipelineSettings()
        self._region_extractor = region_extractor(checkpoint, device)
        reads_keypoints = checkpoint.network.config.reads_geometry or (
            self._region_extractor is not None and self._region_extractor.needs_keypoints
        )
        if reads_keypoints and not detector.has_keypoints:
            raise ValueError("the checkpoint's network reads keypoints, and its detector finds none")
        self.info = ModelInfo(checkpoint.profile, checkpoint.sha256, checkpoint.trained)
        self._detector = detector
        self._network = checkpoint.network.eval()
        self._weights = (detector.network, checkpoint.features, checkpoint.network)
        self._parts = checkpoint.vocabulary.parts
        self._max_people = settings.model.max_people
        self._device = torch.device(device)
        where = settings.model.pictures
        if where == "auto":
            where = "device" if self._device.type == "cuda" else "host"
        self._format_of = planes_for(detector.slot_format) if where == "device" else detector.slot_format
        self._observer = observer or Observer()
        self._steps_at_once = Halving("steps", "people's steps", self._observer)
        self.window_steps = _window(settings.window.steps, checkpoint)
        """W, in steps."""
        thresholds = settings.thresholds(detector.default_thresholds)
        self._tracker = PeopleTracker(settings, thresholds, checkpoint.vocabulary, checkpoint.smoothing)
        self._states = ActionStates(
            self._network.action_lstm,
            settings.model.state_slots,
            self.window_steps,
            settings.window.mode,
            self._device,
            self._observer,
        )

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """The picture that the detector wants. Pure."""
        return self._format_of(source_size, detector_size)

    @torch.inference_mode()
    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Analyse a batch. An exception carries the attribute `stage`, and steps that weren't finished never were.

        `TooLargeError`: so many pictures don't fit into the device's memory, and nothing has changed.
        """
        metas = [lease.meta for lease in frames]
        timer = StageTimer(self._observer, self._device)
        try:
            try:
                with timer.stage("detection"):
                    found = self._detector.detect(frames, self._tracker.due(metas), self._max_people)
            except torch.OutOfMemoryError as error:
                raise TooLargeError from error
            with timer.stage("tracking", on_host=True):
                seen, steps = self._tracker.track(metas, found.frames)
            scores = None
            if len(steps):
                try:
                    scores = joined(
                        self._steps_at_once.run(
                            len(steps),
                            lambda start, stop: self._score(steps.part(start, stop), metas, found.groups, timer),
                        )
                    )
                finally:
                    steps.abandon()
            timer.finish()
            analyses = [self._analysis(frame, scores) for frame in seen]
            self._tracker.mark_reported(seen)
            return analyses
        finally:
            for key in self._tracker.take_ended():
                self._states.release(key)

    def _score(
        self, steps: BatchSteps, metas: Sequence[FrameMeta], groups: Sequence[PictureGroup], timer: StageTimer
    ) -> StepScores:
        """Run the learned stages. Raises `TooLargeError` if the steps don't fit, before any hidden state changes."""
        try:
            with timer.stage("geometry", on_host=True):
                inputs = person_inputs(steps, self._network, self._device)
            visual = None
            if self._region_extractor is not None:
                with timer.stage("roi_features"):
                    visual = self._region_extractor.extract(steps, metas, groups)
            outputs = run_heads(self._network, inputs, visual, timer)
        except torch.OutOfMemoryError as error:
            raise TooLargeError from error
        return score_actions(self._states, steps, outputs, timer)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """A made-up picture through the detector, and made-up people through everything learned."""
        self.rehearse(1, _WARM_SOURCE)
        config, parts = self._network.config, len(self._parts)
        for people in (1, 2, 4, 8):
            if self._region_extractor is not None:
                self._region_extractor.warm_up(people)
            outputs = self._network.forward_step(
                torch.zeros(people, parts, config.part_features, device=self._device),
                torch.zeros(people, config.context_features, device=self._device),
                torch.ones(people, parts, dtype=torch.bool, device=self._device),
                self._no_regions(people),
            )
            steps = [WaveStep(TrackKey("", 0, row), 0, row) for row in range(people)]
            self._states.waves(self._network.action_inputs(outputs.graph), [steps], lambda key: None)
            self._states.release_camera("")

    @torch.inference_mode()
    def rehearse(self, frames: int, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> None:
        """Detect in so many blank pictures of a source. Raises `TooLargeError` if they don't fit onto the device."""
        format = self.slot_format(source_size, detector_size)
        try:
            blank = torch.zeros((frames, *format.shape), dtype=torch.uint8, device=self._device)
            self._detector.warm_up(device_pictures(blank, format), format.content, self._max_people)
        except torch.OutOfMemoryError as error:
            raise TooLargeError from error

    def device_memory(self) -> DeviceMemory | None:
        """What the model takes of its device, and what is left; None on a CPU."""
        return device_memory(self._device, self._weights, self._states.nbytes)

    def forget(self, camera: str) -> None:
        """The camera is gone: its tracker, its people and their states."""
        self._tracker.forget(camera)
        self._states.release_camera(camera)

    @property
    def state_slots(self) -> int:
        """People whose state can be kept."""
        return self._states.bank.capacity

    @property
    def pinned_pictures(self) -> bool:
        """Whether pictures should lie in page-locked memory: the copy to a CUDA device is asynchronous only then."""
        return self._device.type == "cuda"

    @property
    def state_slots_used(self) -> int:
        """People whose state is kept now."""
        return self._states.bank.used

    def _no_regions(self, people: int) -> VisualInput | None:
        config = self._network.config
        if not config.visual:
            return None
        shape = (people, len(self._parts), config.visual_features)
        return VisualInput(
            torch.zeros(shape, device=self._device),
            torch.zeros(people, config.object_region_count, config.visual_features, device=self._device),
        )

    def _analysis(self, frame: FramePeople, scores: StepScores | None) -> FrameAnalysis:
        """What is said of one frame; frames come in order, so that a reading never reaches back."""
        people: list[PersonAnalysis] = []
        for seen in frame.seen:
            if seen.step is None or scores is None:
                self._states.bank.touch(seen.person.key)
                analysis = seen.person.analysis
            else:
                analysis = seen.person.update(
                    scores.actions[seen.step],
                    scores.relevance[seen.step],
                    scores.states[seen.step],
                    seen.present,
                    frame.meta.media_us,
                )
            people.append(self._person(seen, analysis))
        self._observer.people_seen(frame.meta.camera, len(people), frame.tracks)
        return FrameAnalysis(people, _objects(frame), frame.ended, frame.tracks)

    def _person(self, seen: SeenPerson, analysis: StepAnalysis | None) -> PersonAnalysis:
        parts = [
            PartAnalysis(
                part=part,
                box=_box(seen.boxes[row]),
                score=float(seen.scores[row]),
                relevance=float(analysis.relevance[row]) if analysis is not None else 0.0,
                states=list(analysis.active_states[row]) if analysis is not None else [],
            )
            for row, part in enumerate(self._parts)
            if seen.present[row]
        ]
        return PersonAnalysis(
            track=seen.tracked.track,
            box=_box(seen.tracked.box),
            score=seen.tracked.score,
            action=analysis.action if analysis is not None else None,
            parts=parts,
            detected=seen.tracked.detection >= 0,
        )
