"""What a checkpoint records of its run: sources with the terms that follow, commit, versions, and the command."""

from __future__ import annotations

import platform
import shlex
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from stages.checkpoint import Checkpoint
from stages.packaged_checkpoints import EDGE_OPEN, summary
from stages.profiles import load_checkpoint
from stages.weight_terms import ANY_USE, LIMITED_USE, UNKNOWN, LearnedSource, WeightTerms, annotated_videos
from training.annotated_videos.clips import Folder
from training.run.learning.training_run import TrainingError
from training.settings.run_config import TrainingConfig
from training.sources.recorded import RecordedMotion
from training.sources.verdicts.verdict_clips import learned_units
from training.synthetic.videos.making import note_file

PACKAGES = ("partstream", "torch", "numpy", "scipy")


def provenance(device: torch.device) -> dict[str, Any]:
    """Return `commit` (None outside a git working tree; `-dirty` with changed files), `versions` and `device`."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "commit": commit(),
        "versions": versions,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def commit() -> str | None:
    """Return the commit of this code's working tree, None without one or without git."""
    # An installed copy may lie in another project's working tree; this file is not tracked there.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def portable_config(config: TrainingConfig) -> dict[str, Any]:
    """Return the configuration for a checkpoint, with absolute paths reduced to their last name."""
    content = config.model_dump(mode="json")
    places: tuple[tuple[dict[str, Any], str], ...] = (
        (content["data"], "folder"),
        (content["data"]["recorded"], "folder"),
        (content["data"]["examples"], "folder"),
        (content["data"]["verdicts"], "folder"),
        (content, "start"),
        (content["model"], "detector"),
        (content["model"]["vgg"], "weights"),
    )
    for section, name in places:
        if section[name] is not None and Path(section[name]).is_absolute():
            section[name] = Path(section[name]).name
    return content


def _git(*words: str) -> str | None:
    try:
        found = subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def training_command(config: TrainingConfig, out: Path, file: Path | None = None) -> str:
    """Return the command that repeats the run, with file names only; the checkpoint has the configuration."""
    words = ["partstream", "train", "--profile", config.profile]
    if file is not None:
        words += ["--config", file.name]
    clips = config.data.clips
    data = config.data.folder if clips is None else clips.folder
    if data is not None:
        words += ["--data", Path(data).name]
    if config.data.recorded.folder is not None:
        words += ["--recorded", Path(config.data.recorded.folder).name]
    if config.start is not None:
        words += ["--from", Path(config.start).name]
    words += ["--steps", str(config.steps), "--seed", str(config.seed), "--device", config.device, "--out", out.name]
    return shlex.join(words)


def initial_terms(config: TrainingConfig) -> WeightTerms:
    """Return the terms of the initial weights. Raises `WeightsError` if their checkpoint cannot be read."""
    return WeightTerms() if config.start is None else summary(config.start).terms


def initial_units(config: TrainingConfig) -> frozenset[str]:
    """Return the units of verdicts that the initial weights learned.

    Raises `WeightsError` if their checkpoint cannot be read, and TrainingError if it does not say what it learned.
    """
    return frozenset() if config.start is None else learned_before(config.start, load_checkpoint(config.start))


def learned_before(name: str | None, start: Checkpoint) -> frozenset[str]:
    """Return the units of verdicts that the checkpoint `start`, named `name`, or one before it learned.

    Raises TrainingError if it learned from verdicts and does not say from which units.
    """
    try:
        return learned_units(start.metrics)
    except ValueError as error:
        raise TrainingError(f"start: {name}: {error}") from None


def resulting_terms(
    initial: WeightTerms, videos: Folder | None, recorded: RecordedMotion | None, clips: str | None = None
) -> WeightTerms:
    """Return the terms of weights that start from `initial` and learn from these videos and this recorded motion.

    `clips`: the name of the folder of clips from which a checkpoint learns further, if there is one.
    """
    terms = initial
    if recorded is not None:
        terms = terms.with_sources(
            *(
                LearnedSource(name, facts["dataset"], facts["terms"], facts["any_use"])
                for name, facts in recorded.summary()["sources"].items()
            )
        )
    if videos is not None and not _generated(videos):
        terms = terms.with_sources(annotated_videos(videos.root.name))
    if clips is not None:
        terms = terms.with_sources(annotated_videos(clips))
    return terms


def check_profile(profile: str, terms: WeightTerms) -> None:
    """Raise TrainingError if weights of a profile that is for any use would learn from sources with limits, or start
    from weights with unknown terms.

    Your own videos are allowed, because you know their terms.
    """
    if profile == EDGE_OPEN and (terms.use == LIMITED_USE or UNKNOWN in terms.sources):
        raise TrainingError(
            f"profile {EDGE_OPEN} is for {ANY_USE}, but these weights would learn from "
            f"{', '.join(map(str, terms.limiting))}. Leave them out (data.recorded.terms, data.recorded.also, start, "
            "data.folder), or train profile edge"
        )


def _generated(videos: Folder) -> bool:
    """Return whether all videos were made by `partstream data generate`, which leaves a note of each."""
    return all(note_file(videos.root, clip.name).is_file() for clips in videos.clips.values() for clip in clips)
