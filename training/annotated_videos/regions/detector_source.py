"""The detector of people, parts and objects that a training run uses in place of MoveNet.

A `DetectorSource` is a small reference from which worker processes load the same detector.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from ring_buffers.frames import SlotFormat
from stages.detection.cascade_rcnn import detector_file
from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.detection.cascade_rcnn.detector_model import DetectorDescription, picture_format
from stages.detection.detections import Detector, DetectorError
from stages.profiles import region_detector
from stages.third_party.weights import WeightsError
from stages.vocabulary import PARTS
from training.annotated_videos.regions.feature_source import weights_file
from training.settings.run_config import MOVENET, TrainingConfig


@dataclass(frozen=True, slots=True)
class DetectorSource:
    """A detector in the file `path` with the hash `sha256`."""

    path: str
    sha256: str

    def stored(self) -> StoredDetector:
        """Read the file. Raises `WeightsError`, also if the file has changed."""
        if _sha256(Path(self.path)) != self.sha256:
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
    return DetectorSource(str(path), _sha256(path))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"model.detector: {path} can't be read: {error.strerror}; `partstream train detector DIR --out {path}` "
            "trains one"
        ) from None
