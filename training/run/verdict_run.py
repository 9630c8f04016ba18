"""A run in which a checkpoint learns from the verdicts of people on what it said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.checkpoint import Checkpoint
from stages.verdicts.verdict_file import NEW_ACTION
from training.annotated_videos.feature_cache import Progress
from training.run.clip_run import ClipRun, grown, open_start, watching
from training.run.learned_from import learned_before
from training.run.learning.warm_start import from_keypoints_alone
from training.sequences.source import Source
from training.settings.run_config import TrainingConfig
from training.sources.terms import DataFolderError
from training.sources.verdicts.verdict_clips import SOURCE, VerdictClips, open_verdicts
from training.sources.verdicts.verdict_tracks import VerdictTracks


@dataclass(frozen=True, slots=True, eq=False)
class VerdictRun(ClipRun):
    """A run that learns verdicts."""

    name: ClassVar[str] = SOURCE
    clips: VerdictClips

    def source(self, seed: int) -> Source:
        """Return the source of training sequences."""
        return VerdictTracks(self.clips.clips, self.vocabulary, seed)


def open_verdict_run(
    config: TrainingConfig, workers: int = 1, progress: Progress | None = None, cache: Path | None = None
) -> VerdictRun:
    """Read the checkpoint and the verdicts of `data.verdicts`, and watch their clips.

    Raises TrainingError for a checkpoint that cannot be used or results that cannot be written, `WeightsError` for one
    that cannot be read or without the detector, and `DataFolderError` for a folder that cannot be used.
    """
    verdicts = config.data.verdicts
    if verdicts.folder is None:
        raise ValueError("the configuration has no verdicts")
    start = open_start(config)
    before = learned_before(config.start, start)
    with watching(verdicts.folder):
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
