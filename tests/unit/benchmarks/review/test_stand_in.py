"""What labels say of events in place of a person, and which verdicts are given."""

from __future__ import annotations

from benchmarks.review.stand_in import Judgement, choose, judge
from training.footage.segments.answered_film import AnsweredFilm, Frame, SeenPerson, Segment

FPS = 10.0
LARGE, SMALL = (0.0, 0.0, 50.0, 100.0), (60.0, 0.0, 80.0, 40.0)


def film(segments: list[Segment], *events: tuple[int, str, int, int], small: int = 0) -> AnsweredFilm:
    """Return a film of 100 frames with these events (track, label, begin, end); track `small` has a smaller box."""
    answers: dict[int, Frame] = {}
    for track, label, begin, end in events:
        for frame in range(begin, end):
            box = SMALL if track == small else LARGE
            answers[frame] = (*answers.get(frame, ()), SeenPerson(track, box, label, 0.9, label, 0.9))
    return AnsweredFilm("film", 100, FPS, tuple(segments), answers)


def said(one: AnsweredFilm) -> list[tuple[str, str | None]]:
    return [(judged.said, judged.truth) for judged in judge(one)]


def test_an_event_that_overlaps_its_label_by_half_is_right() -> None:
    assert said(film([Segment(50, 90, "lie")], (1, "lie", 40, 60))) == [("right", "lie")]


def test_an_event_mostly_during_another_label_is_really_that() -> None:
    assert said(film([Segment(0, 50, "walk")], (1, "sit", 0, 60))) == [("really", "walk")]


def test_an_event_without_a_label_is_skipped() -> None:
    segments = [Segment(0, 10, "walk"), Segment(10, 100, None)]
    assert said(film(segments, (1, "sit", 0, 30))) == [("skip", None)]


def test_an_event_of_a_person_who_is_not_the_largest_is_skipped() -> None:
    one = film([Segment(0, 100, "walk")], (1, "walk", 0, 100), (2, "sit", 20, 60), small=2)
    assert said(one) == [("right", "walk"), ("skip", None)]


def test_an_event_in_the_change_to_its_action_is_skipped() -> None:
    assert said(film([Segment(0, 30, "sit_down")], (1, "sit", 0, 30))) == [("skip", None)]


def test_a_fall_event_soon_after_the_impact_is_right() -> None:
    assert said(film([Segment(20, 30, "fall"), Segment(30, 100, "lie")], (1, "fall", 45, 60))) == [("right", "fall")]


def test_a_fall_event_long_after_the_impact_is_really_what_is_labelled() -> None:
    assert said(film([Segment(20, 30, "fall"), Segment(30, 100, "lie")], (1, "fall", 60, 70))) == [("really", "lie")]


def test_a_fall_event_in_unlabelled_frames_is_wrong_because_all_falls_are_labelled() -> None:
    assert said(film([Segment(20, 30, "sit")], (1, "fall", 60, 70))) == [("wrong", None)]


def test_a_fall_event_in_a_film_without_labels_is_skipped() -> None:
    assert said(film([Segment(0, 100, None)], (1, "fall", 60, 70))) == [("skip", None)]


def test_at_most_so_many_verdicts_are_given_on_each_action_and_skipped_events_do_not_count() -> None:
    one = film(
        [Segment(0, 40, "walk"), Segment(40, 60, None), Segment(60, 100, "sit")],
        (1, "sit", 0, 10),
        (1, "walk", 10, 20),
        (1, "sit", 20, 30),
        (1, "lie", 30, 40),
        (1, "sit", 40, 55),
    )
    judged = judge(one)
    assert [each.said for each in judged] == ["really", "right", "really", "really", "skip"]
    chosen = choose(judged, 1, 0)
    assert sorted(each.event.label for each in chosen) == ["lie", "sit", "walk"]


def test_the_choice_takes_films_in_a_random_order_that_repeats() -> None:
    events = judge(film([Segment(0, 100, "walk")], (1, "sit", 0, 60)))
    judged = [one._replace(film=f"film{number}") for number in range(20) for one in events]
    first = choose(judged, 5, 1)
    assert first == choose(list(reversed(judged)), 5, 1) != choose(judged, 5, 2)
    assert all(isinstance(one, Judgement) for one in first) and len({one.film for one in first}) == 5
