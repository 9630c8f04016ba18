"""Who is in the frames of a training video and what they do, written down by people or known to a generator.

Two sources, one form: annotations (some frames, one verb a part, nobody's identity) and truth files (every frame, all
states of a part, identities; `training.synthetic.videos.truth`).
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
    """One person in one frame. What isn't in `states` or `relevance` isn't known."""

    identity: int
    """The same in all frames of the video."""
    box: Box
    action: str | None
    """None where nobody can say, as where one action turns into another."""
    states: Mapping[str, tuple[str, ...]]
    """Part → labels of what it does; others it doesn't do."""
    relevance: Mapping[str, bool]
    """Part → whether it defines the action."""


KnownFrames = dict[int, list[KnownPerson]]
"""Frame, from 0 → everybody in it. Of frames that aren't in it nothing is known."""


def read_known(root: Path, video: Video) -> tuple[Path | None, KnownFrames]:
    """What is known of a video of the data set `root`, and the truth file that it comes from; None: annotations.

    Raises `TruthError` where there is such a file and it isn't this video's truth.
    """
    path = truth_file(root, video.name)
    if not path.exists():
        return None, from_annotations(video)
    truth = read_truth(path)
    if len(truth.frames) != video.facts.frames:
        raise TruthError(f"{path}: tells of {len(truth.frames)} frames, and the video has {video.facts.frames}")
    return path, from_truth(truth)


def from_annotations(video: Video) -> KnownFrames:
    """People are linked by IoU; each does what the video's class says. A part's one verb is all it does; of a part that
    does something there is no word for (`others`) only the relevance is known."""
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
            for identity, person in zip(mine, frame.people, strict=True)
        ]
        for mine, frame in zip(identities, frames, strict=True)
    }


def from_truth(truth: Truth) -> KnownFrames:
    """Every frame, and every visible part with all its states; where relevance is known, it is of all parts."""
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
