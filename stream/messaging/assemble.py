"""Conversion of a model's analysis of a frame into the message to publish."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ring_buffers.frames import FrameMeta
from stages.looks import Region
from stages.types import FrameAnalysis, PersonAnalysis
from stream import results
from stream.rules.bodies import Body
from stream.rules.lines import Crossing


class Place(NamedTuple):
    """What is known of where a person is: the published parts, what is measured of them, zones, and lines crossed."""

    parts: Sequence[results.Part]
    body: Body
    zones: Sequence[str] = ()
    crossed: Sequence[Crossing] = ()


NO_PLACES: Mapping[int, Place] = MappingProxyType({})


def frame_message(
    meta: FrameMeta,
    analysis: FrameAnalysis,
    model: results.ModelRef,
    trace_id: str | None = None,
    places: Mapping[int, Place] = NO_PLACES,
    privacy: results.Privacy | None = None,
) -> results.Frame:
    """Return the result of one frame; the publisher fills in run, number and time.

    `places`: where each person is, by track. `privacy`: what is hidden of the camera's pictures.

    Scores are rounded to 4 digits and boxes to a tenth of a pixel: more digits are noise.
    """
    return results.Frame(
        run="",
        seq=0,
        camera=meta.camera,
        epoch=meta.epoch,
        frame=meta.frame,
        capture_us=meta.capture_us,
        clock=meta.clock,
        media_time_us=meta.media_us,
        published_us=0,
        size=meta.size,
        model=model,
        people=[_person(person, meta, model.experimental, places.get(person.track)) for person in analysis.people],
        objects=[
            results.DetectedObject(found.label, rounded_box(found.box), round(found.score, 4), found.detected)
            for found in analysis.objects
        ],
        trace_id=trace_id,
        look=analysis.look.kind,
        regions=[_region_box(region, meta) for region in analysis.look.published_regions],
        privacy=privacy,
    )


def _region_box(region: Region, meta: FrameMeta) -> results.Box:
    """Return the part of a region inside the picture, in pixels of the epoch's first picture size."""
    across, down = meta.size[0] / meta.format.size[0], meta.size[1] / meta.format.size[1]
    width, height = region.shown(meta.format.size)
    left, top = region.left, region.top
    return rounded_box((left * across, top * down, (left + width) * across, (top + height) * down))


def rounded_box(box: tuple[float, float, float, float]) -> results.Box:
    """Return the box as published: x1, y1, x2, y2 in pixels of the epoch's first picture size."""
    x1, y1, x2, y2 = box
    # Twice as fast as `round` to one digit, and, except for ties, the same numbers.
    return (
        round(float(x1) * 10) / 10,
        round(float(y1) * 10) / 10,
        round(float(x2) * 10) / 10,
        round(float(y2) * 10) / 10,
    )


def capture_time_of(meta: FrameMeta, media_us: int) -> int:
    """Return the capture time, µs UTC, at an earlier media time of the same epoch.

    The elapsed time is taken from media time alone, so that a clock correction does not change it. The result is
    not before 1970.
    """
    return max(meta.capture_us - (meta.media_us - media_us), 0)


def published_parts(person: PersonAnalysis) -> list[results.Part]:
    """Return the visible parts as published."""
    return [
        results.Part(
            part=part.part,
            box=rounded_box(part.box),
            score=round(part.score, 4),
            relevance=round(part.relevance, 4),
            states=[(state, round(score, 4)) for state, score in part.states],
            holds=part.holds,
        )
        for part in person.parts
    ]


def _person(
    person: PersonAnalysis, meta: FrameMeta, experimental: Collection[str], place: Place | None
) -> results.Person:
    action = person.action
    body = None if place is None else place.body
    return results.Person(
        track=person.track,
        box=rounded_box(person.box) if body is None else body.box,
        score=round(person.score, 4),
        action=None
        if action is None
        else results.Action(
            label=action.label,
            score=round(action.score, 4),
            since_us=capture_time_of(meta, action.since_media_us),
            top=[(label, round(score, 4)) for label, score in action.top],
            experimental=action.label in experimental,
        ),
        parts=published_parts(person) if place is None else list(place.parts),
        detected=person.detected,
        foot=None if body is None else body.foot,
        zones=[] if place is None else list(place.zones),
        stature=None if body is None else body.stature,
        trunk=None if body is None else body.trunk,
        hips=None if body is None else body.hips,
        speed=None if body is None else body.speed,
        crossed=[] if place is None else list(place.crossed),
    )
