"""Confusion of one set and of several together."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.training.answered_films import film
from training.footage.judging import MISSED, UNANSWERED, seconds_by_answer
from training.scoring.confusion_tables import ConfusionTable, Counted, SetConfusion, pooled, set_confusion
from training.scoring.figures import film_figures

ACTIONS = ("stand", "walk", "run", "jump", "sit")


def of(name: str, answers: dict[str, dict[str, int]], counted: Counted = "frames", units: int = 1) -> SetConfusion:
    return SetConfusion(name, counted, answers, dict.fromkeys(answers, units))


def content(table: ConfusionTable | None) -> dict[tuple[str, str], int]:
    assert table is not None
    return {
        (label, answer): int(table.counts[row, column])
        for row, label in enumerate(table.labels)
        for column, answer in enumerate(table.answers)
        if table.counts[row, column]
    }


def test_names_that_occur_are_in_the_order_of_the_vocabulary_and_missed_people_last() -> None:
    table = pooled([of("a", {"run": {"walk": 1, UNANSWERED: 2, "fly": 1}, "stand": {MISSED: 1, "stand": 4}})], ACTIONS)
    assert table is not None
    assert table.labels == ("stand", "run")
    assert table.answers == ("stand", "walk", "run", "fly", MISSED, UNANSWERED)


def test_sets_are_added_up() -> None:
    one = of("a", {"walk": {"walk": 3, "stand": 1}, "sit": {"sit": 2}}, units=2)
    other = of("b", {"walk": {"walk": 4, MISSED: 5}}, units=3)
    table = pooled([one, other], ACTIONS)
    assert table is not None and table.names == ("a", "b") and table.counted == "frames"
    assert content(table) == {
        ("walk", "stand"): 1,
        ("walk", "walk"): 7,
        ("walk", MISSED): 5,
        ("sit", "sit"): 2,
    }
    assert table.units.tolist() == [5, 2]


def test_labels_and_answers_that_never_occur_are_left_out() -> None:
    table = pooled([of("a", {"walk": {"walk": 1, "run": 0}, "jump": {"jump": 0}})], ACTIONS)
    assert table is not None and (table.labels, table.answers) == (("walk",), ("walk",))
    assert pooled([of("a", {"jump": {"jump": 0}})], ACTIONS) is None
    assert pooled([], ACTIONS) is None


def test_frames_and_steps_are_never_added_up() -> None:
    with pytest.raises(ValueError, match="cannot be counted together"):
        pooled([of("a", {"walk": {"walk": 1}}), of("b", {"walk": {"walk": 1}}, "last steps")], ACTIONS)


def test_figures_give_frames_by_answer_and_people() -> None:
    films = [film("wwws", "ww s", name="one", person="ann"), film("ww", "w?", name="two", person="bob")]
    table = pooled([set_confusion(film_figures("room", films).frames, "frames")], ACTIONS)
    assert content(table) == {("walk", "walk"): 3, ("walk", MISSED): 1, ("walk", UNANSWERED): 1, ("stand", "stand"): 1}
    assert table is not None and table.units.tolist() == [1, 2]  # stand: Ann; walk: both


answers = st.dictionaries(st.sampled_from([*ACTIONS, "fly", MISSED, UNANSWERED]), st.integers(0, 50), max_size=5)


@given(st.lists(st.dictionaries(st.sampled_from([*ACTIONS, "fly"]), answers, max_size=4), max_size=3))
def test_no_frame_is_lost_or_counted_twice(sets: list[dict[str, dict[str, int]]]) -> None:
    expected = Counter[tuple[str, str]]()
    for one in sets:
        for label, given_answers in one.items():
            for answer, count in given_answers.items():
                expected[label, answer] += count
    table = pooled([of(str(number), one) for number, one in enumerate(sets)], ACTIONS)
    assert (content(table) if table is not None else {}) == dict(+expected)


def test_the_order_of_labels_follows_the_vocabulary_and_not_the_figures() -> None:
    figures = film_figures("room", [film("wsj", "wsj")]).frames
    assert list(seconds_by_answer(figures.judged)) == ["jump", "stand", "walk"]
    table = pooled([set_confusion(figures, "frames")], ACTIONS)
    assert table is not None and table.labels == ("stand", "walk", "jump")
    assert np.array_equal(table.counts, np.eye(3, dtype=np.int64))
