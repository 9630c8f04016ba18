"""The truth of a generated video: the people in each frame with places and actions, as JSON.

`truth/<video>.json` beside the data set's own folders has one entry for each of the video's frames, in order:

    {"frames": [{"people": [{"number": 1, "visible": 0.93, "box": [103.0, 77.0, 169.0, 173.0], "action": "wave",
      "keypoints": [[130.2, 84.1, 1], …], "states": {"left_arm": ["raise", "wave"]}, "relevant": ["left_arm"],
      "props": ["cup"]}]}]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from training.kinetics_tps.write import write_whole
from training.synthetic.motion.skeleton import KEYPOINTS

TRUTH = "truth"
"""The folder of truth files in a generated data set."""
LEAST_VISIBLE = 0.1
"""Least visible share of people in a frame's truth."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2: the edges of the visible person, in pixels from the top left corner."""
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Keypoint = tuple[float, float, Literal[0, 1]]
"""x, y in pixels, also outside the picture; 1 if the joint is visible."""
Keypoints = Annotated[tuple[Keypoint, ...], msgspec.Meta(min_length=len(KEYPOINTS), max_length=len(KEYPOINTS))]
"""COCO's seventeen, in its order (`training.synthetic.motion.skeleton.KEYPOINTS`)."""


class TruthError(ValueError):
    """A truth file is unreadable or invalid; the message names the file and the error's place."""


class TruePerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person in one frame.

    `number`: the same in all frames; `visible`: the visible share of the person; `action`: None during a change;
    `states`: all states of each visible part; `relevant`: the parts that define the action, None if unknown; `props`:
    the objects in use, by name.
    """

    number: Annotated[int, msgspec.Meta(ge=1)]
    visible: Share
    box: Box
    action: str | None
    keypoints: Keypoints
    states: dict[str, tuple[str, ...]]
    relevant: tuple[str, ...] | None = None
    props: tuple[str, ...] = ()


class TrueFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All people with at least `LEAST_VISIBLE` visible, by number."""

    people: tuple[TruePerson, ...]


class Truth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One video's truth: one entry per frame, in order."""

    frames: tuple[TrueFrame, ...]


def truth_file(root: Path, video: str) -> Path:
    """Return the truth file of a video in the data set `root`."""
    return root / TRUTH / f"{video}.json"


def read_truth(path: Path) -> Truth:
    """Read a truth file. Raises `TruthError`."""
    try:
        truth = msgspec.json.decode(path.read_bytes(), type=Truth)
    except OSError as error:
        raise TruthError(f"{path}: can't be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TruthError(f"{path}: is not a valid truth file: {error}") from None
    for index, frame in enumerate(truth.frames):
        numbers = [person.number for person in frame.people]
        if len(set(numbers)) < len(numbers):
            raise TruthError(f"{path}: frames[{index}]: two people have the same number")
        for at, person in enumerate(frame.people):
            if person.box[2] < person.box[0] or person.box[3] < person.box[1]:
                raise TruthError(
                    f"{path}: frames[{index}].people[{at}].box: {list(person.box)} is not a box [x1, y1, x2, y2]"
                )
    return truth


def write_truth(path: Path, truth: Truth) -> None:
    """Write a truth file atomically. Raises `training.kinetics_tps.DatasetError`."""
    write_whole(path, msgspec.json.encode(truth))
