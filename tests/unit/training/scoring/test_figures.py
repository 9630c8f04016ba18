"""Figures of a set of films: values and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from support.training.answered_films import film
from training.scoring.figures import FilmFigures, film_figures

FALLS = film("wwff" + "l" * 36, "wwwf" + "l" * 36, fps=1, name="fall", kind="falls")
SLEEP = film("s" + "l" * 39, "sf" + "l" * 38, fps=1, name="sleep", kind="lies down")
SITS = film("sjsjoo", "sjss  ", fps=1, name="sits", kind="sits")
CARRIED = film("ss", "ww", fps=1, name="more", kind="sits")


@pytest.fixture(scope="module")
def figures() -> FilmFigures:
    return film_figures("room", [FALLS, SLEEP, SITS, CARRIED], ("walk", "stand", "fall", "lie"))


def test_the_macro_holds_the_chosen_actions_and_others_stand_apart(figures: FilmFigures) -> None:
    # walk 2 of 2; stand 3 of 5; fall 1 of 2; lie 74 of 75
    assert figures.frames.macro.mean == pytest.approx((1 + 3 / 5 + 1 / 2 + 74 / 75) / 4)
    assert figures.frames.apart == ("jump", "other")
    everything = film_figures("room", [FALLS, SLEEP, SITS, CARRIED])
    assert everything.frames.apart == ()
    # jump 1 of 2; other 0 of 2, both missed
    assert everything.frames.macro.mean == pytest.approx((1 + 3 / 5 + 1 / 2 + 74 / 75 + 1 / 2 + 0) / 6)
    assert everything.frames.macro_found.mean == pytest.approx((1 + 3 / 5 + 1 / 2 + 74 / 75 + 1 / 2) / 5)


def test_alarms_in_films_without_falls_are_counted_by_kind(figures: FilmFigures) -> None:
    assert (figures.falls.found, len(figures.falls.false_alarms)) == (1, 1)
    assert {kind: (one.films, len(one.false_alarms)) for kind, one in figures.daily.items()} == {
        "lies down": (1, 1),
        "sits": (2, 0),
    }
    assert list(figures.kinds) == ["sits"]


def test_json_holds_every_figure_and_no_infinity(figures: FilmFigures) -> None:
    content = json.loads(json.dumps(figures.as_json(), allow_nan=False))
    assert content["frames"] == 88
    assert content["macro"]["actions"] == ["walk", "stand", "fall", "lie"]
    assert content["by_clip"]["sits"]["actions"]["jump"] == [1, 2]
    assert content["falls"]["each"] == [{"film": "fall", "begin_s": 2.0, "end_s": 4.0, "event_s": 3.0}]
    assert content["falls"]["median_after_impact_s"] == -1
    assert content["falls"]["films_without_falls"]["lies down"]["false_alarms"] == 1
    assert content["falls"]["false_alarms_an_hour_interval"][0] > 0
    assert content["occurrences"]["actions"]["other"] == {
        "count": 1,
        "found": 0,
        "found_interval": [0.0, 0.975],
        "delays": 1,
        "never": 1,
        "median_delay_s": None,
    }
    assert sum(_counts(content["confusion"])) == content["frames"]
    assert math.inf not in _counts(content)


def _counts(content: Any) -> list[float]:
    if isinstance(content, Mapping):
        return [value for inner in content.values() for value in _counts(inner)]
    return [content] if isinstance(content, int | float) else []
