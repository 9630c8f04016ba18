"""`data import` fills a data folder that `data check` reads; errors say what to do and write nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from run_stream import app
from support.training.motion_files import bvh_text, utkinect_text, walked


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["data", *map(str, arguments)], env={"COLUMNS": "120"})
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("walk_1", "hop_1"):
        (folder / f"{name}.bvh").write_text(bvh_text([{}] * 61))
    return folder


def test_an_import_is_shown_in_a_table_and_checked(tmp_path: Path, clips: Path) -> None:
    out = tmp_path / "data"
    words = run("import", "bvh", clips, "--out", out, "--id", "mine", "--terms", "open", "--label", "walk_*=walk")
    assert "clips 2, people unknown, frames 62, seconds 2.1, terms open" in words
    assert "walk_1" in words and "left unlabelled, because no action is known: hop_1 (1)" in words
    assert "note: unit: cm" in words and "note: up axis: y" in words
    checked = run("check", out)
    assert "mine" in checked and "motion3d" in checked and "no errors" in checked
    assert json.loads(run("check", out, "--json"))["sources"][0]["tally"]["actions"]["walk"][0] == 1


def test_a_public_source_needs_no_name_terms_or_labels(tmp_path: Path) -> None:
    folder = tmp_path / "joints"
    folder.mkdir()
    (folder / "joints_s01_e01.txt").write_text(utkinect_text(walked(61), range(100, 222, 2)))
    (folder / "actionLabel.txt").write_text("s01_e01\nsitDown: 100 140\nfly: 150 180\n")
    words = run("import", "utkinect", folder, "--like", "utkinect", "--out", tmp_path / "data")
    assert "clips 1, people 1" in words and "terms research" in words
    assert "sit_down" in words and "fly (1)" in words
    (source,) = json.loads((tmp_path / "data" / "sources.json").read_text())["sources"]
    assert source["terms_class"] == "research" and source["dataset"].startswith("UTKinect") and source["people"] == "1"


def test_a_second_import_needs_replace(tmp_path: Path, clips: Path) -> None:
    arguments = ("import", "bvh", clips, "--out", tmp_path / "data", "--id", "mine", "--terms", "nc")
    run(*arguments)
    assert "--replace overwrites it" in run(*arguments, code=2)
    run(*arguments, "--replace")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bvh", "--id", "mine"], "give --terms, or --like"),
        (["bvh", "--like", "mixamo"], "there are ui_prmd, reactidle"),
        (["bvh", "--like", "utkinect"], "has the format utkinect, not bvh"),
        (["jhmdb", "--id", "mine", "--terms", "open"], "holds no file of the format jhmdb"),
        (["bvh", "--id", "mine", "--terms", "open", "--label", "walk"], "must be NAME=ACTION"),
        (["bvh", "--id", "mine", "--terms", "open", "--person-from", "["], "not a regular expression"),
    ],
)
def test_usage_errors_end_with_code_2_and_write_nothing(
    tmp_path: Path, clips: Path, arguments: list[str], words: str
) -> None:
    shown = run("import", arguments[0], clips, *arguments[1:], "--out", tmp_path / "data", code=2)
    assert words in " ".join(shown.replace("│", " ").split())
    assert not (tmp_path / "data").exists()


def test_a_damaged_file_is_named_and_skip_errors_leaves_it_out(tmp_path: Path, clips: Path) -> None:
    (clips / "cut.bvh").write_text("HIERARCHY\n")
    arguments = ("import", "bvh", clips, "--out", tmp_path / "data", "--id", "mine", "--terms", "open")
    assert "cut.bvh: has no channels, or no lines MOTION" in run(*arguments, code=2)
    assert "left out: " in run(*arguments, "--skip-errors")


def test_the_check_of_a_folder_with_errors_ends_with_code_1(tmp_path: Path, clips: Path) -> None:
    run("import", "bvh", clips, "--out", tmp_path / "data", "--id", "mine", "--terms", "open")
    (tmp_path / "data" / "motion3d" / "mine.npz").write_bytes(b"damaged")
    words = run("check", tmp_path / "data", code=1)
    assert "error: " in words and "mine.npz: can't be read" in " ".join(words.split())
    (tmp_path / "data" / "sources.json").unlink()
    assert "sources.json" in run("check", tmp_path / "data", code=2)
