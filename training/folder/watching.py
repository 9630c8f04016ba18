"""A video through the detector, the tracker and the RoI pooling: all that runs live before the learned stages.

A `Watcher` takes the learned stages' place in `training.video_runner`, and runs what `stages.pipeline` runs before them
by the same functions, so that training reads what a running model reads (tests/parity/test_watching.py). It owns the
scene of the video at hand and what was seen in it so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.detection.batched import Detector, PictureGroup, detect
from stages.network import VisualInput
from stages.people import SeenPerson
from stages.roi_features import RoiConfig
from stages.scene import BatchSteps, FramePeople, Scenes, SceneSettings
from stages.skeleton import KEYPOINTS
from stages.smoothing import SmoothingConfig
from stages.step_features import SlotPictures, StepBoxes, step_features
from stages.step_regions import step_regions
from stages.transfer import to_device
from stages.types import FrameAnalysis, ModelInfo
from stages.vocabulary import PARTS, packaged
from training.folder.sightings import RoiVectors, Sightings
from training.region_features import FeatureSource
from training.video_runner import VideoReadError, analyse_video

MOST_ROI_BYTES = 1 << 30
"""RoI features of a video that are held in memory at most, until all of its tracks are known; putting them in order
takes twice as much again. At the longest features (34 kB a person-step) that is 40 minutes of one person."""

Formats = Callable[[tuple[int, int], tuple[int, int] | None], SlotFormat]


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How videos are watched; the defaults are those of a camera. `roi`: which regions are pooled and how, None for no
    RoI features; `vgg`: what they are read with instead of the detector's maps."""

    detector_size: tuple[int, int] | None = None
    max_people: int = 32
    scene: SceneSettings = field(default_factory=SceneSettings)
    roi: RoiConfig | None = None
    vgg: FeatureSource | None = None


class Watcher:
    """Implements `stages.types.Model` as far as videos need it; its answers are empty, what it saw is in `taken`."""

    info = ModelInfo("watcher", "", False)

    def __init__(
        self,
        detector: Detector,
        formats: Formats,
        settings: WatchSettings | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """`formats` is the detector's `slot_format`; the detector lies on `device` already."""
        self.settings = settings or WatchSettings()
        self._detector, self._formats = detector, formats
        self._device = torch.device(device)
        self._extractor = None if self.settings.vgg is None else self.settings.vgg.make(device)
        # People carry a vocabulary for their readings; nobody reads anything here.
        self._scenes = Scenes(self.settings.scene, packaged("edge"), SmoothingConfig())
        self._seen = _Seen()

    def watch(self, path: Path) -> tuple[Sightings, RoiVectors | None]:
        """Everybody who is seen in a video. The first picture is shown once before, so that people are known from the
        first frame on. Raises `training.video_runner.VideoReadError` also where only the end can't be read, and where
        the RoI features take more than `MOST_ROI_BYTES`."""
        self._seen = _Seen()
        for frame in analyse_video(self, path, self.settings.detector_size, rehearse=True):
            if self._seen.roi_bytes > MOST_ROI_BYTES:
                raise VideoReadError(
                    f"{path}: its RoI features took {MOST_ROI_BYTES / 2**20:.0f} MiB after "
                    f"{frame.meta.media_us / 1e6:.0f} s; cut it into shorter videos, or train with fewer regions or "
                    "bins (model.visual, model.visual_bins)"
                )
        return self._seen.taken()

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """The picture that the detector wants. Pure."""
        return self._formats(source_size, detector_size)

    def warm_up(self) -> None:
        """Nothing is slower at first that matters here."""

    @torch.inference_mode()
    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Look at a batch, in order; the answers are empty."""
        metas = [lease.meta for lease in frames]
        found = detect(frames, self._scenes.turns(metas), self._detector, self.settings.max_people, self._device)
        work, steps = self._scenes.observe(metas, found.people, [])
        try:
            visual = None
            if len(steps) and self._extractor is not None:
                visual = self._read(steps, frames, found.groups)
            elif len(steps) and self.settings.roi is not None:
                visual = step_regions(steps, metas, found.groups, self.settings.roi, self._device)
            for person in steps.people:
                steps.commit(person.key)
        finally:
            steps.abandon()
        self._seen.add(work, steps, visual)
        return [FrameAnalysis() for _ in frames]

    def _read(self, steps: BatchSteps, frames: Sequence[Lease], groups: Sequence[PictureGroup]) -> VisualInput:
        """Parts, and the whole picture as everybody's object: the detector finds no objects."""
        assert self._extractor is not None
        pictures = [
            SlotPictures(group.frames, to_device(np.stack([frames[at].picture for at in group.frames]), self._device))
            for group in groups
        ]
        nowhere, nothing = np.zeros((len(steps), 4), np.float32), np.zeros(len(steps), bool)
        boxes = StepBoxes(steps.frames, np.stack(steps.part_boxes), np.stack(steps.present), nowhere, nothing)
        return step_features(boxes, [lease.meta for lease in frames], pictures, self._extractor, self._device)

    def forget(self, camera: str) -> None:
        """The video is over: its tracks end."""
        self._scenes.forget(camera)


class _Seen:
    """Collects what is seen in a video, in the order of frames."""

    def __init__(self) -> None:
        self._rows: list[tuple[FrameMeta, SeenPerson]] = []
        self._keypoints: list[NDArray[np.float32]] = []
        """Of the rows with a step, in their order; so are the numbers."""
        self._numbers: list[int] = []
        self._pooled: list[VisualInput] = []
        self.roi_bytes = 0
        self._steps = 0

    def add(self, work: Sequence[FramePeople], steps: BatchSteps, visual: VisualInput | None) -> None:
        """Keep everybody seen in a batch but for the rehearsal, frame -1."""
        for frame in work:
            for seen in frame.seen:
                if frame.meta.frame < 0 or seen.tracked.detection < 0:
                    continue
                self._rows.append((frame.meta, seen))
                if seen.step is not None:
                    self._keypoints.append(steps.steps[seen.step].keypoints)
                    self._numbers.append(self._steps + seen.step)
        self._steps += len(steps)
        if visual is not None:
            kept = [tensor[: len(steps)].to("cpu", torch.float16) for tensor in (visual.parts, visual.objects)]
            self._pooled.append(VisualInput(*kept))
            self.roi_bytes += sum(tensor.nbytes for tensor in kept)

    def taken(self) -> tuple[Sightings, RoiVectors | None]:
        """All of it, track by track."""
        people = [seen for _, seen in self._rows]
        track = np.array([seen.tracked.track for seen in people], np.int32)
        order = np.argsort(track, kind="stable")
        step = np.array([seen.step is not None for seen in people], bool)
        # Which of the steps, in the order of frames, each sighting's is.
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
            keypoints=np.array(self._keypoints, np.float32).reshape(-1, KEYPOINTS, 3)[of_step],
        )
        if not self._pooled:
            return seen, None
        rows = torch.from_numpy(np.array(self._numbers, np.int64)[of_step])
        pooled = (torch.cat(tensors)[rows] for tensors in zip(*(one[:2] for one in self._pooled), strict=True))
        return seen, RoiVectors(*pooled)
