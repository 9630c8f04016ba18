"""Events of written actions."""

from __future__ import annotations

from itertools import count

from stream.cameras.camera_rules import WrittenEvents
from stream.results import Event, Frame, ModelRef, Person, RuleAction

SECOND = 1_000_000


def frame(media_us: int, *people: tuple[int, tuple[str, ...]], epoch: int = 1) -> Frame:
    return Frame(
        run="",
        seq=0,
        camera="door",
        epoch=epoch,
        frame=media_us // 40_000,
        capture_us=10**15 + media_us,
        clock="media",
        media_time_us=media_us,
        published_us=0,
        size=(100, 100),
        model=ModelRef("edge", "", True),
        people=[
            Person(
                track,
                (0.0, 0.0, 1.0, 1.0),
                0.9,
                None,
                [],
                rule_actions=[RuleAction(label, 0.8, 10**15, "rule", []) for label in labels],
            )
            for track, labels in people
        ],
        objects=[],
    )


def said(events: list[Event]) -> list[tuple[int, str, str]]:
    assert all(event.source == "rule" for event in events)
    return [(event.track, event.label, event.kind) for event in events]


def test_an_action_starts_once_and_ends_when_the_person_no_longer_does_it() -> None:
    events = WrittenEvents()
    assert said(events.update(frame(0, (1, ("crouch_low",)), (2, ())))) == [(1, "crouch_low", "started")]
    assert said(events.update(frame(SECOND, (1, ("crouch_low", "hands_up"))))) == [(1, "hands_up", "started")]
    ended = events.update(frame(2 * SECOND, (1, ("hands_up",))))
    assert said(ended) == [(1, "crouch_low", "ended")] and ended[0].capture_us == 10**15 + 2 * SECOND
    assert said(events.close()) == [(1, "hands_up", "ended")]
    assert events.close() == []


def test_a_person_who_is_missing_for_less_than_three_seconds_goes_on() -> None:
    events = WrittenEvents()
    events.update(frame(0, (1, ("hands_up",))))
    assert events.update(frame(3 * SECOND)) == []
    assert events.update(frame(3 * SECOND, (1, ("hands_up",)))) == []
    assert said(events.update(frame(6 * SECOND + 1))) == [(1, "hands_up", "ended")]


def test_a_new_epoch_ends_everything_with_the_last_result_of_the_old_one() -> None:
    events = WrittenEvents()
    events.update(frame(SECOND, (1, ("hands_up",))))
    first, second = events.update(frame(0, (1, ("hands_up",)), epoch=2))
    assert (first.kind, first.epoch, first.capture_us) == ("ended", 1, 10**15 + SECOND)
    assert (second.kind, second.epoch) == ("started", 2)


def test_a_written_action_has_one_id_from_its_begin_to_its_end_and_names_the_frames() -> None:
    numbers = count(1)
    events = WrittenEvents(lambda: f"e-{next(numbers)}")
    said = events.update(frame(0, (1, ("crouch_low",)), (2, ("crouch_low",))))
    events.update(frame(SECOND, (1, ("crouch_low",)), (2, ("crouch_low",))))
    said += events.update(frame(2 * SECOND, (1, ()), (2, ("crouch_low",))))
    assert [(one.track, one.kind, one.event, one.media_time_us) for one in said] == [
        (1, "started", "e-1", 0),
        (2, "started", "e-2", 0),
        (1, "ended", "e-1", 2 * SECOND),
    ]
