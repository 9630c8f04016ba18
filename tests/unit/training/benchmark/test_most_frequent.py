"""The baseline of the most frequent answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.training.kinetics_tps_examples import put_example
from training.benchmark.most_frequent import PARTS, VIDEOS, most_frequent
from training.kinetics_tps import Dataset


def test_the_baseline_is_the_class_of_most_videos_and_each_parts_most_frequent_state(tmp_path: Path) -> None:
    action, verbs = most_frequent(Dataset(put_example(tmp_path)).train())
    # Two of three videos have that class. The hand's three states are equally frequent, so the alphabet decides.
    assert (action, verbs) == ("lunge", {"head": "none", "left_hand": "bend"})
    with pytest.raises(ValueError, match="come from training videos"):
        most_frequent([])


def test_a_prediction_keeps_its_boxes_with_the_most_frequent_answers(tmp_path: Path) -> None:
    root, pred, out = put_example(tmp_path / "data"), tmp_path / "pred", tmp_path / "out"
    pred.mkdir()
    part = {"number": 1, "name": "left_hand", "box": [[1, 2, 3, 4]], "verb": ["hold"]}
    humans = [{"number": 1, "box": [0, 0, 9, 9], "parts": {"left_hand": part, "hip": {**part, "name": "hip"}}}]
    (pred / VIDEOS).write_text(json.dumps({"t1": "hop", "t2": "lunge"}))
    (pred / PARTS).write_text(json.dumps({"t1": {"img_00001.json": {"humans": humans}}, "t2": {}}))
    command = [sys.executable, "-m", "training.benchmark.most_frequent", "--data", str(root), "--pred", str(pred)]
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
    assert json.loads((out / VIDEOS).read_text()) == {"t1": "lunge", "t2": "lunge"}
    answered = json.loads((out / PARTS).read_text())["t1"]["img_00001.json"]["humans"][0]["parts"]
    assert answered["left_hand"] == {**part, "verb": ["bend"]}
    # Training never shows this part, so its verb is kept.
    assert answered["hip"]["verb"] == ["hold"]
    failed = subprocess.run([*command[:-1], str(tmp_path), "--out", str(out)], capture_output=True, text=True)
    assert failed.returncode == 2 and "pred_vid_result.json" in failed.stderr
