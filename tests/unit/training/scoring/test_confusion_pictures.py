"""Pictures of confusion: size, colours and content."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from training.footage.judging import MISSED, UNANSWERED
from training.scoring import confusion_pictures
from training.scoring.confusion_pictures import confusion_png, save_confusion
from training.scoring.confusion_tables import SetConfusion, pooled
from training.scoring.films import SCORED_ACTIONS

BLUE, RED, GREY = confusion_pictures._CORRECT, confusion_pictures._WRONG, confusion_pictures._NOBODY
LEAST_CELL = 25 * 20
"""Pixels of a cell with a number in it."""


def one_set(answers: Mapping[str, Mapping[str, int]], name: str = "room") -> SetConfusion:
    return SetConfusion(name, "frames", answers, dict.fromkeys(answers, 1))


def drawn(answers: Mapping[str, Mapping[str, int]], *names: str, about: str = "") -> NDArray[np.uint8]:
    table = pooled([one_set(answers, name) for name in names or ("room",)], SCORED_ACTIONS)
    assert table is not None
    return np.asarray(Image.open(io.BytesIO(confusion_png(table, about))).convert("RGB"))


def area(picture: NDArray[np.uint8], colour: str) -> int:
    """Return the pixels of exactly this colour, which is that of a cell with 100 %."""
    return int((picture == ImageColor.getrgb(colour)).all(-1).sum())


def test_a_correct_row_is_blue_a_wrong_one_red_and_a_missed_one_grey() -> None:
    correct, wrong, missed = (drawn({"walk": {answer: 3}}) for answer in ("walk", "run", MISSED))
    assert area(correct, BLUE) > LEAST_CELL and not area(correct, RED) and not area(correct, GREY)
    assert area(wrong, RED) > LEAST_CELL and not area(wrong, GREY)
    assert area(missed, GREY) > LEAST_CELL and not area(missed, RED)
    assert area(drawn({"walk": {UNANSWERED: 3}}), GREY) > LEAST_CELL


def test_the_correct_cell_is_outlined_though_no_answer_was_correct() -> None:
    picture = drawn({"walk": {"run": 3}})
    outline = (picture == ImageColor.getrgb(BLUE)).all(-1)
    assert 0 < outline.sum() < LEAST_CELL
    rows, columns = np.nonzero(outline)
    assert np.ptp(rows) > 20 and np.ptp(columns) > 20


def test_a_label_adds_a_row_and_long_titles_add_lines() -> None:
    one = drawn({"walk": {"walk": 1}})
    two = drawn({"walk": {"walk": 1}, "run": {"walk": 1}})
    assert two.shape[0] - one.shape[0] == confusion_pictures._ROW
    titled = drawn({"walk": {"walk": 1}}, *(f"a set with a long name, number {number}" for number in range(6)))
    assert titled.shape[0] > one.shape[0] + 40


@pytest.mark.parametrize("count", [3, 12, 24])
def test_pictures_are_at_most_1000_pixels_wide_and_nothing_is_cut_off(count: int) -> None:
    names = SCORED_ACTIONS[:count]
    row = {**dict.fromkeys(names, 123), MISSED: 5, UNANSWERED: 1}
    picture = drawn(dict.fromkeys(names, row), "le2i-home", "urfd", about="edge (sha256:0123456789ab…)")
    assert 600 < picture.shape[1] <= 1000
    for border in (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:]):
        assert (border == 255).all()


def test_many_actions_widen_the_picture_so_that_numbers_keep_their_place() -> None:
    names = [f"action_{number}" for number in range(60)]
    picture = drawn({name: dict.fromkeys(names, 1) for name in names[:2]})
    assert picture.shape[1] > 60 * 25


def test_dollar_signs_and_markup_in_names_are_text() -> None:
    assert drawn({"$\\frac$": {"a$b$": 1, "_{x}": 2}}, "$set$", about="$x").shape[1] > 600


def test_a_picture_is_saved_under_the_name_of_its_set(tmp_path: Path) -> None:
    path = save_confusion(tmp_path, one_set({"walk": {"walk": 1}}, "a/b c"), SCORED_ACTIONS)
    assert path == tmp_path / "confusion-a-b-c.png" and Image.open(path).format == "PNG"
    assert save_confusion(tmp_path, one_set({}, "empty"), SCORED_ACTIONS) is None
    assert [one.name for one in tmp_path.iterdir()] == ["confusion-a-b-c.png"]
