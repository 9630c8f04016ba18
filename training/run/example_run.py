"""A run that adds actions to a checkpoint from a few clips of each: what it starts from, and its vocabulary."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from stages.checkpoint import Checkpoint
from stages.language.prior_table import PriorTable
from stages.profiles import load_checkpoint
from stages.vocabulary import Vocabulary
from training.annotated_videos.feature_cache import Progress
from training.run.data_folder import KILLED
from training.run.learning.training_run import TrainingError
from training.run.starting_sizes import model_of_start
from training.run.validation.without_regions import from_keypoints_alone
from training.sequences.source import Source
from training.settings.model_config import ModelConfig
from training.settings.run_config import TrainingConfig
from training.sources.examples.example_clips import SOURCE, ExampleClips, open_examples
from training.sources.examples.example_tracks import ExampleTracks


@dataclass(frozen=True, slots=True, eq=False)
class ExampleRun:
    """The clips, the checkpoint `start` that learns them, without regions, and the vocabulary of the result."""

    clips: ExampleClips
    start: Checkpoint
    vocabulary: Vocabulary

    @property
    def new(self) -> tuple[str, ...]:
        """The actions that the checkpoint did not know."""
        return self.vocabulary.actions[len(self.start.network.vocabulary.actions) :]

    def source(self, seed: int) -> dict[str, Source]:
        """Return the source of training sequences, by its name."""
        return {SOURCE: ExampleTracks(self.clips.videos, self.vocabulary, seed)}

    def priors(self) -> PriorTable:
        """Return the language table. It depends on parts and their states alone, which stay those of the checkpoint."""
        network = self.start.network
        rows = network.language_priors.table.cpu() if network.config.language else None
        if rows is None:
            raise TrainingError("start: the checkpoint has no language table; use one that has, such as edge")
        model, metrics = self.start.language_model, self.start.language_model_sha256
        return PriorTable(rows, model, metrics, self.vocabulary.sha256())


def open_example_run(
    config: TrainingConfig, workers: int = 1, progress: Progress | None = None, cache: Path | None = None
) -> ExampleRun:
    """Read the checkpoint and watch the clips of `data.examples`.

    Raises TrainingError for a checkpoint that cannot be used or results that cannot be written, `WeightsError` for one
    that cannot be read or without the detector, and `DataFolderError` for a folder that cannot be used.
    """
    examples = config.data.examples
    if examples.folder is None or config.start is None:
        raise ValueError("the configuration has no examples, or no checkpoint to start from")
    start = load_checkpoint(config.start)
    if start.detector is not None or not start.network.config.geometry:
        raise TrainingError(
            f"start: {config.start}: reads no keypoints, which examples are learned from; use another checkpoint, such "
            "as edge"
        )
    try:
        clips = open_examples(
            Path(examples.folder), hold_out=examples.hold_out, workers=workers, progress=progress, cache=cache
        )
    except BrokenProcessPool:
        raise TrainingError(f"{examples.folder}: {KILLED}") from None
    except OSError as error:
        name = error.filename or examples.folder
        raise TrainingError(f"{name}: can't be read or written: {error.strerror or error}") from None
    return example_run(clips, start)


def example_run(clips: ExampleClips, start: Checkpoint) -> ExampleRun:
    """Return the run that teaches a checkpoint these clips."""
    alone = from_keypoints_alone(start)
    return ExampleRun(clips, alone, grown(alone.network.vocabulary, clips.actions))


def grown(vocabulary: Vocabulary, actions: Sequence[str]) -> Vocabulary:
    """Return the vocabulary with those of the actions that it lacks, after its own."""
    new = [action for action in actions if action not in vocabulary.actions]
    return dataclasses.replace(vocabulary, actions=(*vocabulary.actions, *new))


def for_examples(config: TrainingConfig, run: ExampleRun) -> TrainingConfig:
    """Return the configuration with the starting network's sizes and onsets, and the odds of new actions at the end.

    Raises TrainingError for a network that this version cannot train.
    """
    sizes = run.start.network.config.to_dict()
    model = {name: sizes[name] for name in ModelConfig.model_fields if name in sizes and not name.startswith("visual")}
    trained = run.start.window
    window = {} if trained is None or "window" in config.data.model_fields_set else {"window": trained}
    odds = dict.fromkeys(run.new, config.data.examples.odds) | config.actions.prevalence
    onset = {**run.start.smoothing.onset, **config.actions.onset}
    return config.model_copy(
        update={
            "profile": run.start.profile,
            "model": model_of_start({**model, "language_model": run.start.language_model}, config.start),
            "data": config.data.model_copy(update=window),
            "actions": config.actions.model_copy(update={"prevalence": odds, "onset": onset}),
        }
    )
