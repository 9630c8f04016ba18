"""Which clips of recorded motion and labelled videos train, select and test: decided by person, so that no person is in
two roles.

Sources with an official division keep it. Sources with fewer than ten known people only train. In JHMDB, Penn Action
and Le2i, people are not known: the clips that select may show people who also train.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.kinetics_tps.video_roles import Role
from training.sources.motion_clips import MotionClips
from training.sources.segmented_videos import SegmentedVideo

_TESTED, _SELECTING = (2, 5, 8), (0,)
"""Of each ten people, in the order of their names: three test and one selects."""
FEWEST = 10
"""Least number of known people in a source that is divided."""

_SAME_PEOPLE = {
    "gestures": (
        ("amila", "apka", "crossfit", "darebee", "homegym", "leap", "mrpose"),
        ("posemvp", "tayyab"),
    )
}
"""Series of clips that show the same people, by source; a clip is named after its series and a number."""
_LE2I_HOME, _LE2I_SELECTING = 70, 7
"""Clips of Le2i from this number on are in another room; of those before, every so many select."""
_UNTRAINED = frozenset({"urfd"})
"""Sources that are never trained on."""


def roles(clips: MotionClips) -> NDArray[np.str_]:
    """Return each clip's role, [C]; "" for none: in a divided source, an unknown person may be anyone."""
    if clips.source == "jhmdb":  # the first of its three divisions, which keeps clips of one film together
        official: list[Role] = ["test" if "split1/test" in text else "train" for text in clips.text]
        return np.array(_with_selection(clips, official))
    if clips.source == "penn_action":  # nothing is tested on it
        return np.array(_with_selection(clips, ["train"] * len(clips)))
    if clips.source == "bandai_namco":
        units = _contents(clips)
        names = sorted(set(units), key=_hash)
    else:
        units, names = list(clips.person), sorted(set(clips.person) - {""})
        if len(names) < FEWEST:
            return np.full(len(clips), "train", dtype="<U10")
    of_unit: dict[str, str] = {name: _by_number(number) for number, name in enumerate(names)}
    return np.array([of_unit.get(unit, "") for unit in units])


def units(clips: MotionClips) -> list[str]:
    """Return for each clip [C] the name of the clips that are close to copies of it or show the same person, and have
    its role. A clip of an unknown person is on its own."""
    if clips.source == "bandai_namco":
        return _contents(clips)
    return [person or f"clip {number}" for number, person in enumerate(clips.person)]


def _contents(clips: MotionClips) -> list[str]:
    """Return the content and style of Bandai-Namco's clips: its few actors are not named and repeat each often."""
    return [re.sub(r"\s+\d+$", "", text) for text in clips.text]


def video_roles(videos: Sequence[SegmentedVideo]) -> list[Role]:
    """Return each video's role. Give all videos of a source at once, because the others of it decide, too.

    A source's own division counts first; of the people to learn from, every fourth selects. Le2i is divided by room.
    Other sources are divided by person, or by clip where persons are unknown.
    """
    units = [unit_of(video) for video in videos]
    numbers: dict[tuple[str, str], dict[str, int]] = {}
    divisions = [(video.source, video.split or "") for video in videos]
    for division, unit in sorted(set(zip(divisions, units, strict=True))):
        mine = numbers.setdefault(division, {})
        mine[unit] = len(mine)
    return [
        _video_role(video, numbers[division][unit], len(numbers[division]))
        for video, division, unit in zip(videos, divisions, units, strict=True)
    ]


def _video_role(video: SegmentedVideo, number: int, units: int) -> Role:
    """`number`: of the video's unit, in the order of names, among the `units` of its source and split."""
    if video.source in _UNTRAINED:
        return "test"
    if video.split == "learn":
        return "validation" if number % 4 == 2 else "train"
    if video.split is not None:
        return video.split
    if video.source == "le2i":
        clip = int(video.name) if video.name.isdecimal() else _LE2I_HOME
        return "test" if clip >= _LE2I_HOME else "train" if clip % _LE2I_SELECTING else "validation"
    return "train" if units < FEWEST else _by_number(number)


def unit_of(video: SegmentedVideo) -> str:
    """Return what stays together within a source: a person's clips, those of one series of people, or one clip."""
    series = video.name.rpartition("/")[2].rpartition("-")[0]
    for same in _SAME_PEOPLE.get(video.source, ()):
        if series in same:
            return same[0]
    if video.source in _SAME_PEOPLE:  # persons are local to a series
        return f"{series} {video.person}"
    return video.person or video.name


def _by_number(number: int) -> Role:
    return "test" if number % 10 in _TESTED else "validation" if number % 10 in _SELECTING else "train"


def _with_selection(clips: MotionClips, official: list[Role]) -> list[Role]:
    """Return the roles with one in ten training clips selecting instead."""
    return [
        "validation" if role == "train" and int(_hash(f"{clips.source} {number}"), 16) % 10 in _SELECTING else role
        for number, role in enumerate(official)
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
