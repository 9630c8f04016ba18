"""The known people in a training video's frames, from annotations or from a truth file.

Annotations have some frames, one verb per part and no identities; truth files of generated videos have every frame, all
states of a part, and identities (`training.synthetic.videos.truth`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.vocabulary import PARTS, STILL
from training.annotated_videos.person_links import link_people
from training.kinetics_tps import Box, Video
from training.kinetics_tps.seen_labels import OUTSIDE
from training.synthetic.videos.truth import Truth, TruthError, read_truth, truth_file


class KnownPerson(NamedTuple):
    """One person in one frame. Parts that are not in `states` or `relevance` are unknown there."""

    identity: int
    """The same in all frames of the video."""
    box: Box
    action: str | None
    """None if unknown, as in the transition between two actions."""
    states: Mapping[str, tuple[str, ...]]
    """Part → all its states."""
    relevance: Mapping[str, bool]
    """Part → whether it defines the action."""


KnownFrames = dict[int, list[KnownPerson]]
"""Frame, from 0 → all people in it. Other frames are unknown."""


def read_known(root: Path, video: Video) -> tuple[Path | None, KnownFrames]:
    """Return the truth file of a video in the data set `root`, None without one, and the known people.

    Raises `TruthError` for a truth file that is invalid or does not fit the video.
    """
    path = truth_file(root, video.name)
    if not path.exists():
        return None, from_annotations(video)
    truth = read_truth(path)
    if len(truth.frames) != video.facts.frames:
        raise TruthError(f"{path}: has {len(truth.frames)} frames, and the video has {video.facts.frames}")
    return path, from_truth(truth)


def from_annotations(video: Video) -> KnownFrames:
    """Return the known people of annotations.

    People are linked by IoU, and each does the video's class. A part's verb is its only state; for a part with a state
    outside the vocabulary (`others`) only the relevance is known.
    """
    frames = sorted(video.frames, key=lambda frame: frame.index)
    boxes = [np.array([person.box for person in frame.people], np.float64).reshape(-1, 4) for frame in frames]
    identities = link_people([frame.index for frame in frames], boxes)
    return {
        frame.index - 1: [
            KnownPerson(
                int(identity),
                person.box,
                video.action,
                {name: (part.verb,) for name, part in person.parts.items() if part.verb != OUTSIDE},
                {name: part.verb != STILL for name, part in person.parts.items()},
            )
            for identity, person in zip(frame_identities, frame.people, strict=True)
        ]
        for frame_identities, frame in zip(identities, frames, strict=True)
    }


def from_truth(truth: Truth) -> KnownFrames:
    """Return the known people of a truth file: all frames, and all states of every visible part."""
    return {
        index: [
            KnownPerson(
                person.number,
                person.box,
                person.action,
                person.states,
                {} if person.relevant is None else {part: part in person.relevant for part in PARTS},
            )
            for person in frame.people
        ]
        for index, frame in enumerate(truth.frames)
    }
