"""Settings of the model, the window and the tracker, with their defaults, limits and descriptions.

`stream.config` has them as the sections `model`, `window` and `tracking`; training uses the same classes. The module
imports nothing heavy, so that reading a configuration needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

WindowMode = Literal["staggered", "exact", "continuous"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
DetectionMode = Literal["auto", "full", "regions"]
Runtime = Literal["torch", "auto", "onnxruntime", "openvino"]

LEAST = 0.001
"""Smallest time or rate that is not 0; of a smaller one, the reciprocal or the microseconds may be no numbers."""

MOST_BYTES = 10**18
"""Largest size in bytes; SQLite and file systems count in 64 bits."""

KEYPOINT_SCORE = 0.2
"""Default score below which a part's joints make it absent."""


class Section(BaseModel):
    """A section of a configuration: unknown keys are errors, so that a typing mistake never passes for a setting."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class ModelSettings(Section):
    """The model that analyses frames."""

    profile: str = Field(
        default="edge",
        description="edge, edge-open, kinetics-tps, the path of a checkpoint, or `free`: an empty model that detects "
        "no people, for measuring everything around the model.",
    )
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N.")
    pictures: Literal["auto", "host", "device"] = Field(
        default="auto",
        description="Where decoded frames are scaled and converted to RGB. `host`: in each camera's thread; `device`: "
        "for the whole batch on the model's device, from the decoder's planes; `auto`: `device` on CUDA, else `host`.",
    )
    precision: Precision = Field(
        default="auto",
        description="Compute precision of the detector and VGG-16; everything else computes in float32. `auto` is "
        "float32 without TF32, because no other precision has been shown to give equal results on a GPU. float16 "
        "needs CUDA.",
    )
    runtime: Runtime = Field(
        default="auto",
        description="What computes the convolutions of MoveNet and NanoDet on a CPU. `auto` takes the fastest of those "
        "that are installed, which it measures at the first start; in float32, unless `precision` says otherwise. "
        "`openvino` needs the extra `openvino`. Other networks, and all on CUDA, run in torch. See docs/detector.md.",
    )
    cuda_graphs: bool = Field(
        default=False,
        description="On CUDA: record the detector's work for each batch shape as a CUDA graph and replay it. "
        "Not yet tested on a GPU.",
    )
    threads: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="CPU threads for the model; 0: torch leaves one core to decoding, and other runtimes, whose "
        "waiting threads sleep, use all cores.",
    )
    detection: DetectionMode = Field(
        default="auto",
        description="What the detector looks at. `full`: the whole picture of every frame. `regions`: regions around "
        "motion and tracked people, at the source's resolution; nothing where there are none; the whole picture every "
        "`sweep_s` seconds. `auto`: like `regions`, but the whole picture where regions would cost more. Detectors "
        "other than MoveNet see whole pictures or nothing.",
    )
    sweep_s: float = Field(
        default=5.0,
        ge=LEAST,
        le=3600,
        description="Unless `detection` is `full`: seconds of media time between looks at the whole picture, which "
        "find people who keep still. Up to four times as long while nothing moves and nobody is tracked.",
    )
    objects_s: float | None = Field(
        default=2.0,
        ge=0,
        le=3600,
        description="Seconds of media time between looks for objects near people, made by NanoDet if MoveNet "
        "is the detector; null or 0: none. Objects in hands move with them in between. None at an ease level above 0.",
    )
    detect_every: int = Field(
        default=1,
        ge=1,
        le=60,
        description="Detect on every k-th frame at most; boxes in between are extrapolated. Unless `detection` is "
        "`full`, no more often than people make steps (`window.max_steps_per_second`).",
    )
    second_looks: float = Field(
        default=2.0,
        ge=0,
        le=1000,
        description="Unless `detection` is `full`: most second looks per camera and second of media time. MoveNet "
        "Thunder looks again at people who were not found where they should be, are small, lie, overlap or are "
        "unclear. 0: none. None at an ease level above 0.",
    )
    search_s: float | None = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="Unless `detection` is `full`: seconds of media time in which NanoDet searches all views of the "
        "picture for small people, one view a frame. The first round is quicker; in a calm scene, rounds take up to "
        "four times as long. Null or 0: none. None at an ease level above 0.",
    )
    min_detections_per_second: float = Field(
        default=3.0,
        ge=LEAST,
        le=1000,
        description="The lowest rate of detections per live camera to which `overload: adapt` reduces it.",
    )
    min_detector_side: int = Field(
        default=384,
        ge=32,
        le=4096,
        description="The smallest longest side, in pixels, to which `overload: adapt` reduces whole pictures. None is "
        "reduced where `detection` is `full` and frames are scaled on the host.",
    )
    max_people: int = Field(
        default=32, ge=1, le=256, description="Maximum people per frame; those with the highest scores are kept."
    )
    state_slots: int = Field(
        default=256, ge=1, le=65536, description="Maximum tracked people with a hidden state, over all cameras."
    )
    person_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Detections of people below this score are ignored; a track starts at "
        "`tracking.activation_score`. Unset: the detector's default, at present always 0.1.",
    )
    keypoint_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="A part is absent if its joints, or its box if the detector finds parts, score below "
        "this. Unset: 0.2 for joints, 0.1 for boxes.",
    )
    object_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Objects below this score are ignored. Unset: 0.45 for NanoDet, 0.3 for Cascade R-CNN.",
    )

    @field_validator("objects_s", "search_s")
    @classmethod
    def _is_none_or_long_enough(cls, value: float | None) -> float | None:
        if value is not None and 0 < value < LEAST:
            raise ValueError(f"must be 0 for none, or at least {LEAST}")
        return value


class WindowSettings(Section):
    """The action model's sliding window (docs/method.md, section 9)."""

    steps: int | None = Field(
        default=None,
        ge=2,
        le=1024,
        description="W, the window in steps; 64 is about 5 s at 12.5 steps a second. Unset: the window with "
        "which the checkpoint was trained; other values log a warning.",
    )
    mode: WindowMode = Field(
        default="staggered",
        description="`staggered` keeps two hidden states per person and resets them alternately; `exact` recomputes "
        "over the window (the reference); `continuous` never resets.",
    )
    max_steps_per_second: float = Field(
        default=12.5,
        ge=LEAST,
        le=1000,
        description="Maximum steps per person and second of media time; the packaged models were trained at 12.5.",
    )


