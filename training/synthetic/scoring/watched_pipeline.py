"""The live pipeline with access to unpublished values: detections, scores of all part states, and effort.

The published answers are unchanged. The other values belong to the last batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ring_buffers.frames import Lease
from stages.checkpoint import Checkpoint
from stages.detection.detections import Detector
from stages.people.people_tracker import FramePeople
from stages.pipeline import Pipeline
from stages.settings import PipelineSettings
from stages.step_scores import StepScores
from stages.types import FrameAnalysis, Model
from telemetry.observer import Observer
from training.synthetic.scoring.answers import Effort, Pair
from training.synthetic.scoring.detectors import FrameDetector

LEARNED_STAGES = frozenset(
    {"geometry", "roi_features", "part_relevance", "part_states", "language_priors", "part_graph", "action_lstm"}
)


class WatchedModel(Model, Protocol):
    """A model with access to unpublished values."""

    pairs: tuple[Pair, ...]

    def detections(self, frame: int) -> NDArray[np.float32] | None:
        """Return the detections [K, 56], in input pixels, in a frame of the last batch; None: unknown."""
        ...

    def state_scores(self, frame: int, track: int) -> NDArray[np.float32] | None:
        """Return the scores [pairs] of a person's last step at a frame of the last batch; None: unknown."""
        ...

    @property
    def effort(self) -> Effort:
        """Steps and seconds of the learned stages so far."""
        ...


class WatchedPipeline(Pipeline):
    """A pipeline that implements `WatchedModel`."""

    def __init__(
        self,
        detector: Detector,
        frames: FrameDetector | None,
        checkpoint: Checkpoint,
        settings: PipelineSettings,
        device: torch.device | str = "cpu",
    ) -> None:
        """`frames`: the detector's network, if it keeps its detections."""
        self._stopwatch = _Stopwatch()
        super().__init__(detector, checkpoint, settings, device, self._stopwatch)
        vocabulary = checkpoint.vocabulary
        self.pairs: tuple[Pair, ...] = tuple((part, state.label) for part, state in vocabulary.pairs())
        self._pair_mask = vocabulary.mask()
        self._frame_detector = frames
        self._person_score = settings.thresholds(detector.default_thresholds).person_score
        self._steps = 0
        self._batch: dict[int, dict[int, NDArray[np.float32]]] = {}
        self._last: dict[int, NDArray[np.float32]] = {}

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Process a batch as the pipeline does."""
        self._batch.clear()
        if self._frame_detector is not None:
            self._frame_detector.expect([lease.meta for lease in frames])
        return super().process(frames)

    def forget(self, camera: str) -> None:
        """Forget a camera as the pipeline does."""
        self._last.clear()
        super().forget(camera)

    def detections(self, frame: int) -> NDArray[np.float32] | None:
        """Return the detections that reach the tracker, [K, 56] in input pixels; None without keypoints."""
        if self._frame_detector is None:
            return None
        rows = self._frame_detector.found(frame)
        return rows[rows[:, 4] >= self._person_score]

    def state_scores(self, frame: int, track: int) -> NDArray[np.float32] | None:
        """Return the scores [pairs] of a person's last step; None before their first."""
        return self._batch[frame].get(track)

    @property
    def effort(self) -> Effort:
        """Steps of people, and seconds in the learned stages."""
        return Effort(self._steps, self._stopwatch.seconds)

    def _analysis(self, frame: FramePeople, scores: StepScores | None) -> FrameAnalysis:
        for seen in frame.seen:
            if seen.step is not None and scores is not None:
                self._steps += 1
                self._last[seen.tracked.track] = scores.states[seen.step][self._pair_mask]
        tracks = [seen.tracked.track for seen in frame.seen]
        self._batch[frame.meta.frame] = {track: self._last[track] for track in tracks if track in self._last}
        return super()._analysis(frame, scores)


class _Stopwatch(Observer):
    """The total time of the learned stages."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def stage_done(self, stage: str, seconds: float) -> None:
        if stage in LEARNED_STAGES:
            self.seconds += seconds
