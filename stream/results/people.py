"""The people and objects of a frame, as parts of a `Frame` message."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stream.results.fields import Box, Labelled, Score, about

Crossing = Annotated[
    tuple[str, Literal["left", "right"]],
    about("A line, and its side that the person is on now, as seen when looking from its start to its end."),
]


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's action. `since_us` is when the unbroken run of `label` began; `top` is best first."""

    label: Annotated[str, about("The action.")]
    score: Score
    since_us: Annotated[int, about("When the unbroken run of `label` began, microseconds since 1970, UTC.")]
    top: Annotated[list[Labelled], about("The most likely actions with their scores, best first.")]
    experimental: Annotated[bool, about("Whether `label` is an experimental action. Absent: false.")] = False


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A visible body part: its box, its relevance to the action (0 … 1), and its states, best first."""

    part: Annotated[str, about("The part, for example `right_hand`, from the person's point of view.")]
    box: Box
    score: Score
    relevance: Annotated[float, about("Relevance of the part to the action, 0 … 1.", minimum=0, maximum=1)]
    states: Annotated[list[Labelled], about("The part's states, best first.")]
    holds: Annotated[str | None, about("Of a hand: the label of the object in or at it. Absent: none.")] = None


class RuleAction(msgspec.Struct, frozen=True):
    """An action written in the rules file that a person does now, beside the model's."""

    label: Annotated[str, about("The action's name in the rules file.")]
    score: Score
    since_us: Annotated[int, about("When it began to hold without a break, microseconds since 1970, UTC.")]
    source: Annotated[Literal["rule"], about("Always `rule`: written, not learnt.")]
    parts: Annotated[list[str], about("The body parts whose conditions hold.")]


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tracked person. `action` is null before the track's first step of the action model."""

    track: Annotated[int, about("The person's id, never reused within the epoch.")]
    box: Box
    score: Score
    action: Action | None
    parts: Annotated[list[Part], about("The visible parts.")]
    detected: Annotated[bool, about("False if the box is extrapolated from detections before. Absent: true.")] = True
    foot: Annotated[
        tuple[float, float] | None,
        about(
            "Where the person stands: x, y in pixels of the message's `size`, inside the picture. "
            "Absent: published by an older version."
        ),
    ] = None
    zones: Annotated[
        list[str], about("The camera's zones that the person is in, in alphabetical order. Absent: none.")
    ] = []
    stature: Annotated[
        float | None,
        about("The person's estimated standing height in pixels, whatever the posture. Absent: as for `foot`."),
    ] = None
    trunk: Annotated[
        int | None,
        about(
            "Degrees between upright and the line from the hips to the head: 0 upright, 90 level, 180 head down. "
            "Absent: hips or head are not visible.",
            minimum=0,
            maximum=180,
        ),
    ] = None
    hips: Annotated[
        float | None, about("Height of the hips above `foot` in the picture, in statures. Absent: not visible.")
    ] = None
    speed: Annotated[
        float | None,
        about(
            "Speed of `foot` in the picture over the last second of media time, in statures per second. Absent for the "
            "first half second of a track.",
            minimum=0,
        ),
    ] = None
    crossed: Annotated[
        list[Crossing], about("The camera's lines that the person crossed since the camera's last frame. Absent: none.")
    ] = []
    rule_actions: Annotated[
        list[RuleAction], about("Actions of the rules file that the person does, in alphabetical order. Absent: none.")
    ] = []


class DetectedObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """A detected object other than a person."""

    label: Annotated[str, about("The kind of object.")]
    box: Box
    score: Score
    detected: Annotated[bool, about("False if it was found in an earlier frame. Absent: true.")] = True
