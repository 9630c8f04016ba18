"""The networks that a training run reads regions with: a detector in place of MoveNet, and a VGG-16 extractor.

A `DetectorSource` or `FeatureSource` is a small reference from which worker processes load the same network.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import torch

from ring_buffers.frames import SlotFormat
from stages.checkpoint import file_sha256
from stages.detection.cascade_rcnn import detector_file
from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.detection.cascade_rcnn.detector_model import DetectorDescription, picture_format
from stages.detection.detections import Detector, DetectorError
from stages.profiles import region_detector
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.region_features.vgg_weights import load_features
from stages.third_party import weights
from stages.third_party.weights import WeightsError
from stages.vocabulary import PARTS
from training.settings.run_config import MOVENET, TrainingConfig


@dataclass(frozen=True, slots=True)
class DetectorSource:
    """A detector in the file `path` with the hash `sha256`."""

    path: str
    sha256: str

    def stored(self) -> StoredDetector:
        """Read the file. Raises `WeightsError`, also if the file has changed."""
        if _sha256(Path(self.path), "model.detector", "detector") != self.sha256:
            raise WeightsError(f"model.detector: {self.path} has changed since the run began; start the run again")
        try:
            return detector_file.read(Path(self.path))
        except (DetectorError, ImportError) as error:
            raise WeightsError(f"model.detector: {error}") from None

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return the slot format that it takes, as `Detector.slot_format`. Raises `WeightsError`."""
        return picture_format(_description(self), source_size, detector_size)

    def make(self, device: torch.device | str = "cpu") -> Detector:
        """Return the detector. Raises `WeightsError`."""
        return region_detector(self.stored(), PARTS, device)


@functools.cache
def _description(source: DetectorSource) -> DetectorDescription:
    return source.stored().description


def detector_source(config: TrainingConfig) -> DetectorSource | None:
    """Return the run's detector, None for MoveNet. Raises `WeightsError` if its file is missing."""
    if config.model.detector == MOVENET:
        return None
    path = weights_file(config.model.detector)
    return DetectorSource(str(path), _sha256(path, "model.detector", "detector"))


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
    return FeatureSource(*sizes, path=str(path), sha256=_sha256(path, "model.vgg.weights", "extractor"))


def weights_file(chosen: str) -> Path:
    """Return the file of published weights with this name, or else the path itself.

    Raises `WeightsError` for published weights that are not installed.
    """
    known = {asset.name: asset for asset in weights.assets()}
    asset = known.get(chosen)
    return Path(chosen) if asset is None else weights.locate(asset.name, asset.files[0].name)


def _sha256(path: Path, setting: str, kind: str) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise WeightsError(
            f"{setting}: {path} can't be read: {error.strerror}; `partstream train {kind} DIR --out {path}` trains one"
        ) from None
