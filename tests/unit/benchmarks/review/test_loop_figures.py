"""False alarms and recall of two checkpoints, and what counts as a closed loop."""

from __future__ import annotations

import pytest

from benchmarks.review.loop_figures import FilmCounts, compare, count, largest_closing, power
from training.footage.segments.answered_film import AnsweredFilm, SeenPerson, Segment


def counts(number: int, action: str = "sit", **given: int) -> FilmCounts:
    fields = {name: {action: given.get(name, 0)} for name in ("events", "false_alarms", "labelled", "found")}
    return FilmCounts(f"film{number}", 10.0, **fields)


def test_a_film_counts_false_alarms_and_found_occurrences() -> None:
    box = (0.0, 0.0, 10.0, 20.0)
    labels = ["sit"] * 10 + ["walk"] * 10 + ["fall"] * 5 + ["lie"] * 25
    answers = {frame: (SeenPerson(1, box, label, 0.9, label, 0.9),) for frame, label in enumerate(labels)}
    segments = (Segment(0, 20, "walk"), Segment(20, 25, "fall"), Segment(25, 45, "lie"), Segment(45, 50, "sit"))
    found = count(AnsweredFilm("film", 50, 10.0, segments, answers))
    assert found.events == {"sit": 1, "walk": 1, "fall": 1, "lie": 1}
    assert found.false_alarms == {"sit": 1}
    assert found.labelled == {"walk": 1, "fall": 1, "lie": 1, "sit": 1}
    assert found.found == {"walk": 1, "fall": 1, "lie": 1}


def test_the_loop_is_closed_if_false_alarms_fall_beyond_their_interval_and_recall_is_kept() -> None:
    old = [counts(number, false_alarms=2, labelled=4, found=4) for number in range(10)]
    fewer = [counts(number, false_alarms=1, labelled=4, found=4) for number in range(10)]
    found = compare(old, fewer)
    assert found.alarms == found.every and found.alarms.false == (20, 10) and found.alarms.fewer_p < 0.05
    assert found.alarms.fewer and found.kept and found.as_json()["alarms"]["closed"]


def test_the_loop_is_open_if_recall_falls_by_more_than_five_points() -> None:
    old = [counts(number, false_alarms=2, labelled=4, found=4) for number in range(10)]
    worse = [counts(number, labelled=4, found=4 if number > 2 else 3) for number in range(10)]
    found = compare(old, worse)
    assert found.alarms.fewer and found.recall["sit"].change == pytest.approx(-0.075)
    assert not found.kept and not found.as_json()["alarms"]["closed"]


def test_false_alarms_of_other_actions_count_only_among_all() -> None:
    old = [counts(number, "walk", false_alarms=3, labelled=4, found=4) for number in range(10)]
    found = compare(old, [counts(number, "walk", labelled=4, found=4) for number in range(10)])
    assert found.every.false == (30, 0) and found.alarms.false == (0, 0) and found.by_action == {"walk": (30, 0)}
    assert found.as_json()["every"]["closed"] and not found.as_json()["alarms"]["closed"]


def test_few_false_alarms_cannot_fall_beyond_their_interval() -> None:
    assert [largest_closing(number) for number in (0, 3, 4, 10, 30)] == [-1, 0, 1, 4, 20]


def test_the_power_grows_with_the_number_of_false_alarms_and_with_the_share_removed() -> None:
    assert power(3, 0.5) < power(30, 0.5) < power(30, 0.7) < 1
    assert power(0, 1.0) == 0.0


def test_counts_of_different_films_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different films"):
        compare([counts(1)], [counts(2)])
