"""The section `model` of a training run: sizes of the network, its inputs, and the VGG-16 that reads regions.

Like `run_config`, it does not import torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from stages import settings

MOVENET = "movenet"
"""The keypoint detector's name in a configuration."""


class Section(settings.Section):
    """A section of a training configuration: numbers must also be finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class VggRegionsConfig(Section):
    """The VGG-16 that reads regions with `regions: vgg`."""

    weights: str | None = Field(
        "vgg16",
        min_length=1,
        description="vgg16 (`partstream weights fetch vgg16`), or a file: torchvision's VGG-16, a Faster "
        "R-CNN with one, or the output of `stages.region_features.vgg_weights`. null: random weights from the seed.",
    )
    channels: int = Field(
        64, ge=1, le=64, description="With random weights, channels of the first layers; the last have 8 times as many."
    )
    hidden: int = Field(4096, ge=1, le=4096, description="Outputs of fc6 and fc7: the length of a region's feature.")
    short_side: int = Field(
        256,
        ge=32,
        le=1024,
        multiple_of=16,
        description="Pictures are scaled to this length of the shorter side, in pixels.",
    )


class ModelConfig(Section):
    """Sizes of the network and its active stages."""

    relevance_hidden: int = Field(32, ge=1, le=4096)
    state_hidden: int = Field(80, ge=1, le=4096)
    prior_hidden: int = Field(32, ge=1, le=4096)
    graph_hidden: int = Field(64, ge=1, le=4096)
    person_hidden: int = Field(
        0,
        ge=0,
        le=4096,
        description="Size of the person embedding, which joins the part graph's result. 0: none.",
    )
    action_width: int = Field(96, ge=1, le=4096)
    action_hidden: int = Field(128, ge=1, le=4096)
    action_layers: int = Field(1, ge=1, le=8)
    dropout: float = Field(0.4, ge=0, lt=1, description="Dropout of the part states' hidden layer.")
    action_kernel: int = Field(
        1,
        ge=1,
        le=16,
        description="Steps that the temporal convolution before the action LSTM reads, including the current one. 1: "
        "no convolution. Its weights start at zero, so a run from a checkpoint without it begins with its answers.",
    )
    action_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Dropout of the action LSTM's inputs, the same in all steps of a sequence.",
    )
    part_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Probability that a part is absent for some consecutive steps of a training sequence, as if the "
        "detector had missed it.",
    )
    posture_actions: tuple[str, ...] = Field(
        (),
        description="Actions that are postures, such as stand, sit and lie. With them, posture, movement and gesture "
        "are separate heads, from which the scores of the actions are composed. Empty: one softmax over all actions.",
    )
    movement_actions: tuple[str, ...] = Field(
        (),
        description="With posture_actions, actions that move the whole body, such as walk and fall. All others are "
        "gestures. A gesture takes precedence over movement and posture, and a movement over posture.",
    )
    detector: str = Field(
        MOVENET,
        min_length=1,
        description="Detector for the folder's videos and later for cameras: movenet, which finds "
        "keypoints; the file of a detector of people, parts and objects (`partstream train detector`); or "
        "cascade-rcnn (COCO) or the file of another mmdet detector without parts, in which case the parts come from "
        "MoveNet's keypoints. The checkpoint carries any detector except MoveNet.",
    )
    visual: Literal["none", "objects", "all"] = Field(
        "none",
        description="Regions read besides the keypoints. objects: around each hand, and the whole picture; "
        "all: also each part.",
    )
    regions: Literal["detector", "vgg"] = Field(
        "detector",
        description="How regions are read. detector: from the detector's feature maps; vgg: with a VGG-16 "
        "on the picture, where a part's object is the whole picture if no other is known.",
    )
    visual_hidden: int = Field(
        32,
        ge=0,
        le=4096,
        description="Length of a region's embedding; 0: its features enter relevance and states directly.",
    )
    visual_strides: tuple[Literal[4, 8, 16, 32], ...] = Field(
        (8, 16), min_length=1, description="Feature maps that regions are pooled from, by stride in pixels."
    )
    visual_bins: int = Field(2, ge=1, le=14, description="Bins per side that a region is pooled into.")
    geometry: bool = Field(
        True,
        description="Whether the geometry of the keypoints is read. This switch and those below are for ablations.",
    )
    relevance_gates: bool = Field(True, description="Whether a part's relevance scales its feature.")
    language: bool = Field(True, description="Whether language priors are part of a part's representation.")
    language_model: str = Field(
        "minilm",
        min_length=1,
        description="Model that computes the language priors, once per vocabulary: minilm, "
        "bert-base-uncased, another name on Hugging Face's hub, or a folder.",
    )
    graph: Literal["sequential", "mean"] = Field(
        "sequential",
        description="How parts are combined into a person: sequential, by an LSTM in a fixed order; or mean.",
    )
    temporal: bool = Field(
        True,
        description="Whether the action is recognised over time. false: from each frame alone; the three "
        "action losses then apply to the same scores.",
    )
    vgg: VggRegionsConfig = VggRegionsConfig.model_validate({})

    @model_validator(mode="after")
    def _parts_have_features(self) -> ModelConfig:
        if not self.geometry and self.visual != "all":
            raise ValueError("without geometry, visual must be all, because parts would have no features")
        if not self.geometry and self.person_hidden:
            raise ValueError("person_hidden: without geometry, there is nothing to embed: set person_hidden to 0")
        if self.regions == "vgg" and self.visual == "none":
            raise ValueError("regions: vgg reads pictures: set visual to all or objects")
        if self.detector != MOVENET and (self.geometry or self.regions != "vgg"):
            raise ValueError("detector: only movenet finds keypoints: set geometry to false and regions to vgg")
        return self

    @model_validator(mode="after")
    def _has_time_to_convolve(self) -> ModelConfig:
        if self.action_kernel > 1 and not self.temporal:
            raise ValueError("action_kernel: without temporal, steps are independent: set action_kernel to 1")
        return self

    @model_validator(mode="after")
    def _movements_have_postures(self) -> ModelConfig:
        if self.movement_actions and not self.posture_actions:
            raise ValueError("movement_actions: name the posture_actions too")
        if both := sorted(set(self.posture_actions) & set(self.movement_actions)):
            raise ValueError(f"posture_actions, movement_actions: {', '.join(both)} can't be in both")
        return self
