"""What a run is judged by: generated sequences that training never sees, or a folder's held-out videos, or both.

A `HeldOut` owns its settings and the folder's clips, and knows which of them can't be read any more. What chooses the
weights, what the temperature is fitted on and what is reported are separate draws of generated sequences; of videos,
one half chooses and calibrates, the other is reported.
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
from training.run.validation.selection import Judge, by_generated_sequences, by_videos
from training.settings.run_config import TrainingConfig

REPORTED_SEED, SELECTION_SEED, CALIBRATION_SEED = 1000, 2000, 3000
"""Added to the run's seed: what is reported shares no draw with what chose the weights or the temperature."""

logger = logging.getLogger(__name__)

Figures = TypeVar("Figures")


class HeldOut:
    """Held-out data of a run. With a folder its videos choose and calibrate: they went through the real detector."""

    def __init__(self, config: TrainingConfig, motions: Path, videos: Folder | None) -> None:
        self._config, self._motions, self._videos = config, motions, videos
        self._generates = folder_rows(config) < config.data.batch
        self.lost: dict[str, str] = {}
        """Held-out videos that couldn't be read any more and are left out since, and why."""

    def judge(self, vocabulary: Vocabulary, device: torch.device) -> Judge:
        """What the weights are chosen by. Raises TrainingError where no video is held out for it."""
        config, window = self._config.evaluation, self._config.data.window
        if self._videos is None:
            seed = self._config.seed + SELECTION_SEED
            return by_generated_sequences(self._motions, vocabulary, config.selection_sequences, window, seed, device)
        if not self._choosing:
            raise TrainingError(
                f"{self._videos.root}: no video is held out to choose the weights by; raise data.held_out_share, add "
                "videos, or set evaluation.every to 0"
            )

        def judged(learned: Learned) -> float:
            found = self._of_readable(self._choosing, lambda clips: by_videos(clips, window, config.select)(learned))
            if found is None:
                raise TrainingError(
                    f"none of the videos to choose the weights by can be read any more: {'; '.join(self.lost.values())}"
                )
            return found

        return judged

    def calibrate(self, learned: Learned) -> None:
        """Fit the temperature of the network's action scores, if there is what to fit it on and the run wants it."""
        count, window = self._config.evaluation.calibration_sequences, self._config.data.window
        if not count:
            return
        if self._videos is None:
            seed = self._config.seed + CALIBRATION_SEED
            calibrate(learned.network, self._motions, count, seed=seed, window=window)
        elif self._choosing:
            self._of_readable(
                self._choosing, lambda clips: calibrate_clips(learned.network, clips, window, learned.extractor)
            )

    def figures(self, learned: Learned) -> dict[str, Any]:
        """The figures at the end: `held_out` of generated sequences, `held_out_videos` of videos."""
        count, window, found = self._config.evaluation.sequences, self._config.data.window, dict[str, Any]()
        if self._generates and count:
            seed = self._config.seed + REPORTED_SEED
            found["held_out"] = evaluate(learned.network, self._motions, count, seed=seed, window=window)
        if self._videos is not None and self._reported:
            figures = self._of_readable(
                self._reported, lambda clips: evaluate_clips(learned.network, clips, window, learned.extractor)
            )
            if figures is not None:
                found["held_out_videos"] = figures
        return found

    def _of_readable(self, clips: Sequence[Clip], ask: Callable[[Sequence[Clip]], Figures]) -> Figures | None:
        """What is asked of the clips, without those that can't be read any more: where features are tuned, pictures
        are read each time. None when none is left."""
        while left := [clip for clip in clips if clip.name not in self.lost]:
            try:
                return ask(left)
            except LostVideoError as error:
                logger.warning("%s; held out, it is left out from here on", error)
                self.lost[error.clip.name] = str(error)
        return None

    def data(self) -> dict[str, Any]:
        """What of the folder a checkpoint remembers."""
        return {} if self._videos is None else {"data": self._videos.summary()}

    @property
    def _choosing(self) -> list[Clip]:
        return [] if self._videos is None else self._videos.clips["choose"]

    @property
    def _reported(self) -> list[Clip]:
        """Where a single video is held out, it is reported too: better than no figure, and said in the document."""
        return [] if self._videos is None else self._videos.clips["report"] or self._videos.clips["choose"]
