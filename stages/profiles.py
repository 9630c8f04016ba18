"""Profiles: from a profile's name or a checkpoint's path to a model that is ready to run. Owns nothing.

`edge` is the packaged checkpoint with MoveNet as its detector; a path is any other checkpoint of that kind.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Protocol

import torch

from stages import checkpoint as checkpoints
from stages.action_states import WindowMode
from stages.checkpoint import Checkpoint, CheckpointError
from stages.detection.keypoint_finder import KeypointFinder
from stages.detection.movenet import MoveNet, slot_format
from stages.pipeline import Pipeline, PipelineSettings
from stages.scene import SceneSettings
from stages.tracking import TrackingSettings
from stages.weights import WeightsError
from telemetry.observer import Observer

EDGE = "edge"
PAPER = "kinetics-tps"


class ModelChoice(Protocol):
    """The configuration's section `model`, as far as the stages need it."""

    @property
    def profile(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def detect_every(self) -> int: ...
    @property
    def max_people(self) -> int: ...
    @property
    def state_slots(self) -> int: ...
    @property
    def person_score(self) -> float: ...
    @property
    def keypoint_score(self) -> float: ...


class WindowChoice(Protocol):
    """The configuration's section `window`."""

    @property
    def steps(self) -> int | None: ...
    @property
    def mode(self) -> WindowMode: ...
    @property
    def max_steps_per_second(self) -> float: ...


class TrackingChoice(Protocol):
    """The configuration's section `tracking`."""

    @property
    def lost_after_s(self) -> float: ...
    @property
    def activation_score(self) -> float: ...
    @property
    def high_score(self) -> float: ...
    @property
    def min_iou(self) -> float: ...
    @property
    def confirm_frames(self) -> int: ...


def load_profile(
    model: ModelChoice, window: WindowChoice, tracking: TrackingChoice, observer: Observer | None = None
) -> Pipeline:
    """The configured model; raises as `load_model`."""
    settings = PipelineSettings(
        max_people=model.max_people,
        state_slots=model.state_slots,
        window_steps=window.steps,
        window_mode=window.mode,
        scene=SceneSettings(
            detect_every=model.detect_every,
            person_score=model.person_score,
            keypoint_score=model.keypoint_score,
            max_steps_per_second=window.max_steps_per_second,
            tracking=TrackingSettings(
                tracking.lost_after_s,
                tracking.activation_score,
                tracking.high_score,
                tracking.min_iou,
                tracking.confirm_frames,
            ),
        ),
    )
    return load_model(model.profile, model.device, settings, observer, model.threads)


def load_model(
    profile: str,
    device: str = "auto",
    settings: PipelineSettings | None = None,
    observer: Observer | None = None,
    threads: int = 0,
) -> Pipeline:
    """The model of a profile: `edge`, or the path of a checkpoint. Call it in the thread that will run the model.

    `device`: auto, cpu, cuda or cuda:N. `threads`: CPU threads for the model; 0 leaves one core to decoding.
    Raises `WeightsError` (also for a checkpoint that is missing or damaged) or `ValueError` for a device that isn't
    there, each saying what to do.
    """
    chosen = choose_device(device)
    torch.set_num_threads(threads or max(1, (os.cpu_count() or 2) - 1))
    loaded = load_checkpoint(profile, chosen)
    finder = KeypointFinder(MoveNet.load().to(chosen), slot_format, chosen)
    return Pipeline(finder, loaded, settings, chosen, observer)


def load_checkpoint(profile: str, device: torch.device | str = "cpu") -> Checkpoint:
    """The checkpoint of a profile or path. Raises `WeightsError` saying what to do."""
    if profile == PAPER:
        raise WeightsError(
            "profile kinetics-tps has no packaged checkpoint: its data are behind a registration. "
            "Train one and give its path as the profile, or use `edge`"
        )
    try:
        if profile != EDGE:
            return checkpoints.load(Path(profile), device)
        packaged = resources.files("stages").joinpath("checkpoints", "edge.safetensors")
        with resources.as_file(packaged) as path:
            return checkpoints.load(path, device)
    except CheckpointError as error:
        raise WeightsError(str(error)) from None


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one. Raises `ValueError` for a device that can't be used."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"model.device: {name!r} is not auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"model.device: {name!r} is not auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ValueError(f"model.device: {name!r} was asked for, but there is no such CUDA device; use auto or cpu")
    return device
