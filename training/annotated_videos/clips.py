"""A folder of annotated videos as training reads it: watched, labelled, and split into what each video is for.

`open_folder` goes through the data set once to see what is in it, has what isn't yet watched watched, and goes through
it again to label what was seen. What it returns holds keypoints, boxes and labels in memory (about 2 kB a step) and
leaves RoI features on disk. Faulty videos and frames are left out, named and counted.
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

from ring_buffers.frames import SlotFormat
from stages.vocabulary import Vocabulary
from training.annotated_videos.feature_cache import (
    Fault,
    Progress,
    VideoFile,
    features_file,
    features_folder,
    file_sha256,
    picture_format,
    watch_videos,
)
from training.annotated_videos.folder_vocabulary import OwnLabels
from training.annotated_videos.known_people import read_known
from training.annotated_videos.sightings import Sightings, SightingsFileError, read_sightings
from training.annotated_videos.step_labels import Labels, Unknown, label_steps
from training.annotated_videos.watching import WatchSettings
from training.kinetics_tps import AnnotatedFrame, Dataset, DatasetError, Video
from training.kinetics_tps.annotations import encode_frame
from training.kinetics_tps.video_roles import Role, roles_of
from training.synthetic.videos.truth import TruthError


@dataclass(frozen=True, eq=False)
class Clip:
    """One video: who was seen in it, and what their steps should be answered with. `features`: the file with RoI
    features, None where there are none. `annotated` is kept of held-out videos only: the metric is computed on it.
    `video` and `shown`: its file, and the picture of it that the detector was shown."""

    name: str
    action: str
    size: tuple[int, int]
    seen: Sightings
    labels: Labels
    features: Path | None = None
    annotated: tuple[AnnotatedFrame, ...] = ()
    video: Path | None = None
    shown: SlotFormat | None = None

    @functools.cached_property
    def rows(self) -> NDArray[np.int64]:
        """Which sighting each step is, [s]."""
        return np.flatnonzero(self.seen.step)

    @functools.cached_property
    def present(self) -> NDArray[np.bool_]:
        """Which parts were seen at each step, [s, parts]."""
        return self.seen.present[self.rows]

    def tracks(self) -> Iterator[tuple[int, int]]:
        """First and last (exclusive) of each track's steps, counted over the video's."""
        number = np.concatenate([[0], np.cumsum(self.seen.step)])
        for track in self.seen.tracks():
            first, stop = int(number[track.start]), int(number[track.stop])
            if stop > first:
                yield first, stop


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """A data set, ready. `fingerprint` is one hash of its videos, annotations and truth, and of who is held out."""

    root: Path
    vocabulary: Vocabulary
    clips: dict[Role, list[Clip]]
    fingerprint: str
    faults: list[Fault] = field(default_factory=list[Fault])
    unknown: Unknown = field(default_factory=Unknown)

    def summary(self) -> dict[str, object]:
        """For a checkpoint's figures."""
        steps = {role: sum(len(clip.seen.keypoints) for clip in clips) for role, clips in self.clips.items()}
        known = {role: sum(int((c.labels.action >= 0).sum()) for c in clips) for role, clips in self.clips.items()}
        return {
            "folder": self.root.name,
            "fingerprint": self.fingerprint,
            "videos": {role: len(clips) for role, clips in self.clips.items()},
            "person_steps": steps,
            "with_an_action": known,
            "faulty_videos": len(self.faults),
            "unknown_labels": sum(self.unknown.actions.values()) + sum(self.unknown.states.values()),
        }


class _Listed(NamedTuple):
    """A video that can be used, before it is watched."""

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

    Raises `DatasetError` where the folder can't be used at all, `WeightsError` without the detector, OSError where
    `.features` can't be written.
    """
    dataset = Dataset(root)
    faults: list[Fault] = []
    own = OwnLabels()
    listed: dict[str, _Listed] = {}
    for video in dataset.train():
        try:
            truth, known = read_known(root, video)
            file = VideoFile(video.name, video.path, file_sha256(video.path))
            entry = _Listed(file, video.action, _content(video, file.sha256, truth))
        except (TruthError, OSError) as error:
            faults.append(Fault(video.path, str(error)))
            continue
        own.add(video.name, video.action, known)
        listed[video.name] = entry
    faults += watch_videos(root, [entry.file for entry in listed.values()], settings, workers, progress)
    for fault in faults:
        listed.pop(fault.path.stem, None)
        own.leave_out(fault.path.stem)
    if not listed:
        raise DatasetError(f"{root}: no video can be used; the first fault: {faults[0].path.name}: {faults[0].message}")
    words = vocabulary or own.vocabulary(dataset.lists)
    roles = roles_of({name: entry.action for name, entry in listed.items()}, held_out_share)
    folder = Folder(root, words, {"train": [], "choose": [], "report": []}, _fingerprint(listed, roles), faults)
    for video in dataset.train():
        if video.name in listed:
            try:
                clip = _clip(root, video, listed[video.name], settings, folder, roles[video.name])
            except (SightingsFileError, TruthError) as error:
                faults.append(Fault(video.path, str(error)))
            else:
                folder.clips[roles[video.name]].append(clip)
    return folder


def _clip(root: Path, video: Video, entry: _Listed, settings: WatchSettings, folder: Folder, role: Role) -> Clip:
    path = features_file(features_folder(root, settings), video.name)
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
        video=video.path,
        shown=picture_format(settings, (video.facts.width, video.facts.height)),
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
