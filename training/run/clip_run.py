"""What a run learns from: the data folder of its configuration, or clips from which a checkpoint learns further.

A data folder is watched and labelled for the run's network. Clips are examples of new actions, or verdicts on what the
checkpoint said.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from stages.checkpoint import Checkpoint
from stages.language.prior_table import PriorTable
from stages.packaged_checkpoints import vocabulary_of
from stages.profiles import load_checkpoint
from stages.region_features.roi_features import RoiConfig
from stages.settings_file import error_text
from stages.verdicts.verdict_file import NEW_ACTION
from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Folder, open_folder
from training.annotated_videos.feature_cache import Progress
from training.annotated_videos.region_sources import detector_source, feature_source
from training.annotated_videos.watching import WatchSettings
from training.run.learning.training_run import TrainingError, network_sizes
from training.run.learning.warm_start import from_keypoints_alone
from training.run.record import learned_before
from training.sequences import Source
from training.settings.run_config import ModelConfig, TrainingConfig
from training.sources.examples.example_clips import SOURCE as EXAMPLES
from training.sources.examples.example_clips import ExampleClips, open_examples
from training.sources.terms import DataFolderError
from training.sources.tracks import ExampleTracks, VerdictTracks
from training.sources.verdicts.verdict_clips import SOURCE as VERDICTS
from training.sources.verdicts.verdict_clips import VerdictClips, open_verdicts


def watch_settings(config: TrainingConfig) -> WatchSettings:
    """Return settings that look at the whole picture of every frame, with the RoI features that the network reads."""
    network, source = network_sizes(config.model), feature_source(config)
    roi = RoiConfig.of(network) if network.visual and source is None else None
    return WatchSettings(roi=roi, vgg=source, detector=detector_source(config))


def learned_vocabulary(config: TrainingConfig) -> Vocabulary:
    """Return the vocabulary of the profile without `data.without_actions`. Raises TrainingError for an unknown one."""
    whole, without = vocabulary_of(config.profile), set(config.data.without_actions)
    if unknown := sorted(without - set(whole.actions)):
        raise TrainingError(
            f"data.without_actions: profile {config.profile} has no action {', '.join(unknown)}; it has "
            f"{', '.join(whole.actions)}"
        )
    actions = tuple(action for action in whole.actions if action not in without)
    if not actions:
        raise TrainingError("data.without_actions: names all actions of the profile; leave out fewer")
    return dataclasses.replace(whole, actions=actions)


def watched_folder(config: TrainingConfig, workers: int = 1, progress: Progress | None = None) -> Folder:
    """Watch and label the videos of `data.folder`.

    Raises TrainingError if the vocabulary has none of the folder's actions, `DatasetError` for an unusable folder,
    `WeightsError` without the detector, and OSError if the results cannot be written.
    """
    data = config.data
    assert data.folder is not None
    own = data.vocabulary == "folder" or (data.vocabulary == "auto" and data.only_folder)
    videos = open_folder(
        Path(data.folder),
        watch_settings(config),
        vocabulary=None if own else learned_vocabulary(config),
        held_out_share=data.held_out_share,
        workers=workers,
        progress=progress,
    )
    if videos.unknown.actions and not any((clip.labels.action >= 0).any() for clip in videos.clips["train"]):
        names = ", ".join(sorted(videos.unknown.actions))
        raise TrainingError(
            f"{data.folder}: profile {config.profile} has none of its actions ({names:.200}); set data.folder_share "
            "to 1 to train a model of only these"
        )
    return videos


_OWN = frozenset({"dropout", "action_dropout", "part_dropout", "geometry"})
"""Settings of the network that do not depend on where a run starts, beside those of its regions."""


def with_sizes_of(config: TrainingConfig, start: Checkpoint) -> TrainingConfig:
    """Return the configuration with the sizes and stages of `start`'s network that it does not set itself.

    Raises TrainingError for a network that this version cannot train.
    """
    theirs = dataclasses.asdict(start.network.config)
    taken = {
        name: theirs[name]
        for name in ModelConfig.model_fields
        if name in theirs
        and name not in config.model.model_fields_set
        and name not in _OWN
        and not name.startswith("visual")
    }
    given = config.model.model_dump(exclude_unset=True)
    return config.model_copy(update={"model": model_of_start(given | taken, config.start)})


def model_of_start(settings: Mapping[str, Any], start: str | None) -> ModelConfig:
    """Return the section `model` with settings of the checkpoint `start`.

    Raises TrainingError for a network that this version cannot train.
    """
    try:
        return ModelConfig.model_validate(settings)
    except ValidationError as error:
        found = error_text(error, ModelConfig, command="partstream train config", show_values=True)
        raise TrainingError(f"start: {start}: its network can't be trained: {found}; use another checkpoint") from None


Clips = TypeVar("Clips", ExampleClips, VerdictClips)


@dataclass(frozen=True, eq=False)
class ClipRun(Generic[Clips]):
    """The clips, the checkpoint `start` that learns them, without regions, and the vocabulary of the result."""

    clips: Clips
    start: Checkpoint
    vocabulary: Vocabulary

    @property
    def name(self) -> str:
        """The name of the clips' source, and of their section in the configuration."""
        return EXAMPLES if isinstance(self.clips, ExampleClips) else VERDICTS

    @property
    def new(self) -> tuple[str, ...]:
        """The actions that the checkpoint did not know."""
        return self.vocabulary.actions[len(self.start.network.vocabulary.actions) :]

    def source(self, seed: int) -> Source:
        """Return the source of training sequences."""
        if isinstance(self.clips, ExampleClips):
            return ExampleTracks(self.clips.videos, self.vocabulary, seed)
        return VerdictTracks(self.clips.clips, self.vocabulary, seed)

    def priors(self) -> PriorTable:
        """Return the language table. It depends on parts and their states alone, which stay those of the checkpoint."""
        network = self.start.network
        if not network.config.language:
            raise TrainingError("start: the checkpoint has no language table; use one that has, such as edge")
        rows = network.language_priors.table.cpu()
        return PriorTable(rows, self.start.language_model, self.start.language_model_sha256)


