"""Plain implementation of the paper's system, with which `bench paper` compares the pipeline.

It loops over frames, calls mmdet's `inference_detector` for each, and then processes person by person. It is efficient
for such a loop: it records no gradients, builds mmdet's picture pipeline once, runs the trunk once per frame with
people, and skips absent parts. Weights, configuration, thresholds, tracker, window and precision are the pipeline's.
Labels are not smoothed. Parts and held objects are assigned by the rules of
`stages.detection.region_detector` and `stages.people.objects`, as plain loops over lists.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ring_buffers.state_bank import MAX_STEP_US
from ring_buffers.window import StaggeredWindow
from stages.checkpoint import Checkpoint
from stages.detection.cascade_rcnn.cascade_rcnn import MAX_OBJECTS
from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.detection.region_detector import MIN_CONTAINED, PERSON
from stages.heads.network import ActionNetwork, VisualInput
from stages.people.objects import HAND_REACH
from stages.people.tracking import CameraTracker
from stages.region_features.vgg_features import STRIDE, VggFeatures, normalised, scaled, scaled_size
from stages.settings import PipelineSettings, ScoreThresholds

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2."""
HANDS = ("left_hand", "right_hand")


class Region(NamedTuple):
    """A detected box."""

    box: Box
    score: float
    label: str


@dataclass(frozen=True, slots=True)
class PlainPerson:
    """A confirmed track in a frame. `actions` are probabilities; `relevance` and `states` are by part."""

    track: int
    box: Box
    action: str
    actions: list[float]
    parts: dict[str, Region]
    relevance: dict[str, float]
    states: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class PlainFrame:
    """Answer for a frame, with boxes in pixels of the camera's pictures, and the times of detection and of the rest."""

    people: list[PlainPerson]
    regions: list[Region]
    detection_s: float
    people_s: float


@dataclass(slots=True)
class PersonState:
    """The two LSTM states of a person in the staggered window; `tensors` as `StateBank.gather`, for one person."""

    tensors: tuple[Tensor, ...]
    steps: int = 0
    last_us: int | None = None


@dataclass(slots=True)
class PlainCamera:
    """Tracker and person states of a camera."""

    tracker: CameraTracker
    states: dict[int, PersonState] = field(default_factory=dict[int, PersonState])


