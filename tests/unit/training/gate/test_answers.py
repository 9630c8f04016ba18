"""What two checkpoints answer: alarms, judged instants of footage, generated sequences, and verdicts."""

from __future__ import annotations

import pytest

from stages.checkpoint import Checkpoint
from support.training.answered_films import film
from support.training.data_folders import one_person, seen_people, watched_video
from support.training.judged_people import verdict
from support.training.planted_checkpoints import edge_of, without_answering
from support.training.training_examples import motion_clips
from training.footage import judging
from training.gate.answers import (
    Fact,
    Raised,
    alarms,
    facts,
    judged_verdicts,
    labelled_people,
    raised_events,
    sequences_of_actions,
)
from training.gate.decision import FORGETTING, Alarm, Judged, LabelledPerson, Measured, Sequences, decide
from training.sources.verdicts.verdict_clips import SOURCE, JudgedClip, judged_clip


def raised(begin_s: float, end_s: float, what: str = "fall", *, track: int | None = 1, video: str = "a") -> Raised:
    return Raised(video, what, track, begin_s, end_s)


def counted(old: list[Raised], new: list[Raised]) -> tuple[int, int, int]:
    """Return the alarms that both raise, only OLD, and only NEW."""
    found = alarms("events", [600.0], old, new).raised
    return tuple(sum((one.old, one.new) == pair for one in found) for pair in ((1, 1), (1, 0), (0, 1)))  # type: ignore


def test_alarms_that_overlap_are_one_if_video_person_and_action_are_the_same() -> None:
    old = [raised(10, 20)]
    assert counted(old, [raised(15, 30)]) == (1, 0, 0)
    assert counted(old, [raised(21, 30)]) == (0, 1, 1)
    assert counted(old, [raised(10, 20, "walk")]) == counted(old, [raised(10, 20, track=2)]) == (0, 1, 1)
    assert counted(old, [raised(10, 20, video="b")]) == (0, 1, 1)


def test_an_alarm_belongs_to_the_minute_of_its_video_in_which_it_begins() -> None:
    found = alarms("events", [90.0, 200.0], [raised(130, 190, video="b")], [raised(119, 140, video="b")])
    assert found.raised == [Alarm("fall", ("b", 1), True, True)]
    assert found.minutes == 2 + 4 and found.hours * 3600 == 290


def judged(person: int, truth: str, answer: str | None, clip: str = "vtest") -> judging.Judged:
    return judging.Judged(clip, person, 0.0, 1.0, truth, answer, 0.9, missed=answer is None)


def test_answers_are_counted_by_person_and_action() -> None:
    old = [judged(1, "walk", "walk"), judged(1, "walk", "run"), judged(1, "sit", "sit"), judged(2, "walk", "walk")]
    new = [judged(1, "walk", "walk"), judged(1, "walk", "walk"), judged(1, "sit", None), judged(2, "walk", "sit")]
    assert labelled_people(old, new) == [
        LabelledPerson("vtest/1", "sit", 1, 1, 0),
        LabelledPerson("vtest/1", "walk", 2, 1, 2),
        LabelledPerson("vtest/2", "walk", 1, 1, 0),
    ]


def test_all_cameras_of_a_take_are_one_unit() -> None:
    both = [judged(person, "walk", "walk", clip=f"take-cam0{camera}") for camera in (1, 2) for person in (1, 2)]
    assert {one.unit for one in labelled_people(both, both)} == {"take"}


EACH = 10


@pytest.fixture(scope="module")
def edge() -> Checkpoint:
    return edge_of("stand", "walk", "sit")


def against(old: Checkpoint, new: Checkpoint) -> dict[str, Sequences]:
    return sequences_of_actions(old, new, motion_clips(), each=EACH)


def refused(found: dict[str, Sequences]) -> set[str]:
    checks = decide(Measured(sequences=found))
    return {check.part for check in checks if check.name == FORGETTING and check.outcome == "refused" and check.part}


def test_a_checkpoint_keeps_what_it_knows_itself(edge: Checkpoint) -> None:
    found = against(edge, edge)
    assert set(found) == {"stand", "walk", "sit"}
    assert all(one.shown > EACH / 2 and one.old == one.new > one.shown / 2 for one in found.values())
    assert all((one.lost, one.gained) == (0, 0) for one in found.values()) and not refused(found)


