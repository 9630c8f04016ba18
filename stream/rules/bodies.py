"""Measures of people's bodies, from their boxes and the boxes of their parts: foot point, stature, posture and speed.

All lengths are in pixels of the camera's picture, and all boxes as published, rounded to a tenth of a pixel. Any part
may be missing; without parts, the person's box alone is used.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from stream.results import Box, Part

Point = tuple[float, float]

FEET_KEPT_US = 1_000_000
"""Time for which hidden feet are expected where they were in the box."""

# Lengths as shares of the standing height. Joints are at heights of .818 (shoulder), .530 (hip), .285 (knee) and .039
# (ankle), and the head extends from .870 to 1: Drillis and Contini, "Body Segment Parameters", 1966, as quoted in
# Winter, "Biomechanics and Motor Control of Human Movement", figure 4.1.
_TRUNK = 0.405
"""From the hips to the middle of the head: (.870 + 1) / 2 - .530."""
_LEG = 0.52
"""From the hips to the middle of a foot's box, which is about .01 above the ground."""
_WITHOUT_HIPS = 0.925
"""From the middle of the head to the middle of a foot's box."""
_LEG_BOX = 0.59
"""Longer side of the box of a straight leg: .530 - .039 from hip to ankle, and half the width of a thigh, .05, on
either side (`stages.detection.part_boxes`)."""
_ARM_BOX = 0.40
"""Longer side of the box of a straight arm: upper arm .186, forearm .146, and .035 on either side."""
_LIMBS_ALLOWANCE = 0.93
"""Single lengths are less certain than head, hips and feet together: only what exceeds the estimate by more than their
usual error is a reason to raise it."""

_UPRIGHT = math.tan(math.radians(30))
_STRAIGHT = 1.05
"""Least length of leg to trunk of a person who stands; it is 1.28 with straight legs seen from the side."""
_NARROW = 2.0
"""Least height to width of the box of a person without visible parts who stands."""

# Time constants of the estimate, in seconds. Lengths are only ever shortened: by bent joints, and by perspective if
# they point to the camera. Only of people who stand is it known that nothing is bent; only then is a smaller length
# believed soon. A person who lies, sits or crouches remains as far from the camera.
_STANDING_S = 0.5
_RISE_S = 1.0
_FALL_S = 90.0
_FALL_PERHAPS_S = 3.0
"""Of people who walk, or whose trunk is upright and whose legs are hidden: they may be walking away."""
_WALKING = 0.3
"""Least speed of people who walk, in statures per second."""

_SPEED_OVER_US = 1_000_000
_SPEED_AFTER_US = 500_000
_SPEED_WITHIN_US = 3_000_000
"""Foot points that are older say nothing about the present speed."""
_SAMPLES_APART_US = 60_000

MOST_TRACKS = 1024
"""Tracks that are remembered, of those seen last. Readers of published results learn of no end of a track; its number
is never used again, so that this only bounds the memory."""

Memory = TypeVar("Memory")


class TrackMemory(Generic[Memory]):
    """One `Memory` for each track of an epoch, made by `make` when the track is first seen."""

    def __init__(self, make: Callable[[], Memory]) -> None:
        self._make = make
        self._tracks: dict[int, Memory] = {}

    def of(self, track: int) -> Memory:
        """Return the memory of a track that is seen now."""
        memory = self._tracks.pop(track) if track in self._tracks else self._make()
        self._tracks[track] = memory  # at the end
        if len(self._tracks) > MOST_TRACKS:
            del self._tracks[next(iter(self._tracks))]
        return memory

    def forget(self, ended: Iterable[int]) -> None:
        """Forget tracks that have ended."""
        for track in ended:
            self._tracks.pop(track, None)


class SeenParts(NamedTuple):
    """A tracked person in one frame, with the visible parts."""

    track: int
    box: Box
    parts: Sequence[Part]


class Body(NamedTuple):
    """Measures of a person in one frame, rounded like the published ones.

    `foot`: where the person stands, in pixels, inside the picture. `stature`: the standing height in pixels whatever
    the posture. `trunk`: degrees between the line from hips to head and upright, 0 … 180. `hips`: their height above
    the foot point, in statures. `speed`: of the foot point, in statures per second. None: not visible, or not known
    yet.
    """

    track: int
    box: Box
    foot: Point
    stature: float = 0.0
    trunk: int | None = None
    hips: float | None = None
    speed: float | None = None


@dataclass(slots=True)
class _Track:
    offset: Point = (0.0, 0.0)
    """From the middle of the box's lower edge to the feet, in sizes of the box."""
    feet_us: int | None = None
    """When the feet were last visible."""
    stature: float = 0.0
    standing: int = 0
    """How often the person was seen standing."""
    media_us: int = 0
    speed: float = 0.0
    samples: deque[tuple[int, float, float]] = field(default_factory=lambda: deque(maxlen=64))
    """Earlier foot points: media time, x, y."""