class PlainPipeline:
    """Processes single frames. The LSTM steps on each frame, so cameras may send at most 12.5 per second."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: PipelineSettings,
        thresholds: ScoreThresholds,
        window: int,
    ) -> None:
        """`checkpoint` must be on the CPU. Raises `ValueError` if it has no detector or no feature extractor."""
        if checkpoint.detector is None or checkpoint.features is None:
            raise ValueError("the checkpoint has no detector or no feature extractor")
        self._network: ActionNetwork = checkpoint.network.eval()
        self._extractor: VggFeatures = checkpoint.features.eval()
        self._detector = _mmdet_model(checkpoint.detector)
        self._pictures = _picture_pipeline(checkpoint.detector.description.scale)
        self._classes = checkpoint.detector.description.classes
        self._vocabulary = checkpoint.vocabulary
        self._settings, self._thresholds = settings, thresholds
        self._window = StaggeredWindow(window)
        self._cameras: dict[str, PlainCamera] = {}

    @torch.inference_mode()
    def frame(self, camera: str, picture: NDArray[np.uint8], size: tuple[int, int], media_us: int) -> PlainFrame:
        """Return the answer for a `picture` [height, width, 3] in BGR, scaled for the detector.

        Boxes are in pixels of `size` (width, height).
        """
        began = time.perf_counter()
        regions = self._detect(picture, size)
        detected = time.perf_counter()
        people = self._people(camera, picture, size, media_us, regions)
        return PlainFrame(people, regions, detected - began, time.perf_counter() - detected)

    def _detect(self, picture: NDArray[np.uint8], size: tuple[int, int]) -> list[Region]:
        from mmdet.apis import inference_detector

        found: Any = inference_detector(self._detector, picture, test_pipeline=self._pictures)
        instances = found.pred_instances
        height, width = picture.shape[:2]
        boxes = instances.bboxes.cpu().numpy() * np.array([size[0] / width, size[1] / height] * 2, np.float32)
        rows = zip(boxes.tolist(), instances.scores.tolist(), instances.labels.tolist(), strict=True)
        return [Region((x1, y1, x2, y2), score, self._classes[label]) for (x1, y1, x2, y2), score, label in rows]

    def _people(
        self, name: str, picture: NDArray[np.uint8], size: tuple[int, int], media_us: int, regions: list[Region]
    ) -> list[PlainPerson]:
        least = self._thresholds
        camera = self._cameras.setdefault(name, PlainCamera(CameraTracker(self._settings.tracking, least)))
        persons = [region for region in regions if region.label == PERSON and region.score >= least.person_score]
        persons = persons[: self._settings.model.max_people]
        boxes = np.array([person.box for person in persons], np.float32).reshape(-1, 4)
        scores = np.array([person.score for person in persons], np.float32)
        tracked, ended = camera.tracker.update(boxes, scores, media_us)
        for track in ended:
            camera.states.pop(track, None)
        if not tracked:
            return []
        of_part = {
            part: [region for region in regions if region.label == part and region.score >= least.keypoint_score]
            for part in self._vocabulary.parts
        }
        things = [
            region
            for region in regions
            if region.label != PERSON and region.label not in of_part and region.score >= least.object_score
        ]
        followed = [persons[person.detection] for person in tracked]
        parts = assign_regions(
            followed, {part: found[: self._settings.model.max_people] for part, found in of_part.items()}
        )
        maps, scale = self._maps(picture, size)
        answers: list[PlainPerson] = []
        for person, region, own in zip(tracked, followed, parts, strict=True):
            thing = held_object(region, own, things[:MAX_OBJECTS])
            everything = (0.0, 0.0, float(size[0]), float(size[1]))
            visual = self._features(maps, scale, own, thing.box if thing else everything)
            state = camera.states.get(person.track) or self._new_state()
            camera.states[person.track] = state
            answers.append(self._person(person.track, region.box, own, visual, state, media_us))
        return answers

    def _maps(self, picture: NDArray[np.uint8], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return the trunk's last map [1, C, h, w], and the factors [4] from box to trunk picture coordinates."""
        height, width = picture.shape[:2]
        config = self._extractor.config
        to = scaled_size((width, height), config.short_side)
        pixels = torch.from_numpy(picture[None, ..., ::-1].copy())
        planes = normalised(scaled(pixels, to), config.normalisation)
        scale = torch.tensor([to[0] / size[0], to[1] / size[1]] * 2)
        return self._extractor.trunk(planes), scale

    def _features(self, maps: Tensor, scale: Tensor, parts: dict[str, Region], thing: Box) -> VisualInput:
        """Return a person's features: `parts` [1, P, F] with zeros for absent parts, and `objects` [1, 1, F]."""
        from torchvision.ops import roi_align

        config = self._extractor.config
        boxes = torch.tensor([*(part.box for part in parts.values()), thing]) * scale
        pooled = roi_align(maps, [boxes], config.bins, 1 / STRIDE, config.samples, aligned=True)
        found = self._extractor.region_features(pooled)
        names = self._vocabulary.parts
        of_parts = found.new_zeros(1, len(names), found.shape[1])
        for row, name in enumerate(parts):
            of_parts[0, names.index(name)] = found[row]
        return VisualInput(of_parts, found[-1][None, None])

    def _person(
        self,
        track: int,
        box: Box,
        parts: dict[str, Region],
        visual: VisualInput,
        state: PersonState,
        media_us: int,
    ) -> PlainPerson:
        network, vocabulary = self._network, self._vocabulary
        names, config = vocabulary.parts, network.config
        present = torch.tensor([[name in parts for name in names]])
        geometry = torch.zeros(1, len(names), config.part_features)
        context = torch.zeros(1, config.context_features)
        outputs = network.forward_step(geometry, context, present, visual)
        actions = torch.softmax(self._step(network.action_inputs(outputs.graph), state, media_us), -1)[0].tolist()
        relevance, states = outputs.relevance[0].tolist(), outputs.states[0].tolist()
        return PlainPerson(
            track,
            box,
            vocabulary.actions[int(np.argmax(actions))],
            actions,
            parts,
            {name: relevance[row] for row, name in enumerate(names) if name in parts},
            {name: states[row] for row, name in enumerate(names) if name in parts},
        )

    def _step(self, embedded: Tensor, state: PersonState, media_us: int) -> Tensor:
        """Run a step for a person; return logits [1, actions]."""
        plan = self._window.plan(state.steps)
        elapsed = 0 if state.last_us is None else min(max(media_us - state.last_us, 0), MAX_STEP_US)
        reset = torch.tensor([[plan.reset_a], [plan.reset_b]])
        seconds = [[0.0 if plan.reset_a else elapsed * 1e-6], [0.0 if plan.reset_b else elapsed * 1e-6]]
        dt, answer = torch.tensor(seconds), torch.tensor([plan.answer])
        logits, state.tensors = self._network.action_lstm.step(embedded, dt, reset, state.tensors, answer)
        state.steps, state.last_us = state.steps + 1, media_us
        return logits

    def _new_state(self) -> PersonState:
        return PersonState(tuple(torch.stack((state, state)) for state in self._network.action_lstm.blank(1)))


