"""Held-out data of a run: generated sequences that training never sees, a folder's held-out videos, or both.

Selection, calibration and test use separate draws of generated sequences. Of the videos, the validation half selects
and calibrates, the test half gives the reported figures.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from stages.vocabulary import Vocabulary
from training.annotated_videos.clip_pictures import LostVideoError
from training.annotated_videos.clips import Clip, Folder
from training.run.learning.batches import folder_rows
from training.run.learning.learned import Learned
from training.run.learning.training_run import TrainingError
from training.run.validation.clip_evaluation import calibrate_clips, evaluate_clips
from training.run.validation.generated_evaluation import calibrate, evaluate
from training.run.validation.selection import Metric, clip_metric, generated_metric
from training.settings.run_config import TrainingConfig

TEST_SEED, SELECTION_SEED, CALIBRATION_SEED = 1000, 2000, 3000
"""Added to the run's seed, so that the three uses share no draw."""

logger = logging.getLogger(__name__)

Figures = TypeVar("Figures")


class HeldOut:
    """Held-out data of a run. With a folder its videos select and calibrate, because they went through the detector."""

    def __init__(self, config: TrainingConfig, motions: Path, videos: Folder | None) -> None:
        self._config, self._motions, self._videos = config, motions, videos
        self._generates = folder_rows(config) < config.data.batch
        self.lost: dict[str, str] = {}
        """Held-out videos that could no longer be read and are left out, with the reason."""

    def selection_metric(self, vocabulary: Vocabulary, device: torch.device) -> Metric:
        """Return the metric that selects the weights. Raises TrainingError without validation videos."""
        config, window = self._config.evaluation, self._config.data.window
        if self._videos is None:
            seed = self._config.seed + SELECTION_SEED
            return generated_metric(self._motions, vocabulary, config.selection_sequences, window, seed, device)
        if not self._validation_clips:
            raise TrainingError(
                f"{self._videos.root}: no video is held out to select the weights; raise data.held_out_share, add "
                "videos, or set evaluation.every to 0"
            )

        def metric(learned: Learned) -> float:
            found = self._of_readable(
                self._validation_clips, lambda clips: clip_metric(clips, window, config.select)(learned)
            )
            if found is None:
                raise TrainingError(
                    f"none of the videos that select the weights can be read any more: {'; '.join(self.lost.values())}"
                )
            return found

        return metric

    def calibrate(self, learned: Learned) -> None:
        """Fit the temperature of the network's action scores, if the run asks for it and has data for it."""
        count, window = self._config.evaluation.calibration_sequences, self._config.data.window
        if not count:
            return
        if self._videos is None:
            seed = self._config.seed + CALIBRATION_SEED
            calibrate(learned.network, self._motions, count, seed=seed, window=window)
        elif self._validation_clips:
            self._of_readable(
                self._validation_clips, lambda clips: calibrate_clips(learned.network, clips, window, learned.extractor)
            )

    def figures(self, learned: Learned) -> dict[str, Any]:
        """Return the final figures: `held_out` for generated sequences, `held_out_videos` for videos."""
        count, window, found = self._config.evaluation.sequences, self._config.data.window, dict[str, Any]()
        if self._generates and count:
            seed = self._config.seed + TEST_SEED
            found["held_out"] = evaluate(learned.network, self._motions, count, seed=seed, window=window)
        if self._videos is not None and self._test_clips:
            figures = self._of_readable(
                self._test_clips, lambda clips: evaluate_clips(learned.network, clips, window, learned.extractor)
            )
            if figures is not None:
                found["held_out_videos"] = figures
        return found

    def _of_readable(self, clips: Sequence[Clip], ask: Callable[[Sequence[Clip]], Figures]) -> Figures | None:
        """Return `ask` of the clips that can still be read; None if there is none.

        With a tuned extractor, pictures are read at each evaluation.
        """
        while left := [clip for clip in clips if clip.name not in self.lost]:
            try:
                return ask(left)
            except LostVideoError as error:
                logger.warning("%s; this held-out video is left out from now on", error)
                self.lost[error.clip.name] = str(error)
        return None

    def data(self) -> dict[str, Any]:
        """Return the folder's summary for a checkpoint's metrics."""
        return {} if self._videos is None else {"data": self._videos.summary()}

    @property
    def _validation_clips(self) -> list[Clip]:
        return [] if self._videos is None else self._videos.clips["validation"]

    @property
    def _test_clips(self) -> list[Clip]:
        """The test clips; with a single held-out video, the validation clip (docs/train-your-own.md)."""
        return [] if self._videos is None else self._videos.clips["test"] or self._videos.clips["validation"]
