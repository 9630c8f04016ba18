"""Tables of scores: what they show, and that they fit terminals of 80 columns."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from commands.models.footage_tables import show_clips, show_films, show_frames, show_sequences
from support.training.answered_films import film
from training.footage.judging import Judged
from training.scoring.clips import ClipScore
from training.scoring.figures import FrameFigures, SequenceFigures, clip_figures, film_figures
from training.scoring.films import SCORED_ACTIONS

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


@pytest.mark.parametrize("name", TABLES)
def test_no_line_is_wider_than_a_terminal_of_80_columns_and_no_word_is_broken(name: str) -> None:
    shown, wide = (printed(TABLES[name], width) for width in (80, 1000))
    assert max(map(cell_len, shown.splitlines())) <= 80 and "…" not in shown
    assert set(re.findall(r"[\w*]+", shown)) <= set(re.findall(r"[\w*]+", wide))


def test_person_seconds_of_the_packaged_clips_are_shown_by_label_and_clip() -> None:
    shown = printed(TABLES["clips"], 160)
    assert "stand_up 50%, sit_down 20%, cartwheel 18%" in shown and "push_up 12%" not in shown
    assert "pose2sim-multi-cam01" in shown


def test_tables_show_both_macros_falls_and_delays() -> None:
    shown = printed(TABLES["films"])
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


def test_names_cannot_control_the_terminal_or_break_a_table() -> None:
    name = "\x1b]0;x\x07[/b]"
    judged = Judged("clip", "ann", 0.0, 1, name, name, 0.75, False, "ann")
    shown = printed(lambda console: show_frames(FrameFigures(name, (judged,)), console, "1 video"))
    assert "\x1b" not in shown and shown.count("[/b]") == 3