def _mmdet_model(stored: StoredDetector) -> Any:
    """Return a model like that of `mmdet.apis.init_detector`."""
    from mmengine.config import Config

    model: Any = stored.model()
    model.cfg = Config({})
    return model


def _picture_pipeline(scale: tuple[int, int]) -> Any:
    """Return the test pipeline of mmdet's configurations for a picture in memory."""
    from mmcv.transforms import Compose

    return Compose(
        [
            {"type": "mmdet.LoadImageFromNDArray"},
            {"type": "mmdet.Resize", "scale": scale, "keep_ratio": True},
            {"type": "mmdet.PackDetInputs", "meta_keys": ("img_id", "ori_shape", "img_shape", "scale_factor")},
        ]
    )


def assign_regions(people: Sequence[Region], found: Mapping[str, Sequence[Region]]) -> list[dict[str, Region]]:
    """Return each person's parts by name, with the greatest sum of (share within the person x score)."""
    parts: list[dict[str, Region]] = [{} for _ in people]
    for name, boxes in found.items():
        if not people or not boxes:
            continue
        worth = [[_worth(person.box, part) for part in boxes] for person in people]
        rows, columns = linear_sum_assignment(worth, maximize=True)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if worth[row][column] > 0:
                parts[row][name] = boxes[column]
    return parts


def held_object(person: Region, parts: Mapping[str, Region], things: Sequence[Region]) -> Region | None:
    """Return the object nearest to a hand and within reach; of equally near ones, that with the best score."""
    middles = [_middle(parts[hand].box) for hand in HANDS if hand in parts]
    x1, y1, x2, y2 = person.box
    reach = HAND_REACH * max(x2 - x1, y2 - y1)
    best, nearest = None, math.inf
    for thing in sorted(things, key=lambda thing: -thing.score):
        far = min((_distance(middle, thing.box) for middle in middles), default=math.inf)
        if far <= reach and far < nearest:
            best, nearest = thing, far
    return best


def _worth(person: Box, part: Region) -> float:
    x1, y1, x2, y2 = part.box
    width = max(0.0, min(person[2], x2) - max(person[0], x1))
    height = max(0.0, min(person[3], y2) - max(person[1], y1))
    area = (x2 - x1) * (y2 - y1)
    contained = width * height / area if area > 0 else 0.0
    return contained * part.score if contained >= MIN_CONTAINED else 0.0


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _distance(point: tuple[float, float], box: Box) -> float:
    """Return the distance from a point to a box, 0 inside it."""
    x, y = point
    return math.hypot(max(box[0] - x, 0.0, x - box[2]), max(box[1] - y, 0.0, y - box[3]))
