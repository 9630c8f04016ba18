"""Held-out data of a run: recorded people, a folder's held-out videos, or generated sequences.

If recorded people are held out, they select the weights and fit the temperature, all on the same sequences. Of
generated motion, selection, calibration and test use separate draws. Of a folder's videos, the validation half selects
and calibrates, the test half gives the reported figures.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from stages.heads.network import ActionNetwork
from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Clip, Folder
from training.run.clip_run import ClipRun, ExampleRun, VerdictRun
from training.run.learning.batches import generates
from training.run.learning.training_run import TrainingError
from training.run.validation.clip_evaluation import calibrate_clips, evaluate_clips
from training.run.validation.generated_evaluation import calibrate, evaluate
from training.run.validation.learned_clips import KnownActions, example_figures, verdict_figures
from training.run.validation.recorded_evaluation import RecordedEvaluation
from training.run.validation.selection import Metric, clip_metric, generated_metric
from training.settings.run_config import TrainingConfig
from training.sources.recorded import RecordedMotion

TEST_SEED, SELECTION_SEED, CALIBRATION_SEED = 1000, 2000, 3000
"""Added to the run's seed, so that the three uses share no draw."""

logger = logging.getLogger(__name__)


class HeldOut:
    """Held-out data of a run. Recorded people select and calibrate, else a folder's videos, else generated motion."""

    def __init__(
        self,
        config: TrainingConfig,
        motions: Path,
        videos: Folder | None,
        recorded: RecordedMotion | None = None,
        vocabulary: Vocabulary | None = None,
        clips: ClipRun | None = None,
    ) -> None:
        """Raises TrainingError if no recorded person is held out and nothing else can select the weights."""
        self._config, self._motions, self._videos, self._recorded = config, motions, videos, recorded
        available = {*(() if recorded is None else recorded.available), *(() if clips is None else (clips.name,))}
        self._generates = generates(config, available)
        self._people: RecordedEvaluation | None = None
        if recorded is not None and vocabulary is not None:
            count, seed = config.evaluation.selection_sequences, config.seed + SELECTION_SEED
            try:
                self._people = RecordedEvaluation(
                    recorded, vocabulary, sequences=count, window=config.data.window, seed=seed
                )
            except ValueError as error:
                if videos is None and not self._generates:
                    raise TrainingError(str(error)) from None
                other = "generated sequences" if videos is None else "held-out videos"
                logger.warning("%s; %s select the weights instead", error, other)
        self._clips = clips

    def selection_metric(self, vocabulary: Vocabulary, device: torch.device) -> Metric:
        """Return the metric that selects the weights. Raises TrainingError without validation videos."""
        config, window = self._config.evaluation, self._config.data.window
        if self._people is not None:
            return self._people.metric
        if self._videos is None:
            seed = self._config.seed + SELECTION_SEED
            return generated_metric(self._motions, vocabulary, config.selection_sequences, window, seed, device)
        if not self._validation_clips:
            raise TrainingError(
                f"{self._videos.root}: no video is held out to select the weights; raise data.held_out_share, add "
                "videos, or set evaluation.every to 0"
            )

        return clip_metric(self._validation_clips, window, config.select)

    def calibrate(self, network: ActionNetwork) -> None:
        """Fit the temperature of the network's action scores, if the run asks for it and has data for it."""
        count, window = self._config.evaluation.calibration_sequences, self._config.data.window
        if not count:
            return
        if self._people is not None:
            self._people.calibrate(network)
        elif self._videos is None:
            seed = self._config.seed + CALIBRATION_SEED
            calibrate(network, self._motions, count, seed=seed, window=window)
        elif self._validation_clips:
            calibrate_clips(network, self._validation_clips, window)

    def figures(self, network: ActionNetwork) -> dict[str, Any]:
        """Return the final figures: `held_out` for generated sequences, `held_out_videos` for a folder's videos,
        `held_out_people` for recorded motion, which also selected the weights; `held_out_examples` and
        `held_out_verdicts` for clips."""
        count, window, found = self._config.evaluation.sequences, self._config.data.window, dict[str, Any]()
        if self._clips is not None:
            found[f"held_out_{self._clips.name}"] = self._clip_figures(self._clips, network)
        elif self._generates and count:
            seed = self._config.seed + TEST_SEED
            found["held_out"] = evaluate(network, self._motions, count, seed=seed, window=window)
        if self._videos is not None and self._test_clips:
            found["held_out_videos"] = evaluate_clips(network, self._test_clips, window)
        if self._people is not None:
            found["held_out_people"] = self._people.figures(network)
        return found

    def _clip_figures(self, run: ClipRun, network: ActionNetwork) -> dict[str, Any]:
        """Return the figures of held-out clips and of the actions that the start knew."""
        count, window = self._config.evaluation.sequences if self._generates else 0, self._config.data.window
        seed = self._config.seed + TEST_SEED
        known = KnownActions(run.start.network.vocabulary, self._motions, count, window=window, seed=seed)
        if isinstance(run, VerdictRun):
            return verdict_figures(run, known, network, window)
        assert isinstance(run, ExampleRun)
        return example_figures(run, known, network, window)

    def data(self) -> dict[str, Any]:
        """Return the summaries of the folder and of the recorded motion for a checkpoint's metrics."""
        return {
            **({} if self._videos is None else {"data": self._videos.summary()}),
            **({} if self._recorded is None else {"recorded": self._recorded.summary()}),
            **({} if self._clips is None else {self._clips.name: self._clips.clips.summary()}),
        }

    @property
    def _validation_clips(self) -> list[Clip]:
        return [] if self._videos is None else self._videos.clips["validation"]

    @property
    def _test_clips(self) -> list[Clip]:
        """The test clips; with a single held-out video, the validation clip (docs/train-your-own.md)."""
        return [] if self._videos is None else self._videos.clips["test"] or self._videos.clips["validation"]
