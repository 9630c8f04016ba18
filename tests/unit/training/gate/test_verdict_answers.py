"""Events of a checkpoint's answers: confirmed, judged wrong, and outside what people confirmed."""

from __future__ import annotations

from support.training.answered_films import film
from support.training.data_folders import one_person, seen_people, watched_video
from support.training.judged_people import verdict
from training.gate.answers import Fact, facts, judged_verdicts, raised_events
from training.gate.decision import Judged
from training.sources.verdicts.verdict_clips import SOURCE, JudgedClip, judged_clip

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
