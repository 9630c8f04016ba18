"""Which media times become clips, by the events."""

from __future__ import annotations

from typing import Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stream.recording.camera_recording import clip_alerts, clip_events
from stream.recording.planning import MAX_CAUSES, MAX_WINDOWS, ClipPlanner, ClipRules, wanted
from stream.results import Alert, Event

S = 1_000_000
RULES = ClipRules({"fall": 0.6, "kick": 0.5}, before_us=5 * S, after_us=3 * S, longest_us=60 * S)


def event(
    label: str = "fall",
    kind: Literal["started", "changed", "ended"] = "started",
    track: int = 1,
    score: float = 0.9,
    epoch: int = 1,
) -> Event:
    return Event(
        run="",
        seq=0,
        camera="cam",
        epoch=epoch,
        frame=0,
        track=track,
        kind=kind,
        label=label,
        previous=None,
        score=score,
        capture_us=0,
        since_us=0,
    )


def alert(name: str = "a", state: Literal["began", "updated", "cleared"] = "began") -> Alert:
    nothing = dict.fromkeys(("zone", "line", "track", "people", "action", "score", "box", "clear_reason"), None)
    return Alert(
        run="",
        seq=0,
        camera="cam",
        epoch=1,
        frame=0,
        alert=name,
        rule="empty",
        severity="info",
        state=state,
        reason="0 people in hall",
        capture_us=0,
        since_us=0,
        began_us=0,
        **nothing,  # pyright: ignore[reportArgumentType]
    )


def spans(planner: ClipPlanner) -> list[tuple[float, float]]:
    return [(window.begin_us / S, window.end_us / S) for window in planner.windows]


def test_an_event_is_shown_with_the_seconds_before_it_and_after_its_end() -> None:
    planner = ClipPlanner(RULES)
    assert planner.take(event(), 20 * S)
    assert spans(planner) == [(15, 75)], "while it goes on only its longest length is known"
    assert planner.take(event("stand", "changed"), 22 * S)
    assert spans(planner) == [(15, 25)]
    assert not planner.windows[0].cut_short


def test_a_clip_marks_the_experimental_actions_that_caused_it() -> None:
    planner = ClipPlanner(RULES)
    planner.take(msgspec.structs.replace(event("kick"), experimental=True), 20 * S)
    planner.take(event("fall", track=2), 21 * S)
    found = clip_events(planner.windows[0])
    assert [(one.action, one.experimental) for one in found] == [("kick", True), ("fall", False)]


def test_only_configured_actions_with_enough_score_make_clips() -> None:
    planner = ClipPlanner(RULES)
    assert not planner.take(event("walk"), 10 * S)
    assert not planner.take(event("fall", score=0.59), 10 * S)
    assert not planner.take(event("fall", "ended"), 10 * S)
    assert planner.take(event("kick", "changed", score=0.5), 10 * S)
    assert len(planner.windows) == 1


def test_without_configured_actions_common_ones_make_no_clips() -> None:
    assert [wanted(None, label, 0.5) for label in ("stand", "walk", "sit", "lie", "carry", "other")] == [False] * 6
    assert wanted(None, "fall", 0.5)
    assert not wanted(None, "fall", 0.49)


def test_events_that_overlap_extend_the_clip_and_later_ones_make_their_own() -> None:
    planner = ClipPlanner(RULES)
    planner.take(event(track=1), 20 * S)
    planner.take(event("kick", track=2), 21 * S)
    planner.take(event("fall", "ended", track=1), 22 * S)
    assert spans(planner) == [(15, 75)], "the second one goes on"
    planner.take(event("kick", "ended", track=2), 30 * S)
    assert spans(planner) == [(15, 33)]
    planner.take(event(track=3), 38 * S)  # 5 s before it is 33 s
    planner.take(event("fall", "ended", track=3), 39 * S)
    assert spans(planner) == [(15, 42)]
    planner.take(event(track=3), 48 * S)
    assert [begin for begin, _ in spans(planner)] == [15, 43]
    assert [cause.name for cause in planner.windows[0].causes] == ["fall", "kick", "fall"]


