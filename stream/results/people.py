"""The people and objects of a frame, as parts of a `Frame` message."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stream.results.fields import Box, Coordinate, Labelled, Measure, Micros, Name, Score, Track, about

MOST_PARTS = 10_000
"""As many as a vocabulary may have."""

Crossing = Annotated[
    tuple[Name, Literal["left", "right"]],
    about("A line, and its side that the person is on now, as seen when looking from its start to its end."),
]


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's action. `since_us` is when the unbroken run of `label` began; `top` is best first."""

    label: Annotated[Name, about("The action.")]
    score: Score
    since_us: Annotated[Micros, about("When the unbroken run of `label` began, microseconds since 1970, UTC.")]
    top: Annotated[list[Labelled], about("The most likely actions with their scores, best first.")]
    experimental: Annotated[bool, about("Whether `label` is an experimental action. Absent: false.")] = False


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A visible body part: its box, its relevance to the action (0 … 1), and its states, best first."""

    part: Annotated[Name, about("The part, for example `right_hand`, from the person's point of view.")]
    box: Box
    score: Score
    relevance: Annotated[Score, about("Relevance of the part to the action, 0 … 1.")]
    states: Annotated[list[Labelled], about("The part's states, best first.")]
    holds: Annotated[Name | None, about("Of a hand: the label of the object in or at it. Absent: none.")] = None


class RuleAction(msgspec.Struct, frozen=True):
    """An action written in the rules file that a person does now, beside the model's."""

    label: Annotated[Name, about("The action's name in the rules file.")]
    score: Score
    since_us: Annotated[Micros, about("When it began to hold without a break, microseconds since 1970, UTC.")]
    source: Annotated[Literal["rule"], about("Always `rule`: written, not learnt.")]
    parts: Annotated[list[Name], about("The body parts whose conditions hold.")]


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tracked person. `action` is null before the track's first step of the action model."""

    track: Track
    box: Box
    score: Score
    action: Action | None
    parts: Annotated[list[Part], Meta(max_length=MOST_PARTS), about("The visible parts.")]
    detected: Annotated[bool, about("False if the box is extrapolated from detections before. Absent: true.")] = True
    foot: Annotated[
        tuple[Coordinate, Coordinate] | None,
        about(
            "Where the person stands: x, y in pixels of the message's `size`, inside the picture. "
            "Absent: published by an older version."
        ),
    ] = None
    zones: Annotated[
        list[Name], about("The camera's zones that the person is in, in alphabetical order. Absent: none.")
    ] = []
    stature: Annotated[
        Measure | None,
        about("The person's estimated standing height in pixels, whatever the posture. Absent: as for `foot`."),
    ] = None
    trunk: Annotated[
        Annotated[int, Meta(ge=0, le=180)] | None,
        about(
            "Degrees between upright and the line from the hips to the head: 0 upright, 90 level, 180 head down. "
            "Absent: hips or head are not visible."
        ),
    ] = None
    hips: Annotated[
        Coordinate | None, about("Height of the hips above `foot` in the picture, in statures. Absent: not visible.")
    ] = None
    speed: Annotated[
        Measure | None,
        about(
            "Speed of `foot` in the picture over the last second of media time, in statures per second. Absent for the "
            "first half second of a track."
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

    label: Annotated[Name, about("The kind of object.")]
    box: Box
    score: Score
    detected: Annotated[bool, about("False if it was found in an earlier frame. Absent: true.")] = True
