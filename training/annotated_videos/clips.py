"""A folder of annotated videos as training data: watched, labelled, and divided into roles.

`open_folder` reads the data set once to list its videos, watches new ones (`watching`), and reads it again to label
the tracked people. The result holds keypoints, boxes and labels in memory (about 2 kB per step) and leaves RoI features
on disk. Videos and frames with errors are left out, named and counted.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import Vocabulary
from training.annotated_videos.feature_cache import (
    FEATURES,
    Progress,
    SkippedVideo,
    VideoFile,
    features_file,
    features_folder,
    file_sha256,
    watch_videos,
)
from training.annotated_videos.sightings import Sightings, SightingsFileError, read_sightings
from training.annotated_videos.step_labels import Labels, OwnLabels, Unknown, label_steps, read_known
from training.annotated_videos.watching import WatchSettings
from training.kinetics_tps import AnnotatedFrame, Dataset, DatasetError, Video
from training.kinetics_tps.annotations import encode_frame
from training.kinetics_tps.video_roles import Role, roles_of
from training.synthetic.videos.truth import TruthError


@dataclass(frozen=True, eq=False)
class Clip:
    """One video: the people seen in it, and the targets of their steps.

    `features`: the file with RoI features, if there are any. `annotated`: the annotation, only of held-out videos, for
    the metric.
    """

    name: str
    action: str
    size: tuple[int, int]
    seen: Sightings
    labels: Labels
    features: Path | None = None
    annotated: tuple[AnnotatedFrame, ...] = ()

    @functools.cached_property
    def rows(self) -> NDArray[np.int64]:
        """The sighting of each step, [s]."""
        return np.flatnonzero(self.seen.step)

    @functools.cached_property
    def present(self) -> NDArray[np.bool_]:
        """The parts seen at each step, [s, parts]."""
        return self.seen.present[self.rows]

    def tracks(self) -> Iterator[tuple[int, int]]:
        """Yield the first and last (exclusive) of each track's steps, numbered over the video."""
        number = np.concatenate([[0], np.cumsum(self.seen.step)])
        for track in self.seen.tracks():
            first, stop = int(number[track.start]), int(number[track.stop])
            if stop > first:
                yield first, stop


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """A data set, ready for training. `fingerprint`: one hash of its videos, annotations, truth and roles."""

    root: Path
    vocabulary: Vocabulary
    clips: dict[Role, list[Clip]]
    fingerprint: str
    skipped: list[SkippedVideo] = field(default_factory=list[SkippedVideo])
    unknown: Unknown = field(default_factory=Unknown)

    def summary(self) -> dict[str, object]:
        """Return the data set's summary for a checkpoint's metrics."""
        steps = {role: sum(len(clip.seen.keypoints) for clip in clips) for role, clips in self.clips.items()}
        known = {role: sum(int((c.labels.action >= 0).sum()) for c in clips) for role, clips in self.clips.items()}
        return {
            "folder": self.root.name,
            "fingerprint": self.fingerprint,
            "videos": {role: len(clips) for role, clips in self.clips.items()},
            "person_steps": steps,
            "with_an_action": known,
            "skipped_videos": len(self.skipped),
            "unknown_labels": sum(self.unknown.actions.values()) + sum(self.unknown.states.values()),
        }


class _Listed(NamedTuple):
    """A valid video, before it is watched."""

    file: VideoFile
    action: str
    content: str
    """Hash of the video, its annotations and its truth."""


def open_folder(
    root: Path,
    settings: WatchSettings,
    *,
    vocabulary: Vocabulary | None,
    held_out_share: float,
    workers: int = 1,
    progress: Progress | None = None,
) -> Folder:
    """Read, watch and label a data set in the Kinetics-TPS layout. `vocabulary` None: that of its own labels.

    Raises `DatasetError` if the folder cannot be used, `WeightsError` without the detector, and OSError if `.features`
    cannot be written.
    """
    dataset = Dataset(root)
    skipped: list[SkippedVideo] = []
    own = OwnLabels()
    listed: dict[str, _Listed] = {}
    for video in dataset.train():
        try:
            truth, known = read_known(root, video)
            file = VideoFile(video.name, video.path, file_sha256(video.path))
            entry = _Listed(file, video.action, _content(video, file.sha256, truth))
        except (TruthError, OSError) as error:
            skipped.append(SkippedVideo(video.path, str(error)))
            continue
        own.add(video.name, video.action, known)
        listed[video.name] = entry
    skipped += watch_videos(root / FEATURES, [entry.file for entry in listed.values()], settings, workers, progress)
    for one in skipped:
        listed.pop(one.path.stem, None)
        own.leave_out(one.path.stem)
    if not listed:
        raise DatasetError(f"{root}: no video can be used; the first one: {skipped[0].path.name}: {skipped[0].message}")
    words = vocabulary or own.vocabulary(dataset.lists)
    roles = roles_of({name: entry.action for name, entry in listed.items()}, held_out_share)
    folder = Folder(root, words, {"train": [], "validation": [], "test": []}, _fingerprint(listed, roles), skipped)
    for video in dataset.train():
        if video.name in listed:
            try:
                clip = _clip(root, video, listed[video.name], settings, folder, roles[video.name])
            except (SightingsFileError, TruthError) as error:
                skipped.append(SkippedVideo(video.path, str(error)))
            else:
                folder.clips[roles[video.name]].append(clip)
    return folder


def _clip(root: Path, video: Video, entry: _Listed, settings: WatchSettings, folder: Folder, role: Role) -> Clip:
    path = features_file(features_folder(root / FEATURES, settings), video.name)
    seen = read_sightings(path, entry.file.sha256)
    labels = label_steps(seen, read_known(root, video)[1], folder.vocabulary, folder.unknown)
    return Clip(
        video.name,
        video.action,
        (video.facts.width, video.facts.height),
        seen,
        labels,
        features=None if settings.roi is None and settings.vgg is None else path,
        annotated=() if role == "train" else video.frames,
    )


def _content(video: Video, sha256: str, truth: Path | None) -> str:
    digest = hashlib.sha256(msgspec.json.encode([video.name, video.action, sha256]))
    for frame in video.frames:
        digest.update(b"%d:" % frame.index + encode_frame(frame))
    if truth is not None:
        digest.update(truth.read_bytes())
    return digest.hexdigest()


def _fingerprint(listed: dict[str, _Listed], roles: dict[str, Role]) -> str:
    lines: Sequence[str] = [f"{listed[name].content} {roles[name]}" for name in sorted(listed)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
