"""`footage confusion` draws what `footage score` wrote; errors name the file and what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from run_stream import app
from training.footage.judging import Judged
from training.scoring.figures import FrameFigures


def figures(name: str, answers: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON object of a set: for each label its answers, a letter each, and a blank for a missed person."""
    words = {"w": "walk", "s": "stand", "f": "fall", " ": None}
    judged = [
        Judged("clip", "ann", 0.0, 1, label, words[letter], 0.75, letter == " ", "ann")
        for label, letters in answers.items()
        for letter in letters
    ]
    return FrameFigures(name, tuple(judged)).as_json()


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    content = {
        "profile": "edge",
        "weights": "sha256:" + "0123456789abcdef" * 4,
        "vocabulary": ["stand", "walk", "fall"],
        "detector_size": None,
        "smoothed": False,
        "films": {
            "room": figures("room", {"walk": "wwws", "stand": "ss "}),
            "yard": figures("yard", {"walk": "ww", "fall": "wf"}),
            "dark": figures("dark", {}),
        },
        "all_films": {},
        "sequences": {"captures": {"last_step": figures("captures", {"walk": "w"}), "every_step": {}}},
    }
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(content))
    return path


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["footage", "confusion", *map(str, arguments)], env={"COLUMNS": "120"})
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ((), "room, yard, dark (frames 11, labels 3)"),
        (("--sets", "room"), "room (frames 7, labels 2)"),
        (("--sets", "yard, room,yard"), "yard, room (frames 11, labels 3)"),
        (("--sets", "captures"), "captures (last steps 1, labels 1)"),
    ],
)
def test_the_chosen_sets_are_drawn(tmp_path: Path, scores: Path, sets: tuple[str, ...], words: str) -> None:
    out = tmp_path / "picture.png"
    assert words in run(scores, "--out", out, *sets)
    assert Image.open(out).format == "PNG" and 600 < Image.open(out).width <= 1000


def test_an_existing_picture_is_replaced(tmp_path: Path, scores: Path) -> None:
    out = tmp_path / "picture.PNG"
    run(scores, "--out", out, "--sets", "room")
    before = out.read_bytes()
    run(scores, "--out", out, "--sets", "yard")
    assert out.read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sets", "room,urfd"), "has no set 'urfd'; its sets are room, yard, dark, captures"),
        (("--sets", "dark"), "no frame of dark is labelled"),
        (("--sets", ", "), "--sets names no set"),
        (("--sets", "room,captures"), "room (videos), captures (sequences); choose one kind"),
        (("--out", "picture.jpg"), "picture.jpg: the picture is a PNG file; its name must end with .png"),
        (("--out", "/proc/gone/picture.png"), "/proc/gone/picture.png: can't be written (No such file or directory)"),
    ],
)
def test_arguments_that_cannot_be_used_are_explained(
    tmp_path: Path, scores: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    given = arguments if "--out" in arguments else ("--out", "picture.png", *arguments)
    assert words in run(scores, *given, code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.json"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("detector: movenet", "is not a file of `partstream footage score --data DIR --json FILE`"),
        ("\udcff", "is not a file of"),
        ('{"scores": [], "profile": "edge", "weights": ""}', "is not a file of"),
        (
            '{"profile": "", "weights": "", "vocabulary": [], "sequences": {}, '
            '"films": {"a": {"confusion": {"walk": {"walk": -1}}, "actions": {}}}}',
            "$.films[...].confusion[...][...]",
        ),
        ('{"profile": "", "weights": "", "vocabulary": [], "films": {}, "sequences": {}}', "holds no scored set"),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, errors="surrogateescape")
    shown = run(path, "--out", tmp_path / "picture.png", code=2)
    assert "other.json: " in shown and words in shown


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    shown = run(tmp_path / "gone.json", "--out", tmp_path / "picture.png", code=2)
    assert "gone.json: can't be read (No such file or directory)" in shown


def test_more_actions_than_a_picture_can_show_are_an_error(tmp_path: Path) -> None:
    answers = {f"action_{number}": 1 for number in range(201)}
    films = {"a": {"confusion": {"walk": answers}, "actions": {"walk": {"units": 1}}}}
    content = {"profile": "", "weights": "", "vocabulary": [], "films": films, "sequences": {}}
    (tmp_path / "scores.json").write_text(json.dumps(content))
    shown = run(tmp_path / "scores.json", "--out", tmp_path / "picture.png", code=2)
    assert "has 202 actions; a picture can hold 200" in shown


def test_a_missing_matplotlib_is_answered_with_the_command_that_installs_it(
    tmp_path: Path, scores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "training.scoring.confusion_pictures", raising=False)
    shown = run(scores, "--out", tmp_path / "picture.png", code=2)
    assert "drawing needs matplotlib, which is missing. Install it: " in shown and "[train]" in shown
