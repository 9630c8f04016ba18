"""Tables of scores: what they show, and that they fit terminals of 80 columns."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from commands.console.tables import Row, show_answers
from commands.models.footage_tables import show_clips, show_films, show_frames, show_sequences
from support.training.answered_films import film
from training.footage.judging import Judged
from training.scoring.clips import ClipScore
from training.scoring.figures import FrameFigures, clip_figures, film_figures
from training.scoring.films import SCORED_ACTIONS
from training.scoring.sequence_sets import SequenceFigures

WIDTHS = (80, 100, 160)
ANSWERS = ("stand_up", "sit_down", "cartwheel", "push_up")
"""Of each action's frames 50, 20, 18 and 12 % have these answers: long names, so that little room is left."""


def printed(show: Callable[[Console], None], width: int = 160) -> str:
    out = io.StringIO()
    show(Console(file=out, width=width))
    return out.getvalue()


@functools.cache
def frames(name: str, apart: int = 0) -> FrameFigures:
    """Return 1,000 frames of each action; the last `apart` actions are apart."""
    judged = [
        Judged("clip", "ann", 0.0, 1, truth, answer, 0.75, False, "ann")
        for truth in SCORED_ACTIONS
        for answer, count in zip(ANSWERS, (500, 200, 180, 120))
        for _ in range(count)
    ]
    return FrameFigures(name, tuple(judged), SCORED_ACTIONS[: len(SCORED_ACTIONS) - apart])


@functools.cache
def sequences() -> SequenceFigures:
    figures = frames("captures-validation", apart=6)
    return SequenceFigures(figures, figures, 12345, 678, "d79c45cc87471708")


def clip_score(name: str) -> ClipScore:
    judged = [
        Judged(name, 1, 0.5, 0.25, truth, answer, 0.75, False)
        for truth in SCORED_ACTIONS
        for answer, count in zip(ANSWERS, (500, 200, 180, 120))
        for _ in range(count)
    ]
    return ClipScore(name, (1024, 768), "development", "a", judged, 12.5)


FALL = film("wwff" + "l" * 36, "wwwf" + "l" * 36, fps=1, name="fall", kind="falls")
SLEEP = film("s" + "l" * 39, "sf" + "l" * 38, fps=1, name="sleep", kind="lies down on a bed or sofa and stays there")
SITS = film("sjsjoo", "sjss  ", fps=1, name="sits", kind="sits")
MORE = film("ss", "ww", fps=1, name="more", kind="sits")
FILMS = film_figures("room", [FALL, SLEEP, SITS, MORE], ("walk", "stand", "fall", "lie"))
CLIP = clip_score("pose2sim-multi-cam01")
TABLES: dict[str, Callable[[Console], None]] = {
    "films": lambda console: show_films(FILMS, console),
    "frames": lambda console: show_frames(frames("street", apart=6), console, "12 videos, 3.45 h"),
    "sequences": lambda console: show_sequences(sequences(), console),
    "clips": lambda console: show_clips(clip_figures([CLIP]), [CLIP], console),
}


@functools.cache
def table_at(table: str, width: int = 160) -> str:
    """Return a table as it is printed at a width, which takes half a second."""
    return printed(TABLES[table], width)


@functools.cache
def wide_words(table: str) -> set[str]:
    return set(re.findall(r"[\w*]+", table_at(table, 1000)))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("table", TABLES)
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(table: str, width: int) -> None:
    shown = table_at(table, width)
    assert max(map(cell_len, shown.splitlines())) <= width
    words = set(re.findall(r"[\w*]+", shown))
    assert words <= wide_words(table), "a word of the narrow table is a piece of one of the wide table"
    assert "…" not in shown


@pytest.mark.parametrize(("width", "count"), [(80, 2), (99, 2), (100, 3), (160, 3)])
@pytest.mark.parametrize("table", ["frames", "sequences"])
def test_the_most_frequent_answers_are_shown_whole(table: str, width: int, count: int) -> None:
    given = ["stand_up 50%", "sit_down 20%", "cartwheel 18%"]
    shown = table_at(table, width)
    assert [shown.count(answer) == len(SCORED_ACTIONS) for answer in given] == [True] * count + [False] * (3 - count)
    assert "push_up 12%" not in shown


def test_person_seconds_of_the_packaged_clips_are_shown_by_label_and_clip() -> None:
    assert "stand_up 50%, sit_down 20%, cartwheel 18%" in table_at("clips", 160)
    assert "pose2sim-multi-cam01" in table_at("clips", 80)


def test_a_narrow_terminal_leaves_out_what_follows_from_other_columns() -> None:
    narrow, wide = (table_at("films", width) for width in (80, 100))
    assert "correct," in wide and "correct," not in narrow  # of the frames in which a person is found
    for words in ("people,", "missed", "never", "falls found", "start"):
        assert words in narrow and words in wide


def test_tables_show_both_macros_falls_and_delays() -> None:
    shown = table_at("films")
    for words in (
        "room: 4 videos, 0.02 h",
        "jump*",
        "* not a part of the macro average",
        "macro, all frames: 77.2%",
        "macro, where found: 77.2%",
        "1 of 1",
        "videos without a fall",
        "lies down on a bed or sofa",
        "never",
    ):
        assert words in shown


def test_steps_that_are_left_out_are_counted() -> None:
    assert "678 steps whose detections do not show the action are left out" in table_at("sequences")


def test_films_without_falls_and_labels_are_shown_as_well() -> None:
    figures = film_figures("empty", [film("   ", "www")])
    assert "macro, all frames: –" in printed(lambda console: show_films(figures, console))


def test_a_name_that_is_too_long_for_the_terminal_is_folded_and_numbers_stay_whole() -> None:
    name = "a_very_long_name_of_an_action_of_40_chars"
    rows = [Row([name, "12345", "67.8%"], [f"{name} 67%", "stand 33%"])]
    shown = printed(lambda console: show_answers(console, ["label", "frames", "correct"], rows), 60)
    assert max(map(cell_len, shown.splitlines())) <= 60
    assert "12345" in shown and "67.8%" in shown


def test_names_cannot_control_the_terminal_or_break_a_table() -> None:
    name = "\x1b]0;x\x07[/b]"
    judged = Judged("clip", "ann", 0.0, 1, name, name, 0.75, False, "ann")
    shown = printed(lambda console: show_frames(FrameFigures(name, (judged,)), console, "1 video"))
    assert "\x1b" not in shown and shown.count("[/b]") == 3
