"""The data folder of a training configuration, watched and labelled for its network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from stages.packaged_checkpoints import vocabulary_of
from stages.region_features.roi_features import RoiConfig
from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Folder, open_folder
from training.annotated_videos.feature_cache import Progress
from training.annotated_videos.region_sources import detector_source, feature_source
from training.annotated_videos.watching import WatchSettings
from training.run.learning.training_run import TrainingError, network_sizes
from training.settings.run_config import TrainingConfig


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
