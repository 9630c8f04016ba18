"""The span and the person's boxes of an incident in its clip."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from stages.verdicts.verdict_file import MOST_BOXES, shows
from stream.incidents.incident import Incident
from stream.recording.clips import Clip
from stream.results import Box, Count, Epoch, MediaTime, Size


class _Person(msgspec.Struct):
    track: Count
    box: Box


class _Result(msgspec.Struct):
    epoch: Epoch
    media_time_us: MediaTime
    size: Size
    people: list[_Person]


class Track(NamedTuple):
    """A person in a clip. Times are in microseconds from the clip's first frame; boxes: time, x1, y1, x2, y2."""

    first_us: int
    end_us: int
    size: tuple[int, int]
    boxes: list[tuple[int, float, float, float, float]]


def track_of(incident: Incident, clip: Clip, results: Path) -> Track | None:
    """Return the person of an incident in its clip; None if the clip's results do not show them.

    `results` is the clip's `.jsonl`; damaged lines are skipped. Blocks. Raises OSError.
    """
    if incident.track is None or incident.media_time_us is None:
        return None
    first_us = max(0, incident.media_time_us - clip.start_media_time_us)
    end_us = _end_media_us(incident, clip) - clip.start_media_time_us
    if end_us <= first_us:
        return None
    size: tuple[int, int] | None = None
    boxes: dict[int, tuple[int, float, float, float, float]] = {}
    decoder = msgspec.json.Decoder(_Result)
    with results.open("rb") as lines:
        for line in lines:
            try:
                result = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            at_us = result.media_time_us - clip.start_media_time_us
            if result.epoch != clip.epoch or not first_us <= at_us < end_us or result.size != (size or result.size):
                continue
            for person in result.people:
                if person.track == incident.track and shows(result.size, person.box) and len(boxes) < MOST_BOXES:
                    size = result.size
                    boxes[at_us] = (at_us, *person.box)
    return None if size is None else Track(first_us, end_us, size, [boxes[at_us] for at_us in sorted(boxes)])


def _end_media_us(incident: Incident, clip: Clip) -> int:
    """Return the media time at which the incident ended, at most just after the clip's last frame."""
    last_us = clip.end_media_time_us + 1
    for event in clip.events:
        if event.event == incident.id:
            return min(last_us, last_us if event.end_media_time_us is None else event.end_media_time_us)
    for alert in clip.alerts:
        if alert.alert == incident.id:
            return min(last_us, last_us if alert.end_media_time_us is None else alert.end_media_time_us)
    if incident.ended_us is None or incident.media_time_us is None:
        return last_us
    return min(last_us, incident.media_time_us + incident.ended_us - incident.began_us)
