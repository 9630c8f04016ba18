"""A person's smoothed action becomes events: started, changed and ended, each once, with its start time."""

from __future__ import annotations

from itertools import count

from ring_buffers.frames import FrameMeta, SlotFormat
from stages.types import ActionAnalysis, FrameAnalysis, PersonAnalysis
from stream.cameras.camera import ActionEvents
from stream.messaging.assemble import frame_message
from stream.results import ModelRef

BOX = (1.0, 2.0, 3.0, 4.0)


def meta(frame: int, epoch: int = 1, clock: str = "rtcp") -> FrameMeta:
    return FrameMeta(
        camera="door",
        epoch=epoch,
        frame=frame,
        media_us=frame * 100_000,
        capture_us=1_790_000_000_000_000 + frame * 100_000,
        clock=clock,  # pyright: ignore[reportArgumentType]
        arrival_ns=0,
        ready_ns=0,
        size=(640, 480),
        format=SlotFormat("rgb24", (640, 480), (640, 480)),
    )


def doing(label: str | None, track: int = 7, since: int = 0) -> FrameAnalysis:
    action = None if label is None else ActionAnalysis(label, 0.9, since, [(label, 0.9)], label, 0.8)
    return FrameAnalysis(people=[PersonAnalysis(track, BOX, 0.9, action, [])], tracks=1)


def kinds(changes: list) -> list[tuple[str, str, str | None]]:
    return [(change.kind, change.label, change.previous) for change in changes]


def test_the_first_label_of_a_track_starts_an_action() -> None:
    assert kinds(ActionEvents().update(meta(0), doing("walk"))) == [("started", "walk", None)]


def test_a_person_without_an_action_yet_causes_no_event() -> None:
    assert ActionEvents().update(meta(0), doing(None)) == []


def test_the_same_label_again_causes_no_event() -> None:
    events = ActionEvents()
    events.update(meta(0), doing("walk"))
    assert events.update(meta(1), doing("walk")) == []


def test_a_new_label_changes_the_action_and_names_the_one_before() -> None:
    events = ActionEvents()
    events.update(meta(0), doing("walk"))
    assert kinds(events.update(meta(1), doing("wave"))) == [("changed", "wave", "walk")]


def test_an_action_ends_with_its_track_and_has_its_start_time() -> None:
    events = ActionEvents()
    events.update(meta(3), doing("walk"))
    (message,) = events.update(meta(9), FrameAnalysis(ended=[7]))
    assert (message.kind, message.label, message.track) == ("ended", "walk", 7)
    assert message.capture_us - message.since_us == 600_000


def test_a_track_that_was_only_missed_does_not_end() -> None:
    events = ActionEvents()
    events.update(meta(0), doing("walk"))
    assert events.update(meta(1), FrameAnalysis()) == []
    assert events.update(meta(2), doing("walk")) == []


def test_a_track_that_never_had_an_action_ends_without_an_event() -> None:
    assert ActionEvents().update(meta(0), FrameAnalysis(ended=[7])) == []


def test_closing_an_epoch_ends_every_action_once_in_that_epoch() -> None:
    events = ActionEvents()
    events.update(meta(0, epoch=4), doing("walk"))
    assert [(change.kind, change.epoch) for change in events.close()] == [("ended", 4)]
    assert events.close() == []


def test_experimental_actions_are_marked_in_events_until_they_end_and_in_results() -> None:
    model = ModelRef("edge", "sha256:0", True, ["carry"])
    events = ActionEvents()
    found = [
        *events.update(meta(0), doing("carry"), model.experimental),
        *events.update(meta(1), doing("walk"), model.experimental),
        *events.update(meta(2), doing("carry"), model.experimental),
        *events.close(),
    ]
    assert [(one.kind, one.label, one.experimental) for one in found] == [
        ("started", "carry", True),
        ("changed", "walk", False),
        ("changed", "carry", True),
        ("ended", "carry", True),
    ]
    for label in ("carry", "walk"):
        (person,) = frame_message(meta(0), doing(label), model).people
        assert person.action is not None and person.action.experimental == (label == "carry")


def test_since_is_counted_back_in_media_time_from_the_capture_time() -> None:
    message = frame_message(meta(30), doing("walk", since=1_000_000), ModelRef("edge", "sha256:0", True))
    action = message.people[0].action
    assert action is not None
    assert message.capture_us - action.since_us == 2_000_000
    assert message.media_time_us == 3_000_000


def test_an_action_has_one_id_from_the_event_that_begins_it_to_the_one_that_ends_it() -> None:
    numbers = count(1)
    events = ActionEvents(lambda: f"e-{next(numbers)}")
    said = [*events.update(meta(0), doing("walk")), *events.update(meta(1), doing("wave")), *events.close()]
    assert [(one.kind, one.event, one.previous_event) for one in said] == [
        ("started", "e-1", None),
        ("changed", "e-2", "e-1"),
        ("ended", "e-2", None),
    ]
    assert [one.media_time_us for one in said] == [0, 100_000, 100_000]