ExampleRun = ClipRun[ExampleClips]
VerdictRun = ClipRun[VerdictClips]


def open_start(config: TrainingConfig) -> Checkpoint:
    """Read the checkpoint `start` and return it without regions.

    Raises TrainingError for one that reads no keypoints, and `WeightsError` for one that cannot be read.
    """
    assert config.start is not None
    start = load_checkpoint(config.start)
    if start.detector is not None or not start.network.config.geometry:
        raise TrainingError(
            f"start: {config.start}: reads no keypoints, which clips are learned from; use another checkpoint, such as "
            "edge"
        )
    return from_keypoints_alone(start)


def grown(vocabulary: Vocabulary, actions: Sequence[str]) -> Vocabulary:
    """Return the vocabulary with those of the actions that it lacks, after its own."""
    new = [action for action in actions if action not in vocabulary.actions]
    return dataclasses.replace(vocabulary, actions=(*vocabulary.actions, *new))


def for_clips(config: TrainingConfig, run: ClipRun[Any]) -> TrainingConfig:
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


def open_example_run(
    config: TrainingConfig, workers: int = 1, progress: Progress | None = None, cache: Path | None = None
) -> ExampleRun:
    """Read the checkpoint and watch the clips of `data.examples`.

    Raises TrainingError for a checkpoint that cannot be used, `WeightsError` for one that cannot be read or without the
    detector, `DataFolderError` for a folder that cannot be used, and OSError for results that cannot be written.
    """
    examples = config.data.examples
    assert examples.folder is not None
    start = open_start(config)
    clips = open_examples(
        Path(examples.folder), hold_out=examples.hold_out, workers=workers, progress=progress, cache=cache
    )
    return example_run(clips, start)


def example_run(clips: ExampleClips, start: Checkpoint) -> ExampleRun:
    """Return the run that teaches a checkpoint these clips."""
    alone = from_keypoints_alone(start)
    return ExampleRun(clips, alone, grown(alone.network.vocabulary, clips.actions))


def open_verdict_run(
    config: TrainingConfig, workers: int = 1, progress: Progress | None = None, cache: Path | None = None
) -> VerdictRun:
    """Read the checkpoint and the verdicts of `data.verdicts`, and watch their clips.

    Raises TrainingError for a checkpoint that cannot be used, `WeightsError` for one that cannot be read or without the
    detector, `DataFolderError` for a folder that cannot be used, and OSError for results that cannot be written.
    """
    verdicts = config.data.verdicts
    assert verdicts.folder is not None
    start = open_start(config)
    before = learned_before(config.start, start)
    clips = open_verdicts(
        Path(verdicts.folder),
        hold_out=verdicts.hold_out,
        learned_before=before,
        workers=workers,
        progress=progress,
        cache=cache,
    )
    return verdict_run(clips, start)


def verdict_run(clips: VerdictClips, start: Checkpoint) -> VerdictRun:
    """Return the run that teaches a checkpoint these verdicts.

    New actions are those that a verdict `really` names. Verdicts on other actions that the checkpoint does not have are
    left out. Raises `DataFolderError` if there is nothing to learn from, or no contrast in it.
    """
    alone = from_keypoints_alone(start)
    named = {one.verdict.truth or "" for _, one in clips.verdicts(held_out=False) if one.verdict.verdict == "really"}
    vocabulary = grown(alone.network.vocabulary, sorted(filter(NEW_ACTION.fullmatch, named)))
    known = clips.within(vocabulary.actions)
    _check_contrast(known)
    return VerdictRun(known, alone, vocabulary)


def _check_contrast(clips: VerdictClips) -> None:
    kinds = Counter(one.verdict.verdict for _, one in clips.verdicts(held_out=False))
    counted = "; ".join(
        f"{said}: {', '.join(f'{number} {verdict}' for verdict, number in verdicts.items())}"
        for said, verdicts in clips.counts(held_out=False).items()
    )
    rest = f"left out: {len(clips.left_out)}; damaged files: {len(clips.damaged)}"
    if not kinds and any(clips.verdicts(held_out=True)):
        raise DataFolderError(
            f"{clips.folder}: all verdicts that can be used are held out to be measured ({rest}). Judge clips of other "
            "times or cameras as well, or set data.verdicts.hold_out to false"
        )
    if not kinds:
        raise DataFolderError(
            f"{clips.folder}: holds no verdict to learn from ({rest}). {'; '.join(clips.left_out):.600}"
        )
    if len(kinds) == 1 and "really" not in kinds:
        (kind,) = kinds
        raise DataFolderError(
            f"{clips.folder}: all {kinds[kind]} verdicts to learn from are {kind} ({counted}; {rest}): nothing tells "
            f"right answers from wrong ones. Judge others as well that are "
            f"{'wrong' if kind == 'right' else 'right'}, or name what they really are"
        )
