"""The section `model` of a training run: sizes of the network, what it reads, and the VGG-16 it reads pictures with.

Needs no torch, as `training/settings/run_config.py`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOVENET = "movenet"
"""The detector of keypoints, by its name in a configuration."""


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, so that a typing mistake never passes for a setting."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class VggRegionsConfig(Section):
    """The VGG-16 that regions are read with where `regions` says so."""

    weights: str | None = Field(
        "vgg16",
        min_length=1,
        description="vgg16 (`run_stream.py weights fetch vgg16`), or a file: torchvision's VGG-16, a Faster R-CNN over "
        "one, or what `stages.region_features.vgg_weights` wrote; null: random ones that follow from the seed.",
    )
    channels: int = Field(
        64, ge=1, le=64, description="Of the first layers of random ones; the last have 8 times that."
    )
    hidden: int = Field(4096, ge=1, le=4096, description="Outputs of fc6 and fc7: the length of a region's feature.")
    short_side: int = Field(
        256, ge=32, le=1024, multiple_of=16, description="Pixels of the shorter side that pictures are scaled to."
    )
    tuned: bool = Field(
        False,
        description="false: it stays as it is, and a video's regions are read once and kept. true: it is trained with "
        "the rest, and pictures are decoded and read anew in every step; needs a CUDA device for anything large.",
    )
    frozen_stages: int | None = Field(
        None,
        ge=0,
        le=5,
        description="While it is tuned, its first stages of convolutions that stay as they are. null: 2 (conv1 and "
        "conv2), as in Faster R-CNN, of weights that come from a file, and 0 of random ones.",
    )
    crop: int | None = Field(
        224,
        ge=32,
        le=1024,
        multiple_of=16,
        description="While it is tuned, side of the square, at random around the person, that a sequence shows of its "
        "scaled pictures; null: all of them, as in evaluation and live.",
    )


class ModelConfig(Section):
    """Sizes of the network, and which of its stages take part. Larger sizes than these weren't better on footage."""

    relevance_hidden: int = Field(32, ge=1, le=4096)
    state_hidden: int = Field(80, ge=1, le=4096)
    prior_hidden: int = Field(32, ge=1, le=4096)
    graph_hidden: int = Field(64, ge=1, le=4096)
    action_width: int = Field(96, ge=1, le=4096)
    action_hidden: int = Field(128, ge=1, le=4096)
    action_layers: int = Field(1, ge=1, le=8)
    dropout: float = Field(0.4, ge=0, lt=1, description="Of the part states' hidden layer.")
    detector: str = Field(
        MOVENET,
        min_length=1,
        description="What sees a folder's videos, and later a camera's: movenet, which finds keypoints; the file of a "
        "detector of people, parts and objects (`python -m training.detector`); or cascade-rcnn, COCO's, or another of "
        "mmdet's without parts, which then come from MoveNet's keypoints. The checkpoint carries what isn't MoveNet.",
    )
    visual: Literal["none", "objects", "all"] = Field(
        "none",
        description="What is read of the detector's feature maps. objects: what is around each hand, and the whole "
        "picture; all: each part as well.",
    )
    regions: Literal["detector", "vgg"] = Field(
        "detector",
        description="With what regions are read. detector: its own maps; vgg: a VGG-16 on the picture, and then a "
        "part's object is the whole picture where no other is known.",
    )
    visual_hidden: int = Field(
        32,
        ge=0,
        le=4096,
        description="Numbers that a region is embedded in; 0: its features enter relevance and states as they are.",
    )
    visual_strides: tuple[Literal[4, 8, 16, 32], ...] = Field(
        (8, 16), min_length=1, description="Maps that regions are pooled from, by their cells' size in pixels."
    )
    visual_bins: int = Field(2, ge=1, le=14, description="Bins that a region is pooled in, along each side.")
    geometry: bool = Field(
        True, description="Whether the keypoints' geometry is read. This switch and those below are for ablations."
    )
    relevance_gates: bool = Field(True, description="Whether a part's relevance scales its feature.")
    language: bool = Field(True, description="Whether language priors are part of a part's representation.")
    language_model: str = Field(
        "minilm",
        min_length=1,
        description="What builds them, for a new vocabulary once: minilm, bert-base-uncased, another name that Hugging "
        "Face's hub has, or a folder.",
    )
    graph: Literal["sequential", "mean"] = Field(
        "sequential", description="How parts become a person: read in order by an LSTM, or their mean."
    )
    temporal: bool = Field(
        True,
        description="Whether the action is recognised over time; else from each frame alone, and the losses of "
        "frames, of every step and of the last are of the same scores.",
    )
    vgg: VggRegionsConfig = VggRegionsConfig.model_validate({})

    @model_validator(mode="after")
    def _parts_have_features(self) -> ModelConfig:
        if not self.geometry and self.visual != "all":
            raise ValueError("without geometry, visual must be all: parts would have no features")
        if self.regions == "vgg" and self.visual == "none":
            raise ValueError("regions: vgg reads pictures: set visual to all or objects")
        if self.detector != MOVENET and (self.geometry or self.regions != "vgg"):
            raise ValueError("detector: only movenet finds keypoints: set geometry to false and regions to vgg")
        return self

    @model_validator(mode="after")
    def _can_be_tuned(self) -> ModelConfig:
        if not self.vgg.tuned:
            return self
        if self.regions != "vgg":
            raise ValueError(
                "vgg.tuned needs regions: vgg. The detector's own maps also decide where its boxes are, so that a "
                "tuned copy of its trunk would have to run beside it, live too, at twice the detector's cost; set "
                "regions to vgg, or vgg.tuned to false"
            )
        if self.vgg.crop is not None and self.vgg.crop > self.vgg.short_side:
            raise ValueError(
                f"vgg.crop is {self.vgg.crop}, more than the {self.vgg.short_side} of vgg.short_side; make it smaller, "
                "or null for the whole picture"
            )
        return self
