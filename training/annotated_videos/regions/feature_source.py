"""The VGG-16 extractor that a training run reads regions with.

A `FeatureSource` is a small reference from which worker processes load the same extractor.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.region_features.vgg_weights import load_features
from stages.third_party import weights
from stages.third_party.weights import WeightsError
from training.settings.run_config import TrainingConfig


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """An extractor from the file `path` with the hash `sha256`, or with random weights from `seed` and these sizes."""

    channels: int
    hidden: int
    short_side: int
    seed: int | None = None
    path: str | None = None
    sha256: str | None = None

    def make(self, device: torch.device | str = "cpu") -> VggFeatures:
        """Return the extractor, frozen and in evaluation mode.

        Raises `WeightsError` if the file holds no extractor or one with other sizes.
        """
        if self.path is None:
            config = VggConfig(self.channels, self.hidden, short_side=self.short_side)
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(self.seed or 0)
                return VggFeatures(config).to(device).eval().requires_grad_(False)
        features = load_features(Path(self.path), device, short_side=self.short_side)
        if features.length != self.hidden:
            raise WeightsError(
                f"{self.path}: gives {features.length} numbers per region; set model.vgg.hidden to {features.length}"
            )
        if features.config.short_side != self.short_side:
            raise WeightsError(
                f"{self.path}: takes pictures of {features.config.short_side}; set model.vgg.short_side to that"
            )
        return features


def feature_source(config: TrainingConfig) -> FeatureSource | None:
    """Return the run's extractor, None if it uses no VGG-16. Raises `WeightsError` if its file is missing."""
    model, chosen = config.model, config.model.vgg
    if model.visual == "none" or model.regions != "vgg":
        return None
    sizes = (chosen.channels, chosen.hidden, chosen.short_side)
    if chosen.weights is None:
        return FeatureSource(*sizes, seed=config.seed)
    path = weights_file(chosen.weights)
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"model.vgg.weights: {path} can't be read: {error.strerror}") from None
    return FeatureSource(*sizes, path=str(path), sha256=sha256)


def weights_file(chosen: str) -> Path:
    """Return the file of published weights with this name, or else the path itself.

    Raises `WeightsError` for published weights that are not installed.
    """
    known = {asset.name: asset for asset in weights.assets()}
    asset = known.get(chosen)
    return Path(chosen) if asset is None else weights.locate(asset.name, asset.files[0].name)
