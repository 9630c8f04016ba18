"""Recorded motion of a data folder, opened by the terms of a run's configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.vocabulary import Vocabulary
from training.annotated_videos.feature_cache import Progress, file_sha256
from training.kinetics_tps.video_roles import Role
from training.sequences import Source
from training.settings.run_config import RecordedConfig
from training.sources.captures import Captures
from training.sources.formats.importing import PUBLIC
from training.sources.motion_clips import MOTION, POSES, MotionClips, read_clips
from training.sources.poses import Poses
from training.sources.roles import roles
from training.sources.terms import DataFolderError, SourceFacts, permits_any_use, permitted, read_sources
from training.sources.tracks import Tracks
from training.sources.watched_videos import WatchedVideo, watch_data_folder


@dataclass(frozen=True, slots=True, eq=False)
class RecordedMotion:
    """The sources of a data folder that a run may learn from. `fingerprint`: one hash of their content.

    `also`: the sources that the configuration names, which permit any use if they state no terms.
    """

    folder: Path
    facts: Mapping[str, SourceFacts]
    captures: list[MotionClips] = field(default_factory=list[MotionClips])
    poses: list[MotionClips] = field(default_factory=list[MotionClips])
    videos: list[WatchedVideo] = field(default_factory=list[WatchedVideo])
    fingerprint: str = ""
    also: frozenset[str] = frozenset()

    @property
    def available(self) -> frozenset[str]:
        """The kinds of sources that have something to learn from: `captures`, `poses` and `tracks`."""
        kinds = {
            "captures": any(map(_teaches, self.captures)),
            "poses": any(map(_teaches, self.poses)),
            "tracks": any(video.role == "train" and (video.action >= 0).any() for video in self.videos),
        }
        return frozenset(name for name, there in kinds.items() if there)

    def source(self, kind: str, vocabulary: Vocabulary, seed: int, shares: Mapping[str, float], role: Role) -> Source:
        """Return a source of one kind. Raises ValueError if there is nothing to draw."""
        if kind == "tracks":
            return Tracks(self.videos, vocabulary, seed, role=role, shares=shares)
        if kind == "captures":
            return Captures(self.captures, vocabulary, seed, role=role, shares=shares)
        return Poses(self.poses, vocabulary, seed, role=role, shares=shares)

    def sources(self, vocabulary: Vocabulary, seed: int, shares: Mapping[str, float]) -> dict[str, Source]:
        """Return the training source of each available kind. Raises ValueError for wrong shares of actions."""
        return {kind: self.source(kind, vocabulary, seed, shares, "train") for kind in sorted(self.available)}

    def summary(self) -> dict[str, Any]:
        """Return what was learned from, for a checkpoint's metrics: sources with terms, numbers of clips and videos."""
        learned = {clips.source: int((roles(clips) == "train").sum()) for clips in (*self.captures, *self.poses)}
        for video in self.videos:
            learned[video.video.source] = learned.get(video.video.source, 0) + (video.role == "train")
        return {
            "folder": self.folder.name,
            "fingerprint": self.fingerprint,
            "sources": {
                name: {
                    "dataset": self.facts[name].dataset,
                    "terms": self.facts[name].terms,
                    "any_use": permits_any_use(self.facts[name], self.also),
                    "clips": count,
                }
                for name, count in sorted(learned.items())
                if count
            },
        }


def open_recorded(config: RecordedConfig, workers: int = 1, progress: Progress | None = None) -> RecordedMotion:
    """Read the sources that the configuration permits, and watch their videos. Held-out test videos are not opened.

    Raises `DataFolderError` for a folder that cannot be used or has no permitted source, `WeightsError` without the
    detector, and OSError if the cache cannot be written.
    """
    assert config.folder is not None
    folder = Path(config.folder)
    known = read_sources(folder)
    # Public sources may be missing, so that one recipe serves every data folder; other names may be misspelt.
    unknown = sorted({*config.also, *config.without} - known.keys() - PUBLIC.keys())
    if unknown:
        raise DataFolderError(
            f"{folder}: data.recorded names sources that it lacks: {', '.join(unknown)}; it has "
            f"{', '.join(sorted(known))}"
        )
    facts = permitted(known, config.terms, config.also, config.without)
    shares = config.shares
    captures = read_clips(folder, MOTION, facts) if shares["captures"] else []
    poses = read_clips(folder, POSES, facts) if shares["poses"] else []
    videos: list[WatchedVideo] = []
    if shares["tracks"]:
        videos = watch_data_folder(folder, facts, workers=workers, progress=progress, roles=("train", "validation"))
    try:
        fingerprint = _fingerprint(folder, captures, poses, videos)
    except OSError as error:
        raise DataFolderError(
            f"{error.filename}: can't be read any more ({error.strerror or error}); don't change the data folder while "
            "a run opens it"
        ) from None
    opened = RecordedMotion(folder, facts, captures, poses, videos, fingerprint, frozenset(config.also))
    if not opened.available:
        raise DataFolderError(
            f"{folder}: nothing to learn from: no source with the terms {', '.join(config.terms)} has a labelled "
            "training clip; `partstream data check` lists its sources"
        )
    return opened


def _teaches(clips: MotionClips) -> bool:
    """Return whether a training clip has a frame with an action."""
    trains = np.repeat(roles(clips) == "train", np.diff(clips.start))
    return bool((trains & (clips.action >= 0)).any())


def _fingerprint(
    folder: Path, captures: list[MotionClips], poses: list[MotionClips], videos: list[WatchedVideo]
) -> str:
    digest = hashlib.sha256()
    for kind, found in ((MOTION, captures), (POSES, poses)):
        for clips in found:
            digest.update(f"{kind}/{clips.source} {file_sha256(folder / kind / f'{clips.source}.npz')}\n".encode())
    for video in sorted(videos, key=lambda one: (one.video.source, one.video.name)):
        digest.update(f"{video.video.source}/{video.video.name} {video.role} {video.video.segments}\n".encode())
        digest.update(np.ascontiguousarray(video.seen.keypoints).tobytes())
    return digest.hexdigest()
