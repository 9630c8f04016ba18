"""Events, falls and occurrences in films written as letters, ten frames a second unless said otherwise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from ring_buffers.frames import FrameMeta, SlotFormat
from stages.types import ActionAnalysis, FrameAnalysis, PersonAnalysis
from stream.cameras.camera import ActionEvents
from support.training.answered_films import film
from training.scoring.films import (
    AFTER_S,
    BEFORE_S,
    ActionEvent,
    FallFigures,
    action_events,
    fall_figures,
    film_falls,
    occurrences,
    together,
)

LETTERS = st.text("wf ?", min_size=25, max_size=25)


def test_an_event_lasts_until_another_label_or_until_the_track_was_last_seen() -> None:
    assert action_events(film("      ", "wwffw ")) == [
        ActionEvent(1, "walk", 0, 2),
        ActionEvent(1, "fall", 2, 4),
        ActionEvent(1, "walk", 4, 5),
    ]


def test_a_track_that_is_lost_and_found_with_its_label_begins_no_event() -> None:
    assert action_events(film("      ", "ww  ww")) == [ActionEvent(1, "walk", 0, 6)]


@given(LETTERS, LETTERS)
def test_events_begin_when_the_engines_do(first: str, second: str) -> None:
    answered = film(" " * 25, first, second)
    engine, expected = ActionEvents(), list[tuple[int, str, int]]()
    format = SlotFormat("rgb24", (64, 64), (64, 64))
    for frame in range(25):
        people = [
            PersonAnalysis(
                one.track,
                one.box,
                0.9,
                None
                if one.smoothed is None
                else ActionAnalysis(one.smoothed, 0.5, 0, [(one.smoothed, 0.5)], one.smoothed, 0.5),
                [],
            )
            for one in answered.answers.get(frame, ())
        ]
        meta = FrameMeta("film", 1, frame, frame * 100_000, frame * 100_000, "media", 0, 0, (64, 64), format)
        events = engine.update(meta, FrameAnalysis(people))
        expected += [(one.track, one.label, one.frame) for one in events if one.kind in ("started", "changed")]
    assert sorted((one.track, one.label, one.begin) for one in action_events(answered)) == sorted(expected)


def test_a_fall_is_found_by_an_event_from_half_a_second_before_to_two_seconds_after_it() -> None:
    def found(event: int) -> bool:
        labels = " " * 40 + "f" * 10 + " " * 40
        answers = "s" * event + "f" + "l" * (89 - event)
        return film_falls(film(labels, answers))[0][0].event_s is not None

    assert (BEFORE_S, AFTER_S) == (0.5, 2.0)
    assert [found(event) for event in (34, 35, 40, 49, 70, 71)] == [False, True, True, True, True, False]


def test_delays_count_from_the_begin_and_from_the_impact_and_are_infinite_if_not_found() -> None:
    found = film_falls(film("  fffff   ffff  ", "sssffllsssssslll", fps=1))[0]
    assert [(fall.delay_s, fall.after_impact_s) for fall in found] == [(1, -4), (math.inf, math.inf)]


def test_one_event_finds_one_fall_only() -> None:
    pair, _ = film_falls(film("  ff ff  ", "ssfffffff"))
    assert [fall.event_s is not None for fall in pair] == [True, False]


def test_a_second_event_in_the_window_is_no_false_alarm_and_one_outside_is() -> None:
    answered = film("ss" + "f" * 5 + "l" * 40, "ssfsf" + "l" * 25 + "f" * 2 + "l" * 15, kind="daily")
    assert [alarm.time_s for alarm in film_falls(answered)[1]] == [pytest.approx(3.0)]


@given(st.lists(st.booleans(), min_size=30, max_size=30), st.lists(st.booleans(), min_size=30, max_size=30))
def test_as_many_falls_are_found_as_any_matching_could_find(labels: list[bool], answers: list[bool]) -> None:
    answered = film("".join(" f"[one] for one in labels), "".join("sf"[one] for one in answers), fps=2)
    falls, alarms = film_falls(answered)
    begins = [event.begin / 2 for event in action_events(answered) if event.label == "fall"]
    possible = np.array(
        [[fall.begin_s - BEFORE_S <= begin <= fall.end_s + AFTER_S for begin in begins] for fall in falls], dtype=float
    ).reshape(len(falls), len(begins))
    rows, columns = linear_sum_assignment(possible, maximize=True)
    assert sum(fall.event_s is not None for fall in falls) == possible[rows, columns].sum()
    assert len(alarms) == sum(not column.any() for column in possible.T)


def test_alarms_are_counted_over_hours_with_an_exact_interval() -> None:
    figures = fall_figures([film(" " * 3600, "s" * 1800 + "f" * 1800, fps=1), film(" " * 3600, fps=1)])
    assert (figures.hours, len(figures.false_alarms), figures.alarms_an_hour) == (2, 1, 0.5)
    assert figures.alarms_an_hour_interval == pytest.approx((0.0253 / 2, 5.572 / 2), abs=1e-3)
    assert figures.found_interval is None and figures.median_delay_s is None
    assert FallFigures((), (), 0, 0).alarms_an_hour is None


def test_a_segment_is_found_if_an_event_of_its_label_overlaps_it() -> None:
    found = occurrences(film("jj  jj  jj", "sjjssssjjs", fps=1))
    assert [one.found for one in found] == [True, False, True]


def test_the_delay_is_to_the_first_right_smoothed_label_and_infinite_without_one() -> None:
    both = film("  jjj  ppp", "jjjjjjpppp", smoothed=["sssjjjssss"], fps=1)
    assert [one.delay_s for one in occurrences(both)] == [1, math.inf]


def test_the_delay_is_that_of_the_largest_person_who_may_be_missed_at_first() -> None:
    assert [one.delay_s for one in occurrences(film(" jjjj", "s  jj", "jssss", fps=1))] == [2]


def test_a_delay_of_a_majority_never_recognised_is_infinite() -> None:
    ones = [*occurrences(film(" j", " j", name="a")), *occurrences(film(" j", "  ")), *occurrences(film(" p", " j"))]
    assert together(ones).median_delay_s == math.inf
    assert together([]).median_delay_s is None