class Bodies:
    """The people of a camera in one epoch."""

    def __init__(self, size: tuple[int, int]) -> None:
        """`size`: width and height of the epoch's first picture, in whose pixels people are."""
        self._width, self._height = size
        self._tracks = TrackMemory(_Track)

    def update(self, people: Iterable[SeenParts], media_us: int, ended: Iterable[int] = ()) -> list[Body]:
        """Return the measures of the people of the next frame, in order.

        `ended`: tracks that have ended, which are forgotten.
        """
        self._tracks.forget(ended)
        return [self._body(person, media_us) for person in people]

    def _body(self, person: SeenParts, media_us: int) -> Body:
        number, box, placed = person
        track = self._tracks.of(number)
        parts = {part.part: part.box for part in placed}
        left, right = parts.get("left_foot"), parts.get("right_foot")
        head, hip = _middle(parts.get("head")), _middle(parts.get("hip"))
        x, y = self._foot(box, left, right, track, media_us)
        measured, fall_s = _measured(box, parts, head, hip, _middle(left), _middle(right))
        stature = _tenths(_adapted(track, measured, fall_s, media_us))
        speed = _speed(track, x, y, stature, media_us)
        trunk = hips = None
        if hip is not None:
            hips = _hundredths((y - hip[1]) / stature)
            if head is not None:
                trunk = round(abs(math.degrees(math.atan2(head[0] - hip[0], hip[1] - head[1]))))
        return Body(number, box, (x, y), stature, trunk, hips, speed)

    def _foot(self, box: Box, left: Box | None, right: Box | None, track: _Track, media_us: int) -> Point:
        """Return the foot point: at the feet if they were recently visible, else the middle of the box's lower edge."""
        x1, y1, x2, y2 = box
        x, y, width, height = (x1 + x2) / 2, y2, max(x2 - x1, 1.0), max(y2 - y1, 1.0)
        if left is not None and right is not None:
            feet_x, feet_y = (
                (left[0] + left[2] + right[0] + right[2]) / 4,
                (left[1] + left[3] + right[1] + right[3]) / 4,
            )
            track.offset, track.feet_us = ((feet_x - x) / width, (feet_y - y) / height), media_us
            x, y = feet_x, feet_y
        elif track.feet_us is not None and media_us - track.feet_us < FEET_KEPT_US:
            x, y = x + track.offset[0] * width, y + track.offset[1] * height
        return (_tenths(min(max(x, 0.0), self._width)), _tenths(min(max(y, 0.0), self._height)))


# Faster than `round` with a number of digits.
def _tenths(value: float) -> float:
    return round(value * 10) / 10


def _hundredths(value: float) -> float:
    return round(value * 100) / 100


def _middle(box: Box | None) -> Point | None:
    return None if box is None else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def _measured(
    box: Box, parts: dict[str, Box], head: Point | None, hip: Point | None, left: Point | None, right: Point | None
) -> tuple[float, float]:
    """Return the stature as seen in one frame, at least 1 pixel, and how soon it is believed if it is smaller."""
    width, height = box[2] - box[0], box[3] - box[1]
    if not parts:
        return max(width, height, 1.0), _STANDING_S if height > _NARROW * width else _FALL_S
    trunk = leg = 0.0
    fall_s = _FALL_S
    if hip is not None:
        for foot in (left, right):
            if foot is not None:
                leg = max(leg, math.hypot(foot[0] - hip[0], foot[1] - hip[1]))
        if head is not None:
            across, up = abs(head[0] - hip[0]), hip[1] - head[1]
            trunk = math.hypot(across, up)
            if across < _UPRIGHT * up:
                if leg > _STRAIGHT * trunk and _below(hip, left, right):
                    return max((trunk + leg) / (_TRUNK + _LEG), 1.0), _STANDING_S
                if leg == 0.0:
                    fall_s = _FALL_PERHAPS_S
    most = (trunk + leg) / (_TRUNK + _LEG)
    single = max(trunk / _TRUNK, leg / _LEG)
    if hip is None and head is not None:
        for foot in (left, right):
            if foot is not None:
                most = max(most, math.hypot(foot[0] - head[0], foot[1] - head[1]) / _WITHOUT_HIPS)
    for name, share in (
        ("left_leg", _LEG_BOX),
        ("right_leg", _LEG_BOX),
        ("left_arm", _ARM_BOX),
        ("right_arm", _ARM_BOX),
    ):
        limb = parts.get(name)
        if limb is not None:
            single = max(single, (limb[2] - limb[0]) / share, (limb[3] - limb[1]) / share)
    most = max(most, _LIMBS_ALLOWANCE * single)
    return (most if most > 1.0 else max(width, height, 1.0)), fall_s


def _below(hip: Point, left: Point | None, right: Point | None) -> bool:
    """Whether the legs are nearly upright."""
    return all(foot is None or abs(foot[0] - hip[0]) <= foot[1] - hip[1] for foot in (left, right))


def _adapted(track: _Track, measured: float, fall_s: float, media_us: int) -> float:
    """Adapt the track's stature to the one measured in this frame, and return it: a maximum that fades slowly."""
    elapsed_s, track.media_us = (media_us - track.media_us) / 1e6, media_us
    before, standing = track.stature, fall_s == _STANDING_S
    track.standing += standing
    if before == 0.0:
        track.stature = measured
        return measured
    if standing:
        over_s = _STANDING_S
    elif measured > before:
        over_s = _RISE_S
    else:
        over_s = _FALL_PERHAPS_S if track.speed > _WALKING else fall_s
    share = elapsed_s / (elapsed_s + over_s)
    if standing:
        # The first measures are averaged, as a single one is uncertain.
        share = max(share, 1 / track.standing)
    track.stature = before + (measured - before) * share
    return track.stature


def _speed(track: _Track, x: float, y: float, stature: float, media_us: int) -> float | None:
    """Return the speed of the foot point over the last second, or None if it has been known for less than half one."""
    samples = track.samples
    while samples and media_us - samples[0][0] > _SPEED_WITHIN_US:
        samples.popleft()
    while len(samples) > 1 and media_us - samples[1][0] >= _SPEED_OVER_US:
        samples.popleft()
    speed = None
    if samples and media_us - samples[0][0] >= _SPEED_AFTER_US:
        since_us, since_x, since_y = samples[0]
        speed = _hundredths(math.hypot(x - since_x, y - since_y) / stature / (media_us - since_us) * 1e6)
        track.speed = speed
    else:
        track.speed = 0.0
    if not samples or media_us - samples[-1][0] >= _SAMPLES_APART_US:
        samples.append((media_us, x, y))
    return speed
