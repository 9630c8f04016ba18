"""Watching a video: detector, tracker and RoI pooling, which are the stages before the learned ones.

A `Watcher` runs what `stages.pipeline` runs before the learned stages, by the same functions, so that training reads
what a running model reads (tests/parity/test_watching.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.detection.detections import Detector, PictureGroup
from stages.detection.views.slot_pictures import planes_for, with_motion
from stages.heads.network import VisualInput
from stages.keypoint_features.skeleton import KEYPOINTS
from stages.people.people import BatchSteps, SeenPerson
from stages.people.people_tracker import FramePeople, PeopleTracker
from stages.people.smoothing import SmoothingConfig
from stages.region_extractors import MapRegionExtractor, RegionExtractor, VggRegionExtractor
from stages.region_features.roi_features import RoiConfig
from stages.settings import DetectionMode, ModelSettings, PipelineSettings
from stages.types import FrameAnalysis, Model, ModelInfo
from stages.vocabulary import PARTS, packaged
from training.annotated_videos.region_sources import DetectorSource, FeatureSource
from training.annotated_videos.sightings import RoiVectors, Sightings
from training.video.analysis import analyse_video
from training.video.frames import VideoReadError

MOST_ROI_BYTES = 1 << 30
"""Most RoI features held in memory for a video until all its tracks are known; sorting them takes twice as much again.
With the longest features (34 kB per person and step) that is 40 minutes of one person."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Settings for watching videos; people are tracked with the default settings of a camera.

    `detection`: as `model.detection`. With `full`, the whole picture of every frame is looked at. Otherwise people are
    found as a camera's default settings find them, with second looks and searches; in frames that are not looked at,
    they are where the engine would publish them.
    `roi`: regions and their pooling, None for no RoI features. `vgg`: the VGG-16 that reads regions instead of the
    detector's maps. `detector`: the detector in place of MoveNet.
    """

    detector_size: tuple[int, int] | None = None
    detection: DetectionMode = "full"
    roi: RoiConfig | None = None
    vgg: FeatureSource | None = None
    detector: DetectorSource | None = None


class Watcher(Model):
    """Implements `stages.types.Model` for videos: its analyses are empty, and `watch` returns the sightings."""

    info = ModelInfo("watcher", "", False)

    def __init__(
        self, detector: Detector, settings: WatchSettings | None = None, device: torch.device | str = "cpu"
    ) -> None:
        """The detector must already be on `device`."""
        self.settings = settings or WatchSettings()
        self._detector = detector
        self._region_extractor = _region_extractor(self.settings, device)
        # Tracked people need a vocabulary for their states and actions, but none are computed here.
        stages = PipelineSettings(model=ModelSettings(detection=self.settings.detection))
        self._max_people = stages.model.max_people
        gated = self.settings.detection != "full"
        regions = gated and detector.sees_regions and not isinstance(self._region_extractor, VggRegionExtractor)
        self._format_of = planes_for(detector.slot_format) if regions else detector.slot_format
        if gated:
            self._format_of = with_motion(self._format_of)
        self._tracker = PeopleTracker(
            stages,
            stages.thresholds(detector.default_thresholds),
            packaged("edge"),
            SmoothingConfig(),
            sees_regions=regions,
            looks_again=regions and detector.looks_again,
        )
        self._seen = _SightingCollector()

    def watch(self, path: Path) -> tuple[Sightings, RoiVectors | None]:
        """Return all people seen in a video, and RoI features if the settings request them.

        The detector sees the first frame twice, so that people are tracked from the first frame on. Raises
        `training.video.frames.VideoReadError`, also if only the end cannot be read, or if the RoI features take more
        than `MOST_ROI_BYTES`.
        """
        self._seen = _SightingCollector()
        for frame in analyse_video(self, path, self.settings.detector_size):
            if self._seen.roi_bytes > MOST_ROI_BYTES:
                raise VideoReadError(
                    f"{path}: its RoI features took {MOST_ROI_BYTES / 2**20:.0f} MiB after "
                    f"{frame.meta.media_us / 1e6:.0f} s; cut it into shorter videos, or train with fewer regions or "
                    "bins (model.visual, model.visual_bins)"
                )
        return self._seen.sightings()

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return the format of the pictures that the detector reads."""
        return self._format_of(source_size, detector_size)

    def warm_up(self) -> None:
        """Do nothing: a slow first frame does not matter here."""

    @torch.inference_mode()
    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Watch a batch, in order; the analyses are empty."""
        metas = [lease.meta for lease in frames]
        batch = self._tracker.begin(metas)
        steps = batch.steps
        groups: list[PictureGroup] = []
        try:
            for wave in batch.waves():
                looks = batch.looks(wave)
                found = self._detector.detect([frames[index] for index in wave], looks, self._max_people)
                batch.track(wave, looks, found.frames)
                groups += found.of_frames(wave).groups
            work = batch.people()
            visual = None
            if len(steps) and self._region_extractor is not None:
                visual = self._region_extractor.extract(steps, metas, groups)
            for person in steps.people:
                steps.commit(person.key)
        finally:
            steps.abandon()
        self._seen.add(work, steps, visual)
        return [FrameAnalysis() for _ in frames]

    def forget(self, camera: str) -> None:
        """End the tracks of a finished video."""
        self._tracker.forget(camera)


def _region_extractor(settings: WatchSettings, device: torch.device | str) -> RegionExtractor | None:
    if settings.vgg is not None:
        return VggRegionExtractor(settings.vgg.make(device), device)
    return None if settings.roi is None else MapRegionExtractor(settings.roi, device)


class _SightingCollector:
    """Collects sightings of a video, in the order of frames."""

    def __init__(self) -> None:
        self._rows: list[tuple[FrameMeta, SeenPerson]] = []
        self._keypoints: list[NDArray[np.float32] | None] = []
        """For the rows with a step, in their order; likewise objects and numbers."""
        self._objects: list[NDArray[np.float32] | None] = []
        self._numbers: list[int] = []
        self._pooled: list[VisualInput] = []
        self.roi_bytes = 0
        self._steps = 0

    def add(self, work: Sequence[FramePeople], steps: BatchSteps, visual: VisualInput | None) -> None:
        """Keep all people seen in a batch."""
        for frame in work:
            for seen in frame.seen:
                self._rows.append((frame.meta, seen))
                if seen.step is not None:
                    self._keypoints.append(steps.steps[seen.step].keypoints)
                    self._objects.append(steps.objects[seen.step])
                    self._numbers.append(self._steps + seen.step)
        self._steps += len(steps)
        if visual is not None:
            kept = [tensor[: len(steps)].to("cpu", torch.float16) for tensor in (visual.parts, visual.objects)]
            self._pooled.append(VisualInput(*kept))
            self.roi_bytes += sum(tensor.nbytes for tensor in kept)

    def sightings(self) -> tuple[Sightings, RoiVectors | None]:
        """Return all sightings, track by track."""
        people = [seen for _, seen in self._rows]
        track = np.array([seen.tracked.track for seen in people], np.int32)
        order = np.argsort(track, kind="stable")
        step = np.array([seen.step is not None for seen in people], bool)
        # The number of each sighting's step, in the order of frames.
        of_step = (np.cumsum(step) - 1)[order][step[order]]

        def sorted_rows(rows: Sequence[object], kind: type, *shape: int) -> NDArray:
            return np.array(rows, kind).reshape(-1, *shape)[order]

        parts = len(PARTS)
        seen = Sightings(
            track=track[order],
            frame=sorted_rows([meta.frame for meta, _ in self._rows], np.int32),
            time_us=sorted_rows([meta.media_us for meta, _ in self._rows], np.int64),
            box=sorted_rows([seen.tracked.box for seen in people], np.float32, 4),
            score=sorted_rows([seen.tracked.score for seen in people], np.float32),
            part_boxes=sorted_rows([seen.boxes for seen in people], np.float32, parts, 4),
            part_scores=sorted_rows([seen.scores for seen in people], np.float32, parts),
            present=sorted_rows([seen.present for seen in people], np.bool_, parts),
            step=step[order],
            keypoints=_joints(self._keypoints)[of_step],
            object_box=_boxes(self._objects)[of_step],
        )
        if not self._pooled:
            return seen, None
        rows = torch.from_numpy(np.array(self._numbers, np.int64)[of_step])
        pooled = (torch.cat(tensors)[rows] for tensors in zip(*(one[:2] for one in self._pooled), strict=True))
        return seen, RoiVectors(*pooled)


def _boxes(objects: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    """Return boxes [s, 4], zeros for none."""
    nothing = np.zeros(4, np.float32)
    return np.array([nothing if box is None else box for box in objects], np.float32).reshape(-1, 4)


def _joints(steps: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    """Return joints [s, 17, 3], or [s, 0, 3] if the detector finds none."""
    known = [joints for joints in steps if joints is not None]
    return np.array(known, np.float32).reshape(-1, KEYPOINTS, 3) if known else np.zeros((len(steps), 0, 3), np.float32)
