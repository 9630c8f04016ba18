"""The pipeline: the order of the stages, from a batch of frames to one analysis per frame.

It holds the tracks of all cameras and the hidden states of their people until `forget` drops a camera. All calls but
`slot_format` come from the inference thread. A batch needs two device-to-host copies or more: the detections, because
the tracker runs on the host, and the packed scores (docs/architecture.md, "The path of a frame").
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from ring_buffers.state_bank import TrackKey
from stages.checkpoint import DEFAULT_WINDOW_STEPS, Checkpoint
from stages.detection.detections import BatchDetections, Detector, PictureGroup
from stages.detection.views.slot_pictures import planes_for, with_motion
from stages.device.halving import Halving, TooLargeError
from stages.device.stage_timer import StageTimer
from stages.ease_levels import FULL_QUALITY, SEARCH_VIEWS, EaseLevel, FurtherLooks, ease_levels
from stages.heads.action_states import ActionStates, WaveStep
from stages.heads.network import VisualInput
from stages.looks import Look
from stages.people.objects import Hand
from stages.people.people import BatchSteps, SeenPerson, StepAnalysis
from stages.people.people_tracker import FramePeople, PeopleTracker
from stages.region_extractors import VggRegionExtractor, region_extractor
from stages.settings import ModelSettings, PipelineSettings
from stages.step_scores import StepScores, joined, person_inputs, run_heads, score_actions
from stages.third_party.weights import WeightsError
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


def bytes_of(modules: Iterable[object]) -> int:
    """Return the bytes of the parameters and buffers of the networks among `modules`, counting shared ones once."""
    tensors = {
        tensor.data_ptr(): tensor.nbytes
        for module in modules
        if isinstance(module, nn.Module)
        for tensor in (*module.parameters(), *module.buffers())
    }
    return sum(tensors.values())


def device_memory(device: torch.device, modules: Iterable[object], states: int) -> DeviceMemory | None:
    """Return the memory of a CUDA device; None on a CPU. `states`: bytes of the hidden states of tracked people."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    # Memory that torch has reserved but not allocated is available for new tensors.
    available = free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    peak = torch.cuda.max_memory_allocated(device)
    return DeviceMemory(str(device), bytes_of(modules), states, peak, available, total)


logger = logging.getLogger(__name__)

WARM_SOURCE = (1280, 720)
"""Width and height of a source, for preparations before a camera's are known."""


def _box(corners: NDArray[np.float32]) -> Box:
    x1, y1, x2, y2 = corners.tolist()
    return (x1, y1, x2, y2)


def _objects(frame: FramePeople) -> list[ObjectAnalysis]:
    rows = zip(frame.objects.labels, frame.objects.boxes, frame.objects.scores, strict=True)
    return [ObjectAnalysis(label, _box(box), float(score), frame.objects_found) for label, box, score in rows]


def _is_finite(frame: FramePeople) -> bool:
    """Whether all boxes and scores of the detector are numbers."""
    arrays = [frame.objects.boxes, frame.objects.scores]
    for seen in frame.seen:
        arrays += [seen.boxes[seen.present], seen.scores[seen.present], seen.tracked.box]
    return all(np.isfinite(array).all() for array in arrays) and all(math.isfinite(s.tracked.score) for s in frame.seen)


def _window(setting: int | None, checkpoint: Checkpoint) -> int:
    trained = checkpoint.window or DEFAULT_WINDOW_STEPS
    if setting is not None and checkpoint.window and setting != trained:
        logger.warning(
            "window.steps is %d, but checkpoint %s was trained with windows of %d steps: accuracy may suffer; "
            "remove window.steps to use the checkpoint's window",
            setting,
            checkpoint.sha256 or checkpoint.profile,
            trained,
        )
    return setting or trained


def _further_looks(model: ModelSettings, looks_for_objects: bool, looks_again: bool) -> FurtherLooks:
    return FurtherLooks(
        1 / model.objects_s if looks_for_objects and model.objects_s else 0.0,
        model.second_looks if looks_again else 0.0,
        SEARCH_VIEWS / model.search_s if looks_again and model.search_s else 0.0,
    )


