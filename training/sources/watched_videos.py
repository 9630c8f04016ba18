"""Labelled videos as our own detector and tracker see them.

A video is watched once. The result is cached in the user's cache, in a file named after the video's hash, so that data
folders stay as they are and may share videos. Labels are not part of it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.third_party import weights
from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Clip
from training.annotated_videos.feature_cache import (
    Progress,
    VideoFile,
    features_file,
    features_folder,
    file_sha256,
    watch_videos,
)
from training.annotated_videos.sightings import Sightings, SightingsFileError, read_sightings
from training.annotated_videos.step_labels import Labels
from training.annotated_videos.watching import WatchSettings
from training.kinetics_tps.video_roles import Role
from training.sources.roles import video_roles
from training.sources.segmented_videos import Segment, SegmentedVideo, read_segmented_videos
from training.synthetic.sequences.labels import relevance_of_actions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class WatchedVideo:
    """A labelled video, the people seen in it, and the action of each of their s steps.

    `action` int64 [s]: index into `actions`, −1 unknown. `features`: the file with RoI features, if there are any.
    `excluded` int64 [s]: the action, of `actions`, that a step does not show though its own is unknown, −1 for none;
    None if no step has one.
    """

    video: SegmentedVideo
    role: Role
    seen: Sightings
    action: NDArray[np.int64]
    actions: tuple[str, ...]
    features: Path | None = None
    excluded: NDArray[np.int64] | None = None

    def clip(self, vocabulary: Vocabulary) -> Clip:
        """Return the video with the targets of its steps.

        Actions outside the vocabulary are unknown, and so are part states. Relevance is known where the action says it.
        """
        known = {name: index for index, name in enumerate(vocabulary.actions)}
        named = np.array([*(known.get(name, -1) for name in self.actions), -1], np.int64)
        action = named[self.action]
        defining, certain = (
            np.concatenate([table, np.zeros_like(table[:1])]) for table in relevance_of_actions(vocabulary)
        )
        shape = (len(action), len(vocabulary.parts))
        labels = Labels(
            action=action,
            states=np.zeros((*shape, len(vocabulary.states)), bool),
            states_known=np.zeros(shape, bool),
            relevance=defining[action],
            relevance_known=certain[action],
            excluded=None if self.excluded is None else named[self.excluded],
        )
        main = Counter(self.action[self.action >= 0].tolist()).most_common(1)
        return Clip(
            f"{self.video.source}/{self.video.name}",
            self.actions[main[0][0]] if main else "",
            self.video.size,
            self.seen,
            labels,
            features=self.features,
        )


def watch_data_folder(
    folder: Path,
    sources: Collection[str],
    *,
    roles: Collection[Role] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    settings: WatchSettings | None = None,
    cache: Path | None = None,
) -> list[WatchedVideo]:
    """Return the labelled videos of a data folder's sources, watched by `workers` processes where they are not cached.

    `roles`: only the videos of these roles are watched and returned, by default all.
    `progress` is called with (videos done, videos). `settings`: RoI features or another detector, by default none and
    MoveNet. A video that cannot be watched is left out and logged. Raises `DataFolderError` for labels that cannot be
    used, `WeightsError` without the detector's weights, and OSError if the cache cannot be written.
    """
    known = read_segmented_videos(folder, sources)
    videos: list[SegmentedVideo] = []
    theirs: list[Role] = []
    for video, role in zip(known, video_roles(known), strict=True):
        if roles is None or role in roles:
            videos.append(video)
            theirs.append(role)
    watched, skipped = watch_segmented(
        videos, theirs, workers=workers, progress=progress, settings=settings, cache=cache
    )
    for path, message in sorted(skipped.items()):
        logger.warning("%s: skipped: %s", path, message)
    if skipped:
        logger.warning("%d of %d videos of %s were skipped", len(skipped), len(videos), folder)
    return watched


def watch_segmented(
    videos: Sequence[SegmentedVideo],
    roles: Sequence[Role],
    *,
    workers: int = 1,
    progress: Progress | None = None,
    settings: WatchSettings | None = None,
    cache: Path | None = None,
) -> tuple[list[WatchedVideo], dict[Path, str]]:
    """Return the videos that can be watched, with these `roles` [number of videos], and why the others cannot.

    Arguments and errors are those of `watch_data_folder`.
    """
    settings, cache = settings or WatchSettings(detection="auto"), cache or watched_cache()
    hashes, skipped = _hashes(videos)
    once = {sha256: VideoFile(sha256, path, sha256) for path, sha256 in hashes.items()}  # two sources may share a video
    bad = {hashes[one.path]: one.message for one in watch_videos(cache, [*once.values()], settings, workers, progress)}
    kept, reads_regions = features_folder(cache, settings), settings.roi is not None or settings.vgg is not None
    watched: list[WatchedVideo] = []
    for video, role in zip(videos, roles, strict=True):
        sha256 = hashes.get(video.path)
        if sha256 is None or sha256 in bad:
            skipped.setdefault(video.path, bad.get(sha256 or "", ""))
            continue
        path = features_file(kept, sha256)
        try:
            seen = read_sightings(path, sha256)
        except SightingsFileError as error:
            skipped[video.path] = str(error)
            continue
        action, actions = label_segments(seen, video.segments)
        watched.append(WatchedVideo(video, role, seen, action, actions, path if reads_regions else None))
    return watched, skipped


def _hashes(videos: Sequence[SegmentedVideo]) -> tuple[dict[Path, str], dict[Path, str]]:
    """Return the hashes of the videos' files, and why others cannot be read."""
    hashes: dict[Path, str] = {}
    unread: dict[Path, str] = {}
    for path in (video.path for video in videos):
        try:
            hashes[path] = file_sha256(path)
        except OSError as error:
            unread[path] = f"can't be read ({error.strerror or error})"
    return hashes, unread


def watched_cache() -> Path:
    """Return the folder of watched videos in the user's cache."""
    return weights.cache_dir() / "watched"


def label_segments(seen: Sightings, segments: Sequence[Segment]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the action of each step, int64 [s], −1 if unknown, and the names that it indexes.

    A segment describes one person, whose track is chosen by `_main_track`. Others are unknown: they may do the same or
    something else.
    """
    actions = tuple(sorted({segment.label for segment in segments if segment.label is not None}))
    action = np.full(len(seen), -1, np.int64)
    for segment in segments:
        if segment.label is None:
            continue
        inside = (seen.frame >= segment.first) & (seen.frame < segment.end)
        track = _main_track(seen, inside)
        if track is not None:
            action[inside & (seen.track == track)] = actions.index(segment.label)
    return action[seen.step], actions


def _main_track(seen: Sightings, inside: NDArray[np.bool_]) -> int | None:
    """Return the track that covers the sightings `inside` [n] a segment best: the largest product of its median area
    and the number of its frames. None if no track is in at least half of the segment's frames with people."""
    frames = len(np.unique(seen.frame[inside]))
    sides = seen.box[:, 2:] - seen.box[:, :2]
    area = sides[:, 0] * sides[:, 1]
    best: tuple[float, int] | None = None
    for track in np.unique(seen.track[inside]).tolist():
        own = inside & (seen.track == track)
        count = int(own.sum())
        size = float(np.median(area[own])) * count
        if 2 * count >= frames and (best is None or size > best[0]):
            best = size, track
    return None if best is None else best[1]
