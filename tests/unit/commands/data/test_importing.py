"""`data import` fills a data folder that `data check` reads; errors say what to do and write nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from typer.testing import CliRunner

from commands.data.importing import Format, TermsClass, Unit
from run_stream import app
from support.engines.film_models import make_film
from support.repository import REPOSITORY
from support.training.motion_files import bvh_text, utkinect_text, walked
from training.settings.run_config import Terms
from training.sources.formats.conversion import UNITS
from training.sources.formats.importing import FORMATS
from training.sources.roles import video_roles
from training.sources.segmented_videos import read_segmented_videos


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


def test_a_public_source_of_another_format_is_answered_with_how_to_convert_it(tmp_path: Path) -> None:
    motions = tmp_path / "motions"
    motions.mkdir()
    (motions / "RL_Avatar_WalkForward01_Motion.npy").touch()
    shown = run("import", "bvh", motions, "--like", "ase", "--out", tmp_path / "data", code=2)
    words = " ".join(shown.split())
    assert "holds no file of the format bvh" in words
    assert "--like ase:" in words and "convert each to a BVH file" in words and "docs/data-folder.md" in words
    (motions / "RL_Avatar_WalkForward01_Motion.bvh").write_text(bvh_text([{}] * 61))
    assert "terms nc" in run("import", "bvh", motions, "--like", "ase", "--out", tmp_path / "data")


def test_the_documented_program_makes_a_table_of_le2is_segments(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "data-folder.md").read_text("utf-8")
    [program] = [found[1] for found in re.finditer(r"```python\n(.+?)```", page, re.DOTALL) if "coffee" in found[1]]
    for number in (0, 70):
        make_film(tmp_path / f"{number}.mp4", frames=6)
    labels = {"video1.avi": "001177", "video71.avi": "333333"}
    rows = [f"{video},{at},{label}" for video, text in labels.items() for at, label in enumerate(text, 1)]
    (tmp_path / "coffee_all.csv").write_text("\n".join(["video,frame,label", *rows]))
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    table = tmp_path / "table.csv"
    run("import", "videos", table, "--like", "le2i", "--positions", "frames", "--out", tmp_path / "data")
    videos = read_segmented_videos(tmp_path / "data", ["le2i"])
    assert {video.name: [(one.first, one.end, one.label) for one in video.segments] for video in videos} == {
        "0": [(0, 2, None), (2, 4, "stand"), (4, 6, "fall")],
        "70": [(0, 6, "sit")],
    }
    assert dict(zip((video.name for video in videos), video_roles(videos))) == {"0": "validation", "70": "test"}


def test_the_options_offer_every_format_and_class_of_terms() -> None:
    assert sorted(Format) == sorted(FORMATS) and tuple(TermsClass) == get_args(Terms) and set(Unit) == {"auto", *UNITS}


def test_a_second_import_needs_replace(tmp_path: Path, clips: Path) -> None:
    arguments = ("import", "bvh", clips, "--out", tmp_path / "data", "--id", "mine", "--terms", "nc")
    run(*arguments)
    assert "--replace overwrites it" in run(*arguments, code=2)
    run(*arguments, "--replace")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bvh", "--id", "mine"], "give --terms, or --like"),
        (["bvh", "--terms", "open"], "give --id, or --like"),
        (["bvh", "--like", "mixamo"], "there are ui_prmd, reactidle"),
        (["bvh", "--like", "utkinect"], "has the format utkinect, not bvh"),
        (["bvh", "--like", "le2i"], "has the format videos, not bvh"),
        (["jhmdb", "--id", "mine", "--terms", "open"], "holds no file of the format jhmdb"),
        (["bvh", "--id", "mine", "--terms", "open", "--label", "walk"], "must be NAME=ACTION"),
        (["bvh", "--id", "mine", "--terms", "open", "--person-from", "["], "not a regular expression"),
        (["bvh", "--id", "mine", "--terms", "open", "--joints", "gone.yaml"], "gone.yaml: can't be read"),
        (["bvh", "--id", "mine", "--terms", "free"], "'free' is not one of"),
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


def test_the_check_of_example_clips_tells_which_command_checks_them(tmp_path: Path) -> None:
    (tmp_path / "clips" / "star_jump").mkdir(parents=True)
    (tmp_path / "clips" / "star_jump" / "anna-1.mp4").touch()
    words = " ".join(run("check", tmp_path / "clips", code=2).split())
    assert "contains example clips" in words and "partstream train --from edge --data" in words


def test_the_check_of_a_folder_with_errors_ends_with_code_1(tmp_path: Path, clips: Path) -> None:
    run("import", "bvh", clips, "--out", tmp_path / "data", "--id", "mine", "--terms", "open")
    (tmp_path / "data" / "motion3d" / "mine.npz").write_bytes(b"damaged")
    words = run("check", tmp_path / "data", code=1)
    assert "error: " in words and "mine.npz: can't be read" in " ".join(words.split())
    (tmp_path / "data" / "sources.json").unlink()
    assert "sources.json" in run("check", tmp_path / "data", code=2)


def test_names_cannot_control_the_terminal_or_break_the_tables(tmp_path: Path, clips: Path) -> None:
    out = tmp_path / "data"
    name = "\x1b]0;x\x07[/b]"
    pattern = ("--name-from", r"(\x1b.*\])", "--label", "*=walk")
    folder = tmp_path / name.replace("/", "")
    clips.rename(folder)
    words = run("import", "bvh", folder, "--out", out, "--id", "mine", "--terms", "open", *pattern)
    assert "\x1b" not in words and "[b]" in words
    file = out / "motion3d" / "mine.npz"
    with np.load(file) as data:
        content = dict(data)
    content["frame_labels"] = np.array([name if action == "walk" else action for action in content["frame_labels"]])
    np.savez(file, **content)
    words = run("check", out)
    assert "\x1b" not in words and "[/b]" in words