class TrackingSettings(Section):
    """The tracker, which follows people from frame to frame."""

    lost_after_s: float = Field(
        default=2.0,
        ge=LEAST,
        le=3600,
        description="A track ends this long (media time) after its last detection.",
    )
    activation_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Minimum score of a detection that starts a track. Unset: 0.25 for MoveNet, 0.5 for "
        "Cascade R-CNN, whose scores are higher.",
    )
    high_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Detections of at least this score are matched first. Unset: 0.2 for MoveNet, 0.5 for Cascade "
        "R-CNN.",
    )
    min_iou: float = Field(
        default=0.1, ge=0, le=1, description="Minimum IoU between a detection and a track's predicted box."
    )
    confirm_frames: int = Field(
        default=2,
        ge=1,
        le=1000,
        description="Detections before a track is confirmed and published; one for tracks that start in an epoch's "
        "first frame. For others, 1 has the effect of 2.",
    )


@dataclass(frozen=True, slots=True)
class ScoreThresholds:
    """Least scores, which depend on the detector; the settings of the same names override them."""

    person_score: float
    keypoint_score: float
    object_score: float
    activation_score: float
    high_score: float


class PipelineSettings(Section):
    """Settings of `stages.pipeline.Pipeline`: a configuration's three sections that concern it."""

    model: ModelSettings = ModelSettings()
    window: WindowSettings = WindowSettings()
    tracking: TrackingSettings = TrackingSettings()

    def thresholds(self, defaults: ScoreThresholds) -> ScoreThresholds:
        """Return the detector's `defaults`, each replaced by the setting of its name where that is set."""
        model, tracking = self.model, self.tracking
        return ScoreThresholds(
            _first(model.person_score, defaults.person_score),
            _first(model.keypoint_score, defaults.keypoint_score),
            _first(model.object_score, defaults.object_score),
            _first(tracking.activation_score, defaults.activation_score),
            _first(tracking.high_score, defaults.high_score),
        )


def _first(setting: float | None, default: float) -> float:
    return default if setting is None else setting