def test_the_gate_refuses_an_action_forgotten(edge: Checkpoint) -> None:
    found = against(edge, without_answering(edge, "walk"))
    assert found["walk"].new == 0 and found["walk"].lost == found["walk"].old
    assert refused(found) == {"walk"}


def test_an_action_that_the_new_checkpoint_lacks_is_forgotten_and_one_that_it_added_is_no_matter(
    edge: Checkpoint,
) -> None:
    found = against(edge_of("walk", "sit"), edge_of("sit", "crawl"))
    assert set(found) == {"walk", "sit"} and found["walk"].new == 0 and refused(found) == {"walk"}


BOXES = {1: one_person(100)[1], 2: dict.fromkeys(range(100), (200, 40, 280, 220))}
LONG = 100
KNOWN = {"fall", "lie", "walk"}


def clip(*judged: tuple[str, str | None, int, tuple[int, int]]) -> JudgedClip:
    """Return a clip of two people with verdicts: what was said, what is true, the track, and its frames."""
    seen = seen_people(BOXES)
    verdicts = [
        verdict(number, said, truth, seen, clip="clip", track=track, span=span)
        for number, (said, truth, track, span) in enumerate(judged)
    ]
    made, left_out = judged_clip(watched_video(SOURCE, "clip", seen=seen), verdicts)
    assert made is not None, left_out
    return made


def answers(first: str, second: str = "w" * LONG):
    return {"clip": film(" " * LONG, first, second)}


FALLS = "w" * 40 + "f" * 20 + "w" * 40
WALKS = "w" * LONG


def test_an_event_is_found_if_its_person_does_it_in_the_span() -> None:
    one = clip(("fall", "fall", 1, (35, 65)), ("fall", "fall", 2, (35, 65)), ("fall", "fall", 1, (70, 90)))
    found = judged_verdicts([one], answers(FALLS), answers(WALKS, FALLS), known=KNOWN)
    assert sorted(found.confirmed) == [
        Judged("fall", False, False),
        Judged("fall", False, True),
        Judged("fall", True, False),
    ]
    assert not found.wrong


def test_what_was_said_wrongly_is_raised_again_or_not_and_a_named_truth_is_confirmed() -> None:
    one = clip(("fall", None, 1, (50, 65)), ("fall", "walk", 1, (0, 45)))
    found = judged_verdicts([one], answers(FALLS), answers(WALKS), known=KNOWN)
    assert found.wrong == [Judged("fall", True, False), Judged("fall", True, False)]
    assert found.confirmed == [Judged("walk", True, True)]


def test_an_action_is_one_fact_though_its_alert_and_its_event_were_judged() -> None:
    one = clip(("fall", "fall", 1, (35, 65)), ("fall", "fall", 1, (40, 62)), ("fall", "fall", 1, (70, 90)))
    assert [(fact.first, fact.stop) for fact in facts(one)] == [(70, 90), (40, 62)]


def test_the_latest_of_contradictory_verdicts_counts() -> None:
    right, wrong = ("fall", "fall", 1, (35, 65)), ("fall", None, 1, (40, 60))
    assert facts(clip(right, wrong)) == [Fact(1, "fall", False, 40, 60)]
    assert facts(clip(wrong, right)) == [Fact(1, "fall", True, 35, 65)]


def test_events_outside_confirmed_spans_of_their_action_are_alarms() -> None:
    one = clip(("fall", "fall", 1, (35, 65)), ("fall", None, 2, (0, 20)))
    (shown,) = answers(FALLS, "f" * 20 + "l" * 80).values()
    (other,) = raised_events("v", shown, {"fall"}, facts(one))
    assert other == ("v", "fall", 2, 0.0, 2.0)
    assert [each.what for each in raised_events("v", shown, {"fall", "lie"}, facts(one))] == ["fall", "lie"]
    assert len(list(raised_events("v", shown, {"fall"}, [Fact(1, "lie", True, 35, 65)]))) == 2