def test_a_clip_is_no_longer_than_allowed_from_its_first_picture_on() -> None:
    planner = ClipPlanner(RULES)
    planner.take(event(), 20 * S)
    window = planner.windows[0]
    window.began(13 * S)  # the key frame before
    assert (window.end_us, window.cut_short) == (73 * S, True)
    planner.take(event("fall", "ended"), 72 * S)
    assert (window.end_us, window.cut_short) == (73 * S, True)
    planner.take(event(), 73 * S)
    assert spans(planner) == [(15, 73), (68, 128)]


def test_another_epoch_is_another_clip() -> None:
    planner = ClipPlanner(RULES)
    planner.take(event(), 20 * S)
    planner.take(event(epoch=2), 2 * S)
    assert [(window.epoch, window.begin_us) for window in planner.windows] == [(1, 15 * S), (2, 0)]
    planner.take(event("fall", "ended", epoch=2), 3 * S)
    assert planner.windows[0].ongoing and not planner.windows[1].ongoing


def test_when_writing_is_behind_events_are_counted_and_not_kept() -> None:
    planner = ClipPlanner(RULES)
    for epoch in range(1, MAX_WINDOWS + 4):
        planner.take(event(epoch=epoch), 20 * S)
    assert (len(planner.windows), planner.refused) == (MAX_WINDOWS, 3)
    planner.done(planner.windows[0])
    planner.take(event(epoch=99), 20 * S)
    assert (len(planner.windows), planner.refused) == (MAX_WINDOWS, 3)


steps = st.lists(
    st.tuples(
        st.integers(0, 4 * S),
        st.sampled_from(["fall", "kick", "stand"]),
        st.sampled_from(["started", "changed", "ended"]),
        st.integers(1, 3),
        st.floats(0, 1),
        st.booleans(),
        st.booleans(),
    ),
    max_size=200,
)


@given(steps)
def test_after_any_events_windows_are_bounded_and_contain_their_events(steps: list) -> None:
    planner = ClipPlanner(RULES)
    media_us, epoch = 0, 1
    for step_us, label, kind, track, score, reconnects, written in steps:
        media_us += step_us
        if reconnects and media_us > 30 * S:
            media_us, epoch = 0, epoch + 1
        planner.take(event(label, kind, track, score, epoch), media_us)
        assert len(planner.windows) <= MAX_WINDOWS
        for window in planner.windows:
            assert 0 < window.end_us - window.begin_us <= RULES.longest_us
            assert 0 < len(window.causes) <= MAX_CAUSES
            for planned in window.causes:
                assert window.begin_us <= max(0, planned.media_us - RULES.before_us) or planned is not window.causes[0]
                assert window.begin_us <= planned.media_us <= window.end_us
        if written and planner.windows:
            planner.done(planner.windows[0])


def test_an_alert_is_shown_from_before_its_begin_until_after_it_was_cleared() -> None:
    planner = ClipPlanner(RULES)
    assert planner.take(alert(), 20 * S)
    assert not planner.take(alert(state="updated"), 30 * S) and spans(planner) == [(15, 75)]
    assert planner.take(event(track=1), 31 * S), "an action and an alert share a clip"
    assert planner.take(alert(state="cleared"), 32 * S) and spans(planner) == [(15, 75)]
    assert planner.take(event("stand", "changed"), 33 * S) and spans(planner) == [(15, 36)]
    (window,) = planner.windows
    (found,) = clip_alerts(window)
    assert (found.alert, found.rule, found.media_time_us, found.end_media_time_us) == ("a", "empty", 20 * S, 32 * S)
    assert [one.action for one in clip_events(window)] == ["fall"]


def test_alerts_start_no_clips_if_that_is_switched_off() -> None:
    planner = ClipPlanner(ClipRules(None, 0, 0, S, alerts=False))
    assert not planner.take(alert(), 20 * S) and not planner.windows
