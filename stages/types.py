"""The interface between the engine and a model: leased frames in, one analysis per frame out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.ease_levels import FULL_QUALITY, EaseLevel
from stages.looks import WHOLE, Look

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the epoch's first picture size."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Identity of a model: `weights` is `sha256:…` of the checkpoint, `trained` is false for random weights.

    `experimental`: the actions that are too often wrong on real video.
    """

    profile: str
    weights: str
    trained: bool
    experimental: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PartAnalysis:
    """One visible body part. `relevance` and scores are in [0, 1]; `states` has the active states, best first.

    `holds`: the label of the object in a hand.
    """

    part: str
    box: Box
    score: float
    relevance: float
    states: list[tuple[str, float]]
    holds: str | None = None


@dataclass(frozen=True, slots=True)
class ActionAnalysis:
    """The action at the window's last step.

    `since_media_us` is the media time at which the unbroken run of `label` began; events use the label `smoothed`.
    """

    label: str
    score: float
    since_media_us: int
    top: list[tuple[str, float]]
    smoothed: str
    smoothed_score: float


@dataclass(frozen=True, slots=True)
class PersonAnalysis:
    """One confirmed track in this frame. `detected` is false where the box was extrapolated from earlier detections.

    `action` is None until the track's first step.
    """

    track: int
    box: Box
    score: float
    action: ActionAnalysis | None
    parts: list[PartAnalysis]
    detected: bool = True


@dataclass(frozen=True, slots=True)
class ObjectAnalysis:
    """One detected object that is not a person.

    `detected` is false if objects were not looked for in this frame and the object is from an earlier one.
    """

    label: str
    box: Box
    score: float
    detected: bool = True


class FrameAnalysis(msgspec.Struct, frozen=True):
    """The analysis of one frame; `ended` lists the tracks that ended at or before it."""

    people: list[PersonAnalysis] = []
    objects: list[ObjectAnalysis] = []
    ended: list[int] = []
    tracks: int = 0
    look: Look = WHOLE
    """What the detector looked at."""
    failed: str | None = None
    """The stage that gave NaN or infinity; then the analysis is empty, and must not be published."""


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Memory of a device with memory of its own, in bytes. `peak` is the most that this process has used at once."""

    device: str
    weights: int
    states: int
    peak: int
    free: int
    total: int


class Model(Protocol):
    """A model that the engine can run. Implementations inherit from it for the defaults.

    `slot_format` is called from camera threads, everything else from the inference thread.
    """

    info: ModelInfo

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return the format of the pictures that the model reads from a source of (width, height) `source_size`."""
        ...

    def warm_up(self) -> None:
        """Run once on made-up input, so that the first real batch is not slower than the others."""
        ...

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Analyse a batch: any mix of cameras and sizes, in order within a camera. Returns one analysis per frame.

        A frame whose `meta.epoch` differs from the camera's last one resets the camera's tracks and hidden states.
        Raises `stages.device.halving.TooLargeError` if the frames do not fit into the device's memory together and
        nothing has changed yet: the engine then passes them in by halves.
        """
        ...

    def needs_look(self, meta: FrameMeta, newest: bool = True) -> bool:
        """Whether this frame, if it is its camera's next one, will be looked at. Others cost next to nothing.

        If it is not the `newest` frame of its camera, what can wait is left to a later one.
        """
        return True

    def forget(self, camera: str) -> None:
        """Drop a removed camera's tracker and hidden states."""
        ...

    def rehearse(self, frames: int, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> None:
        """Detect in `frames` blank pictures of a source. Raises `TooLargeError` if they do not fit into the memory."""

    def device_memory(self) -> DeviceMemory | None:
        """Return the memory that the model uses on its device; None if that is the machine's memory."""
        return None

    @property
    def ease_levels(self) -> Sequence[EaseLevel]:
        """The levels at which the model can work, from full quality to the cheapest. One level: it cannot be eased."""
        return (FULL_QUALITY,)

    def ease(self, level: int, spared: Collection[str] = ()) -> None:
        """Work at `ease_levels[level]` from the next batch on, except on frames of the cameras `spared`."""

    def ease_cost(self, level: int, frame_rates: Sequence[float]) -> float:
        """Estimate the cost of live cameras at a level, from their frames per second. Only ratios have a meaning."""
        return 1.0

    def detection_rate(self, level: int, frame_rate: float) -> float:
        """Return how many frames per second of a live camera with `frame_rate` are looked at, at most, at a level."""
        return frame_rate

    @property
    def actions(self) -> Sequence[str]:
        """Names of the actions that the model recognises; empty if they are not known beforehand."""
        return ()

    @property
    def pinned_pictures(self) -> bool:
        """Whether pictures should be in page-locked memory, from which copies to a CUDA device are asynchronous."""
        return False

    @property
    def state_slots(self) -> int:
        """Number of people whose hidden state can be kept."""
        return 0

    @property
    def state_slots_used(self) -> int:
        """Number of people whose hidden state is kept."""
        return 0
