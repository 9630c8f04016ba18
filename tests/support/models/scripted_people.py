"""Scripted people: detections given beforehand, random networks, and pipelines over them.

A scripted picture carries its number in its first pixel; the detector looks the number up in the script.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages import pipeline as live
from stages.checkpoint import Checkpoint
from stages.detection.keypoint_batches import KeypointNetwork
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import FEATURE_CHANNELS
from stages.device.stage_timer import StageTimer
from stages.heads.network import ActionNetwork, NetworkConfig, VisualInput
from stages.people.people import BatchSteps
from stages.pipeline import Pipeline
from stages.settings import PipelineSettings
from stages.step_scores import PersonInputs
from stages.types import FrameAnalysis
from stages.vocabulary import packaged
from telemetry.observer import Observer

torch.set_num_threads(1)  # the networks are small: threads would only wait for each other

STEP_US = 80_000
PICTURE = (640, 384)
"""Width, height of the scripted pictures; their slots are a tenth of it, to scale boxes on the way."""
SLOT = SlotFormat("rgb24", (64, 64), (64, 38))

# A person 100 high standing at (0, 0): x, y of the 17 keypoints.
STANDING = np.array(
    [
        (0, 8), (2, 6), (-2, 6), (5, 8), (-5, 8), (11, 20), (-11, 20), (14, 36), (-14, 36), (15, 50), (-15, 50),
        (6, 50), (-6, 50), (6, 74), (-6, 74), (6, 97), (-6, 97),
    ],
    np.float32,
)  # fmt: skip


def person_row(keypoints: NDArray, scores: NDArray, score: float = 0.5) -> NDArray[np.float32]:
    """A detection [56] in slot pixels from keypoints [17, 2] in picture pixels."""
    scale = np.array([SLOT.content[0] / PICTURE[0], SLOT.content[1] / PICTURE[1]])
    low, high = keypoints.min(0) - 4, keypoints.max(0) + 4
    box = np.concatenate([low * scale, high * scale])
    joints = np.concatenate([keypoints * scale, scores[:, None]], 1)
    return np.concatenate([box, [score], joints.ravel()]).astype(np.float32)


NOBODY = np.zeros(56, np.float32)


def moving_people(frames: int, people: int, seed: int = 0, step_us: int = STEP_US) -> NDArray[np.float32]:
    """Detections [frames, people, 56]: people side by side who sway, wave and now and then lose a joint."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((frames, people, 56), np.float32)
    for who in range(people):
        place = np.array([60 + who * 90, 120 + rng.uniform(-20, 20)])
        size = rng.uniform(1.3, 1.8)
        speed, phase = rng.uniform(0.5, 2.5, (17, 2)), rng.uniform(0, 6, (17, 2))
        reach = rng.uniform(0.5, 4, (17, 2)) * np.where(np.isin(np.arange(17), (7, 8, 9, 10)), 4, 1)[:, None]
        for frame in range(frames):
            seconds = frame * step_us * 1e-6
            moved = STANDING * size + reach * np.sin(2 * np.pi * speed * seconds + phase) + rng.normal(0, 0.7, (17, 2))
            scores = np.where(rng.random(17) < 0.06, 0.05, rng.uniform(0.25, 0.7, 17))
            rows[frame, who] = person_row(place + moved, scores)
    return rows


class Found:
    """What `ScriptedDetector.decode` gives."""

    def __init__(self, packed: Tensor) -> None:
        self.packed = packed


