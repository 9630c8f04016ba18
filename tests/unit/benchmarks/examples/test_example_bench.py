"""The benchmark of examples from a base to its figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import main
from benchmarks.examples.example_bench import ExamplePlan, measure
from support.training.captured_people import captured, walking, waving
from support.training.data_folders import put_clips
from support.training.training_examples import motion_clips, stand_in_table, tiny
from training.run.data_folder import learned_vocabulary
from training.run.train import train
from training.sources.motion_clips import MOTION


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with ten captured people, six of whom train and three test."""
    folder = tmp_path_factory.mktemp("real")
    parts = [(action, make(60)) for _ in range(10) for action, make in (("wave", waving), ("walk", walking))]
    people = [f"p{number}" for number in range(10) for _ in range(2)]
    put_clips(folder, MOTION, captured(parts, source="utkinect", people=people))
    listed = [{"id": "utkinect", "terms_class": "research", "dataset": "UTKinect"}]
    (folder / "sources.json").write_text(json.dumps({"sources": listed}))
    return folder


def base(folder: Path, *without: str) -> Path:
    config = tiny(steps=1, data={"without_actions": without})
    out = folder / "base.safetensors"
    train(config, out, motions=motion_clips(), priors=stand_in_table(learned_vocabulary(config)))
    return out


def test_a_left_out_action_is_taught_and_judged_on_people_who_are_not_in_the_clips(tmp_path: Path, data: Path) -> None:
    plan = ExamplePlan(base(tmp_path, "wave"), data, ("wave",), people_in_clips=3, clips=5, minutes=0.0, generated=1)
    measured = measure(plan, lambda _: None)
    (found,) = measured.learned
    assert found.clips == 5 and len(found.people) == 3 and found.steps == 1
    assert set(found.judges) == {"captures"} and found.judges["captures"][0] == 3
    assert 0 <= found.recall <= 1 and 0 <= found.precision <= 1 and found.generated_before > 0
    assert json.loads(json.dumps(measured.as_json()))["learned"][0]["action"] == "wave"


def test_a_base_that_knows_the_action_is_rejected(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--base", str(base(tmp_path)), "--data", str(data), "--action", "wave"]
    assert main.main(["examples", *given]) == 1
    assert "already knows wave" in " ".join(capsys.readouterr().err.split())
