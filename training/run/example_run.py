"""A run that adds actions to a checkpoint from a few clips of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.checkpoint import Checkpoint
from training.annotated_videos.feature_cache import Progress
from training.run.clip_run import ClipRun, grown, open_start, watching
from training.run.learning.warm_start import from_keypoints_alone
from training.sequences.source import Source
from training.settings.run_config import TrainingConfig
from training.sources.examples.example_clips import SOURCE, ExampleClips, open_examples
from training.sources.examples.example_tracks import ExampleTracks


@dataclass(frozen=True, slots=True, eq=False)
class ExampleRun(ClipRun):
    """A run that learns examples."""

    name: ClassVar[str] = SOURCE
    clips: ExampleClips

    def source(self, seed: int) -> Source:
        """Return the source of training sequences."""
        return ExampleTracks(self.clips.videos, self.vocabulary, seed)


def open_example_run(
    config: TrainingConfig, workers: int = 1, progress: Progress | None = None, cache: Path | None = None
) -> ExampleRun:
    """Read the checkpoint and watch the clips of `data.examples`.

    Raises TrainingError for a checkpoint that cannot be used or results that cannot be written, `WeightsError` for one
    that cannot be read or without the detector, and `DataFolderError` for a folder that cannot be used.
    """
    examples = config.data.examples
    if examples.folder is None:
        raise ValueError("the configuration has no examples")
    start = open_start(config)
    with watching(examples.folder):
        clips = open_examples(
            Path(examples.folder), hold_out=examples.hold_out, workers=workers, progress=progress, cache=cache
        )
    return example_run(clips, start)


def example_run(clips: ExampleClips, start: Checkpoint) -> ExampleRun:
    """Return the run that teaches a checkpoint these clips."""
    alone = from_keypoints_alone(start)
    return ExampleRun(clips, alone, grown(alone.network.vocabulary, clips.actions))