class Pipeline(Model):
    """A model from any checkpoint and a detector that provides what its network needs."""

    def __init__(
        self,
        detector: Detector,
        checkpoint: Checkpoint,
        settings: PipelineSettings | None = None,
        device: torch.device | str = "cpu",
        observer: Observer | None = None,
    ) -> None:
        """Detector and checkpoint must be on `device` already; `settings.model.device` is not read.

        Raises `ValueError` if they do not fit together.
        """
        settings = settings or PipelineSettings()
        self._region_extractor = region_extractor(checkpoint, device)
        needs_keypoints = checkpoint.network.config.reads_geometry or (
            self._region_extractor is not None and self._region_extractor.needs_keypoints
        )
        if needs_keypoints and not detector.has_keypoints:
            raise ValueError("the checkpoint's network needs keypoints, but its detector finds none")
        self.info = ModelInfo(checkpoint.profile, checkpoint.sha256, checkpoint.trained, checkpoint.experimental)
        self._detector = detector
        self._network = checkpoint.network.eval()
        self._weights = (*detector.networks, checkpoint.features, checkpoint.network)
        self._parts, self._actions = checkpoint.vocabulary.parts, checkpoint.vocabulary.actions
        self._max_people = settings.model.max_people
        self._detect_every = settings.model.detect_every
        self._device = torch.device(device)
        where = settings.model.pictures
        if where == "auto":
            where = "device" if self._device.type == "cuda" else "host"
        gated = settings.model.detection != "full"
        self._most_looks_per_second = settings.window.max_steps_per_second if gated else math.inf
        regions = gated and detector.sees_regions and not isinstance(self._region_extractor, VggRegionExtractor)
        looks_again = regions and detector.looks_again
        self._further_looks = _further_looks(settings.model, detector.looks_for_objects, looks_again)
        planes = where == "device" or regions
        self._format_of = planes_for(detector.slot_format) if planes else detector.slot_format
        side = settings.model.min_detector_side if planes else None
        self._ease_levels = ease_levels(settings.model.min_detections_per_second, side)
        self._level, self._spared = FULL_QUALITY, frozenset[str]()
        if gated:
            self._format_of = with_motion(self._format_of)
        self._observer = observer or Observer()
        self._frames_at_once = Halving("detection", "frames", self._observer)
        self._steps_at_once = Halving("steps", "people's steps", self._observer)
        self.window_steps = _window(settings.window.steps, checkpoint)
        """W, in steps."""
        thresholds = settings.thresholds(detector.default_thresholds)
        self._tracker = PeopleTracker(
            settings,
            thresholds,
            checkpoint.vocabulary,
            checkpoint.smoothing,
            regions,
            detector.looks_for_objects,
            looks_again,
            square_regions=self._device.type == "cuda",
        )
        self._states = ActionStates(
            self._network.action_lstm,
            settings.model.state_slots,
            self.window_steps,
            settings.window.mode,
            self._device,
            self._observer,
        )

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return the format of the pictures that the detector reads. Safe to call from any thread."""
        return self._format_of(source_size, detector_size)

    @torch.inference_mode()
    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Analyse a batch, as `Model.process`.

        An exception has the failed stage in its attribute `stage`; steps that were not finished are discarded.
        """
        frames = [self._eased(lease) for lease in frames]
        metas = [lease.meta for lease in frames]
        timer = StageTimer(self._observer, self._device)
        try:
            seen, steps, groups = self._people_of(frames, metas, timer)
            scores = None
            if len(steps):
                try:
                    scores = joined(
                        self._steps_at_once.run(
                            len(steps),
                            lambda start, stop: self._score(steps.part(start, stop), metas, groups, timer),
                        )
                    )
                finally:
                    steps.abandon()
            timer.finish()
            analyses = [self._analysis(frame, scores) for frame in seen]
            self._tracker.mark_reported([one for one, made in zip(seen, analyses, strict=True) if made.failed is None])
            return analyses
        finally:
            for key in self._tracker.take_ended():
                self._states.release(key)

    def needs_look(self, meta: FrameMeta, newest: bool = True) -> bool:
        """Whether the detector will look at this frame, as `Model.needs_look`."""
        return self._tracker.look_at(meta, self._tracker.last_look(meta.camera), newest).anything

    def _eased(self, lease: Lease) -> Lease:
        """Return the frame, with a format of smaller whole pictures if the ease level says so."""
        side, meta = self._level.longest_side, lease.meta
        if side is None or max(meta.format.content) <= side or meta.camera in self._spared:
            return lease
        smaller = self._detector.slot_format(meta.format.size, (side, side))
        format = dataclasses.replace(meta.format, content=smaller.content, target=smaller.size)
        return msgspec.structs.replace(lease, meta=msgspec.structs.replace(meta, format=format))

    def _detected(
        self, frames: Sequence[Lease], looks: Sequence[Look], timer: StageTimer, is_first: bool
    ) -> BatchDetections:
        """Detect in one wave. While nothing has changed, the engine is told if the frames don't fit into the memory."""

        def attempt(start: int, stop: int) -> BatchDetections:
            try:
                with timer.stage("detection"):
                    found = self._detector.detect(frames[start:stop], looks[start:stop], self._max_people)
            except torch.OutOfMemoryError as error:
                raise TooLargeError from error
            return found.of_frames(range(start, stop))

        if is_first:
            return attempt(0, len(frames))
        pieces = self._frames_at_once.run(len(frames), attempt)
        return BatchDetections(
            {index: found for piece in pieces for index, found in piece.frames.items()},
            [group for piece in pieces for group in piece.groups],
        )

    def _people_of(
        self, frames: Sequence[Lease], metas: Sequence[FrameMeta], timer: StageTimer
    ) -> tuple[list[FramePeople], BatchSteps, list[PictureGroup]]:
        """Detect and track, wave by wave. Raises `TooLargeError` if the first wave does not fit into the memory."""
        batch = self._tracker.begin(metas)
        groups: list[PictureGroup] = []
        try:
            for wave in batch.waves():
                looks = batch.looks(wave)
                found = self._detected([frames[index] for index in wave], looks, timer, is_first=wave[0] == 0)
                with timer.stage("tracking", on_host=True):
                    batch.track(wave, looks, found.frames)
                groups += found.of_frames(wave).groups
        except BaseException:
            batch.steps.abandon()
            raise
        return batch.people(), batch.steps, groups

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
        """Run the detector on a blank picture and the learned stages on made-up people.

        Raises `WeightsError` if the scores of these are no numbers, as with weights that are far too large.
        """
        self.rehearse(1, WARM_SOURCE)
        config, parts = self._network.config, len(self._parts)
        seeded = torch.Generator().manual_seed(0)

        def drawn(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=seeded).to(self._device)

        for people in (1, 2, 4, 8):
            if self._region_extractor is not None:
                self._region_extractor.warm_up(people)
            outputs = self._network.forward_step(
                drawn(people, parts, config.part_features),
                drawn(people, config.context_features),
                torch.ones(people, parts, dtype=torch.bool, device=self._device),
                self._blank_regions(people),
            )
            steps = [WaveStep(TrackKey("", 0, row), 0, row) for row in range(people)]
            groups = self._states.waves(self._network.action_inputs(outputs.graph), [steps], lambda key: None)
            self._states.release_camera("")
            tensors = [outputs.relevance, outputs.states, *(logits[:people] for logits, _ in groups)]
            if not all(bool(tensor.isfinite().all()) for tensor in tensors):
                raise WeightsError(
                    f"profile {self.info.profile}, weights {self.info.weights[:19]}…: its scores are NaN or infinite: "
                    "use another checkpoint"
                )

    @torch.inference_mode()
    def rehearse(self, frames: int, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> None:
        """Detect in `frames` blank pictures of a source. Raises `TooLargeError` if they do not fit into the memory."""
        format = self.slot_format(source_size, detector_size)
        try:
            width, height = format.target or format.size
            blank = torch.zeros(frames, height, width, 3, dtype=torch.uint8, device=self._device)
            self._detector.warm_up(blank, format.content, self._max_people)
        except torch.OutOfMemoryError as error:
            raise TooLargeError from error

    def device_memory(self) -> DeviceMemory | None:
        """Return the memory that the model uses on its device and what is free; None on a CPU."""
        return device_memory(self._device, self._weights, self._states.nbytes)

    def ease(self, level: int, spared: Collection[str] = ()) -> None:
        """Detect at most as often as the level permits, and in no larger pictures, except on the cameras `spared`."""
        self._level, self._spared = self._ease_levels[level], spared
        self._tracker.ease(self._level, spared)

    def ease_cost(self, level: int, frame_rates: Sequence[float]) -> float:
        """Return the cost of what the detector looks at in all cameras, which takes nearly all of the time."""
        rates = [self.detection_rate(level, rate) for rate in frame_rates]
        further = 0.0 if level else sum(self._further_looks.cost(rate) for rate in rates)
        return further + sum(self._ease_levels[level].cost(rate) for rate in rates)

    def detection_rate(self, level: int, frame_rate: float) -> float:
        """Return the detections per second that the settings and the level permit, as `Model.detection_rate`."""
        most = min(frame_rate / self._detect_every, self._most_looks_per_second)
        return self._ease_levels[level].detection_rate(most)

    @property
    def ease_levels(self) -> Sequence[EaseLevel]:
        """Full quality, and the levels within the settings' limits."""
        return self._ease_levels

    def forget(self, camera: str) -> None:
        """Drop a removed camera's tracker, people and hidden states."""
        self._tracker.forget(camera)
        self._states.release_camera(camera)

    @property
    def actions(self) -> Sequence[str]:
        """Names of the actions in the checkpoint's vocabulary."""
        return self._actions

    @property
    def state_slots(self) -> int:
        """Number of people whose hidden state can be kept."""
        return self._states.bank.capacity

    @property
    def pinned_pictures(self) -> bool:
        """Whether pictures should be in page-locked memory: only then are copies to a CUDA device asynchronous."""
        return self._device.type == "cuda"

    @property
    def state_slots_used(self) -> int:
        """Number of people whose hidden state is kept."""
        return self._states.bank.used

    def _blank_regions(self, people: int) -> VisualInput | None:
        config = self._network.config
        if not config.visual:
            return None
        shape = (people, len(self._parts), config.visual_features)
        return VisualInput(
            torch.zeros(shape, device=self._device),
            torch.zeros(people, config.object_region_count, config.visual_features, device=self._device),
        )

    def _analysis(self, frame: FramePeople, scores: StepScores | None) -> FrameAnalysis:
        """Return the analysis of one frame. Frames must be passed in order."""
        if (failed := self._failed_stage(frame, scores)) is not None:
            return FrameAnalysis(look=frame.look, tracks=frame.tracks, failed=failed)
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
            people.append(self._person(seen, analysis, frame.in_hands))
        self._observer.people_seen(frame.meta.camera, len(people), frame.tracks)
        return FrameAnalysis(people, _objects(frame), frame.ended, frame.tracks, frame.look)

    def _failed_stage(self, frame: FramePeople, scores: StepScores | None) -> str | None:
        """Return the stage that gave something other than numbers for this frame; None if none did.

        The hidden states and windows of people whose scores are not numbers start again.
        """
        failed = None if _is_finite(frame) else "detection"
        for seen in frame.seen:
            if seen.step is not None and scores is not None and (stage := scores.failed_stage(seen.step)) is not None:
                self._states.release(seen.person.key)
                seen.person.forget_steps()
                failed = failed or stage
        return failed

    def _person(self, seen: SeenPerson, analysis: StepAnalysis | None, in_hands: Mapping[Hand, str]) -> PersonAnalysis:
        parts = [
            PartAnalysis(
                part=part,
                box=_box(seen.boxes[row]),
                score=float(seen.scores[row]),
                relevance=float(analysis.relevance[row]) if analysis is not None else 0.0,
                states=list(analysis.active_states[row]) if analysis is not None else [],
                holds=in_hands.get((seen.tracked.track, row)),
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