class ScriptedDetector:
    """Answers with the script's row of the number in each picture; counts the pictures it is shown."""

    def __init__(self, script: NDArray[np.float32], device: torch.device | str = "cpu") -> None:
        self._script = torch.from_numpy(script).to(device)
        self.pictures = 0

    def __call__(self, pictures: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        self.pictures += len(pictures)
        first = pictures[:, 0, 0].long()
        return {}, first[:, 0] * 256 + first[:, 1]

    def decode(self, heads: Tensor, max_people: int) -> Found:
        return Found(self._script.index_select(0, heads)[:, :max_people])


class SeeingDetector(ScriptedDetector):
    """Also gives feature maps, made at random from the picture's number."""

    def __call__(self, pictures: torch.Tensor) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
        _, numbers = super().__call__(pictures)
        maps: dict[int, torch.Tensor] = {}
        for stride in (4, 8, 16):
            side = 64 // stride
            maps[stride] = torch.stack(
                [
                    torch.randn(FEATURE_CHANNELS[stride], side, side, generator=torch.Generator().manual_seed(int(n)))
                    for n in numbers
                ]
            )
        return maps, numbers


def scripted_lease(
    number: int,
    camera: str = "hall",
    frame: int | None = None,
    media_us: int | None = None,
    epoch: int = 1,
    step_us: int = STEP_US,
) -> Lease:
    """Frame `number` of the script, as the ring would lend it."""
    picture = np.zeros(SLOT.shape, np.uint8)
    picture[0, 0, :2] = divmod(number, 256)
    at = number if frame is None else frame
    media = at * step_us if media_us is None else media_us
    return Lease(FrameMeta(camera, epoch, at, media, media, "media", 0, 0, PICTURE, SLOT), picture, 0)


def random_checkpoint(seed: int = 0, device: torch.device | str = "cpu") -> Checkpoint:
    """An untrained network whose answers vary with what it sees."""
    torch.manual_seed(seed)
    vocabulary = packaged("edge")
    config = NetworkConfig(relevance_hidden=16, state_hidden=24, prior_hidden=16, graph_hidden=24, action_width=24)
    priors = (
        torch.randn(len(vocabulary.parts), len(vocabulary.states), 30) * torch.from_numpy(vocabulary.mask())[..., None]
    )
    network = ActionNetwork(config, vocabulary, priors)
    with torch.no_grad():
        network.action_lstm.scores.weight.mul_(6)
        network.part_states.scores.weight.mul_(4)
    return Checkpoint(network.to(device).eval().requires_grad_(False), "edge", False, "none")


def scripted_detector(network: KeypointNetwork, device: torch.device | str = "cpu") -> KeypointDetector:
    """A detector whose slots are as the script's."""
    return KeypointDetector(network, lambda source, wanted: SLOT, device)


def scripted_pipeline(
    script: NDArray[np.float32],
    settings: PipelineSettings | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    observer: Observer | None = None,
) -> tuple[Pipeline, ScriptedDetector]:
    """A pipeline over the script with a random network."""
    network = ScriptedDetector(script, device)
    detector = scripted_detector(network, device)
    return Pipeline(detector, random_checkpoint(seed, device), settings, device, observer), network


def record_inputs(
    monkeypatch: pytest.MonkeyPatch, record: Callable[[BatchSteps, PersonInputs, VisualInput | None], None]
) -> None:
    """Have pipelines call `record` with the steps and what the network reads of them."""
    person_inputs, run_heads = live.person_inputs, live.run_heads
    current: list[BatchSteps] = []

    def keeping(steps: BatchSteps, *rest: Any) -> PersonInputs:
        current[:] = [steps]
        return person_inputs(steps, *rest)

    def recording(network: ActionNetwork, inputs: PersonInputs, visual: VisualInput | None, timer: StageTimer) -> Any:
        record(current[0], inputs, visual)
        return run_heads(network, inputs, visual, timer)

    monkeypatch.setattr(live, "person_inputs", keeping)
    monkeypatch.setattr(live, "run_heads", recording)


class Spot(NamedTuple):
    camera: str
    epoch: int
    frame: int


def run(pipeline: Pipeline, batches: Sequence[Sequence[Lease]]) -> dict[Spot, FrameAnalysis]:
    """Every frame's analysis."""
    found: dict[Spot, FrameAnalysis] = {}
    for batch in batches:
        for lease, analysis in zip(batch, pipeline.process(batch), strict=True):
            found[Spot(lease.meta.camera, lease.meta.epoch, lease.meta.frame)] = analysis
    return found


def assert_same(a: FrameAnalysis, b: FrameAnalysis, tolerance: float = 1e-5) -> None:
    """Same people, labels, parts and states; scores within the tolerance."""
    assert [person.track for person in a.people] == [person.track for person in b.people]
    assert (a.ended, a.tracks) == (b.ended, b.tracks)
    for one, other in zip(a.people, b.people, strict=True):
        assert one.box == other.box and one.detected == other.detected
        assert (one.action is None) == (other.action is None)
        if one.action is not None and other.action is not None:
            assert (one.action.label, one.action.since_media_us, one.action.smoothed) == (
                other.action.label,
                other.action.since_media_us,
                other.action.smoothed,
            )
            assert abs(one.action.smoothed_score - other.action.smoothed_score) <= tolerance
            assert [label for label, _ in one.action.top] == [label for label, _ in other.action.top]
            for (_, mine), (_, theirs) in zip(one.action.top, other.action.top, strict=True):
                assert abs(mine - theirs) <= tolerance
        assert [part.part for part in one.parts] == [part.part for part in other.parts]
        for part, twin in zip(one.parts, other.parts, strict=True):
            assert part.box == twin.box and abs(part.relevance - twin.relevance) <= tolerance
            assert [label for label, _ in part.states] == [label for label, _ in twin.states]
            for (_, mine), (_, theirs) in zip(part.states, twin.states, strict=True):
                assert abs(mine - theirs) <= tolerance
