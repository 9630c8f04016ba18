"""A run in which a checkpoint goes on to learn from clips of people: what it starts from, and its vocabulary."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from stages.checkpoint import Checkpoint
from stages.language.prior_table import PriorTable
from stages.profiles import load_checkpoint
from stages.vocabulary import Vocabulary
from training.run.data_folder import KILLED
from training.run.learning.training_run import TrainingError
from training.run.learning.warm_start import from_keypoints_alone
from training.run.starting_sizes import model_of_start
from training.sequences.source import Source
from training.settings.model_config import ModelConfig
from training.settings.run_config import TrainingConfig


class LearnedClips(Protocol):
    """The clips of a run."""

    @property
    def folder(self) -> Path:
        """The folder that they are in."""
        ...

    @property
    def fingerprint(self) -> str:
        """One text for the clips, what is seen in them, their labels and roles."""
        ...

    def summary(self) -> dict[str, Any]:
        """Return what was learned from, for a checkpoint's metrics."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ClipRun(ABC):
    """The clips, the checkpoint `start` that learns them, without regions, and the vocabulary of the result."""

    name: ClassVar[str]
    """The name of the clips' source, and of their section in the configuration."""

    clips: LearnedClips
    start: Checkpoint
    vocabulary: Vocabulary

    @property
    def new(self) -> tuple[str, ...]:
        """The actions that the checkpoint did not know."""
        return self.vocabulary.actions[len(self.start.network.vocabulary.actions) :]

    @abstractmethod
    def source(self, seed: int) -> Source:
        """Return the source of training sequences."""

    def priors(self) -> PriorTable:
        """Return the language table. It depends on parts and their states alone, which stay those of the checkpoint."""
        network = self.start.network
        rows = network.language_priors.table.cpu() if network.config.language else None
        if rows is None:
            raise TrainingError("start: the checkpoint has no language table; use one that has, such as edge")
        model, metrics = self.start.language_model, self.start.language_model_sha256
        return PriorTable(rows, model, metrics)


def open_start(config: TrainingConfig) -> Checkpoint:
    """Read the checkpoint `start` and return it without regions.

    Raises TrainingError for one that reads no keypoints, and `WeightsError` for one that cannot be read.
    """
    if config.start is None:
        raise ValueError("the configuration has no checkpoint to start from")
    start = load_checkpoint(config.start)
    if start.detector is not None or not start.network.config.geometry:
        raise TrainingError(
            f"start: {config.start}: reads no keypoints, which clips are learned from; use another checkpoint, such as "
            "edge"
        )
    return from_keypoints_alone(start)


@contextmanager
def watching(folder: str) -> Generator[None]:
    """Turn the errors of watching a folder of clips that are not about their content into TrainingError."""
    try:
        yield
    except BrokenProcessPool:
        raise TrainingError(f"{folder}: {KILLED}") from None
    except OSError as error:
        name = error.filename or folder
        raise TrainingError(f"{name}: can't be read or written: {error.strerror or error}") from None


def grown(vocabulary: Vocabulary, actions: Sequence[str]) -> Vocabulary:
    """Return the vocabulary with those of the actions that it lacks, after its own."""
    new = [action for action in actions if action not in vocabulary.actions]
    return dataclasses.replace(vocabulary, actions=(*vocabulary.actions, *new))


def for_clips(config: TrainingConfig, run: ClipRun) -> TrainingConfig:
    """Return the configuration with the starting network's sizes and onsets, and the odds of new actions at the end.

    Raises TrainingError for a network that this version cannot train.
    """
    sizes = dataclasses.asdict(run.start.network.config)
    model = {name: sizes[name] for name in ModelConfig.model_fields if name in sizes and not name.startswith("visual")}
    trained = run.start.window
    window = {} if trained is None or "window" in config.data.model_fields_set else {"window": trained}
    section = config.data.clips
    odds = dict.fromkeys(run.new, 1.0 if section is None else section.odds) | config.actions.prevalence
    onset = {**run.start.smoothing.onset, **config.actions.onset}
    return config.model_copy(
        update={
            "profile": run.start.profile,
            "model": model_of_start({**model, "language_model": run.start.language_model}, config.start),
            "data": config.data.model_copy(update=window),
            "actions": config.actions.model_copy(update={"prevalence": odds, "onset": onset}),
        }
    )
