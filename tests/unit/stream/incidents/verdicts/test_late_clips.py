"""Which verdicts wait for their clip, in bounds, and which clips show them."""

from __future__ import annotations

import msgspec
import pytest

from stream.incidents.incident import Incident
from stream.incidents.verdicts import late_clips
from stream.incidents.verdicts.late_clips import LateClips
from stream.results import ClipReady

INCIDENT = Incident(
    id="e0123abcd-1",
    kind="event",
    camera="door",
    run="r",
    epoch=1,
    frame=1,
    track=7,
    rule=None,
    action="fall",
    severity=None,
    reason="",
    score=0.9,
    began_us=0,
    ended_us=None,
    media_time_us=500,
    acknowledged_us=None,
    picture=False,
    clip=None,
    model=None,
    verdict="right",
    truth="fall",
    by="anna",
    at_us=0,
)
READY = ClipReady(
    run="r",
    seq=0,
    camera="door",
    epoch=1,
    clip="clip",
    start_us=0,
    end_us=0,
    start_media_time_us=500,
    end_media_time_us=900,
    ended="complete",
    bytes=1,
    events=[],
    alerts=[],
)


def test_a_clip_shows_what_began_within_it_at_its_camera_in_its_epoch() -> None:
    late = LateClips()
    late.wait(INCIDENT)
    assert late.shown_by(READY) == [INCIDENT.id]
    for other in (
        {"run": "s"},
        {"camera": "yard"},
        {"epoch": 2},
        {"start_media_time_us": 501},
        {"end_media_time_us": 499},
    ):
        assert late.shown_by(msgspec.structs.replace(READY, **other)) == [], other
    late.forget(INCIDENT.id)
    assert late.shown_by(READY) == []


def test_clips_are_only_queued_while_a_verdict_waits_and_recent_ones_again_for_a_later_verdict() -> None:
    late = LateClips()
    late.take(READY)
    assert late.next() is None
    late.wait(INCIDENT)
    late.look_at_recent(INCIDENT.id)
    assert late.next() is READY and late.next() is None
    late.take(READY)
    assert late.next() is READY


def test_verdicts_and_clips_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_clips, "MOST_WAITING", 2)
    monkeypatch.setattr(late_clips, "MOST_COMPLETE", 2)
    late = LateClips()
    late.look_through = False
    for number in range(4):
        late.wait(msgspec.structs.replace(INCIDENT, id=f"e0123abcd-{number}"))
        late.take(READY)
    assert late.shown_by(READY) == ["e0123abcd-2", "e0123abcd-3"]
    assert late.look_through and [late.next() for _ in range(3)] == [READY, READY, None]
