"""`evaluate`: its output and exit code, as a process or in this process."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from run_stream import app
from support.repository import REPOSITORY

CASE = json.loads(gzip.decompress((REPOSITORY / "tests" / "data" / "psc_cases.json.gz").read_bytes()))[7]
FILES = {"gt": ("gt_vid_result", "gt_part_result"), "pred": ("pred_vid_result", "pred_part_result")}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Write one of the official cases into `gt/` and `pred/`."""
    for folder, names in FILES.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.json").write_text(json.dumps(CASE[name]))
    return tmp_path


def evaluate(folders: Path, *options: str) -> Result:
    words = ["evaluate", "--gt", str(folders / "gt"), "--pred", str(folders / "pred"), *options]
    return CliRunner().invoke(app, words, env={"COLUMNS": "120"})


def test_json_prints_one_object_and_nothing_else_from_a_process(folders: Path) -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "run_stream.py", "evaluate", "--gt", "gt", "--pred", "pred", "--json"],
        cwd=folders,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["area"] == CASE["area"] and said["psc"] == CASE["psc"]
    right = [CASE["gt_vid_result"][video] == CASE["pred_vid_result"][video] for video in CASE["psc"]]
    assert said["video_accuracy"] == sum(right) / len(right)
    assert "warning: pred_part_result.json" in done.stderr and len(done.stdout.splitlines()) == 1


def test_answers_over_time_are_an_option(folders: Path) -> None:
    answers = {video: [[0.4, None, 0], [0.8, action, 1]] for video, action in CASE["gt_vid_result"].items()}
    (folders / "online.json").write_text(json.dumps(answers))
    done = evaluate(folders, "--observed", str(folders / "online.json"), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["observed"]["median_seconds_to_right"] == 0.8


def drop_video(folders: Path) -> None:
    change(folders, "pred_part_result", lambda tree: tree.popitem())


def too_many(folders: Path) -> None:
    def crowd(tree: Any) -> None:
        frame = next(iter(next(iter(tree.values())).values()))
        frame["humans"] = [{"box": [0, 0, 1, 1], "parts": {}}] * 11

    change(folders, "pred_part_result", crowd)


def change(folders: Path, name: str, how: Callable[[Any], object]) -> None:
    path = folders / name.partition("_")[0] / f"{name}.json"
    tree = json.loads(path.read_text())
    how(tree)
    path.write_text(json.dumps(tree))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (drop_video, "pred_part_result.json: 1 of 4 videos of the ground truth are missing"),
        (too_many, "11 people; the benchmark allows 10"),
        (lambda f: (f / "gt" / "gt_vid_result.json").unlink(), "gt_vid_result.json: can't be read"),
        (lambda f: (f / "pred" / "pred_part_result.json").write_text('{"v'), "Input data was truncated"),
        (lambda f: (f / "pred" / "pred_vid_result.json").write_text("[1]"), "pred_vid_result.json: Expected object"),
        (
            lambda f: change(f, "pred_vid_result", lambda t: t.update(v00=[1])),
            "pred_vid_result.json: Expected str, got array",
        ),
        (lambda f: change(f, "gt_part_result", lambda t: t.update(v00={"[red]": 1})), "frame '[red]': Expected object"),
    ],
)
def test_bad_files_are_errors_without_a_traceback(
    spoil: Callable[[Path], object], sentence: str, folders: Path
) -> None:
    spoil(folders)
    done = evaluate(folders, "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("partstream: ") and sentence in done.stderr.replace("\n", " ")
    assert isinstance(done.exception, SystemExit)
