"""`generated score` without weights: their runs, output and errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ring_buffers.frames import Lease
from run_stream import app
from stages.types import FrameAnalysis, ModelInfo
from support.engines.film_models import damage
from support.training.scored_examples import WatchedScript, analysis_of, make_set, truth_of
from training.kinetics_tps.names import video_file
from training.synthetic.scoring import frozen_set, runs, workers
from training.synthetic.scoring.runs import Bench, Conditions, remaining
from training.synthetic.videos.truth import Truth, truth_file, write_truth


def right(lease: Lease) -> FrameAnalysis:
    """Return waving in the video of waving, and walking in the other."""
    return analysis_of("wave", 1, 2) if lease.meta.camera == "hands.mp4" else analysis_of("walk", 1)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, WatchedScript]:
    """Return the models by profile."""
    known = {"edge": WatchedScript(right)}

    def check(profiles: Sequence[str], conditions: Conditions) -> list[ModelInfo]:
        return [ModelInfo(name, "sha256:" + name * 9, True) for name in profiles]

    def load(profiles: Sequence[str], conditions: Conditions, truth_of: Callable[[str], Truth]) -> Bench:
        return Bench([known[name] for name in profiles], conditions)

    monkeypatch.setattr(runs, "check_models", check)
    monkeypatch.setattr(workers, "load_bench", load)
    return known


def generated(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["generated", *map(str, words), "--workers", "1"])


def test_a_model_without_errors_scores_perfectly(tmp_path: Path, models: dict[str, WatchedScript]) -> None:
    make_set(tmp_path / "set")
    done = generated("score", tmp_path / "set", "--own-set", "--json", tmp_path / "out.json")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["online"] == {"person_frames": 33, "macro": 1.0, "micro": 1.0, "missed": 0.0, "unanswered": 0.0}
    assert (found["seen"]["person_frames"], found["unseen"]["person_frames"]) == (11, 22)
    assert found["settling"] == {"stretches": 3, "median_s": 0.0, "slowest_tenth_s": 0.0, "never": 0.0}
    assert found["benchmark"] == {"video_accuracy": 1.0, "mean_psc": 1.0, "area": 0.9999}
    assert found["parts"]["pairs"]["left_arm"]["wave"]["f1"] == 1.0
    assert found["set"] == {"name": None, "seed": 3, "code": "c" * 64, "videos": 2}
    assert (found["profile"], found["weights"][:11]) == ("edge", "sha256:edge")
    assert "100.0% (100.0% of 33 person-frames)" in done.stdout and "0.9999 (100.0%)" in done.stdout
    # Every frame once; two models of one name would be the same.
    assert models["edge"].shown == [*range(11)] * 2
    assert models["edge"].forgotten == ["steps.mp4", "hands.mp4"]


def test_frames_are_taken_away_at_random_in_a_second_pass_and_evenly_in_the_first(
    tmp_path: Path, models: dict[str, WatchedScript]
) -> None:
    make_set(tmp_path / "set")
    words = ("score", tmp_path / "set", "--own-set", "--json", tmp_path / "out.json")
    assert generated(*words, "--drop", 0.6).exit_code == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["with_drops"]["share"] == 0.6 and found["with_drops"]["lost"] == 0.0
    assert found["with_drops"]["online"]["person_frames"] == 3 * 4 and found["online"]["person_frames"] == 33
    shown = models["edge"].shown
    first, dropped = shown[:11], shown[11 : 11 + 4]
    assert first == [*range(11)] and dropped == remaining("steps", range(11), 0.6, 0)
    models["edge"].shown.clear()
    assert generated(*words, "--every", 2).exit_code == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert models["edge"].shown == [0, 2, 4, 6, 8, 10] * 2
    assert found["benchmark"]["area"] is None and found["online"]["macro"] == 1.0


def test_a_damaged_video_is_named_and_what_was_not_seen_of_it_is_missed(
    tmp_path: Path, models: dict[str, WatchedScript]
) -> None:
    make_set(tmp_path / "set")
    damage(video_file(tmp_path / "set", "test", "walk", "steps"))
    done = generated("score", tmp_path / "set", "--own-set", "--json", tmp_path / "out.json")
    assert done.exit_code == 1 and "steps.mp4: can't be read" in done.stderr and "Traceback" not in done.output
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["online"]["person_frames"] == 33 and found["online"]["missed"] > 0
    assert "can't be read" in found["videos"][0]["error"] and found["videos"][1]["error"] is None


# -- refusals ----------------------------------------------------------------------------------------------------
def test_only_the_frozen_set_is_scored_without_the_option_for_others(
    tmp_path: Path, models: dict[str, WatchedScript], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_set(tmp_path / "set")
    version = int(frozen_set.CURRENT.removeprefix("generated-"))
    frozen = frozen_set.FrozenSet(version, 3, 1, "c" * 64, {"people": [1, 2]})
    frozen_set.write_frozen_set(frozen, tmp_path / "held_out")
    monkeypatch.setattr(frozen_set, "_SHIPPED", tmp_path / "held_out")
    assert frozen_set.differences(made, frozen) == []
    done = generated("score", tmp_path / "set", "--json", tmp_path / "out.json")
    assert done.exit_code == 0 and f"on {frozen_set.CURRENT}, 2 videos" in done.stdout
    assert json.loads((tmp_path / "out.json").read_text())["set"]["name"] == frozen_set.CURRENT
    make_set(tmp_path / "changed", code="d" * 64)
    done = generated("score", tmp_path / "changed")
    assert done.exit_code == 2 and "A changed generator is a new version" in done.stderr
    make_set(tmp_path / "other", seed=4)
    done = generated("score", tmp_path / "other")
    assert done.exit_code == 2 and "its seed is 4, not 3" in done.stderr
    assert "a set of your own" in generated("score", tmp_path / "other", "--own-set").stdout


def test_errors_are_messages(tmp_path: Path, models: dict[str, WatchedScript]) -> None:
    make_set(tmp_path / "set")
    write_truth(truth_file(tmp_path / "set", "steps"), truth_of(p1="www"))
    for words, said in (
        (("score", tmp_path / "nowhere", "--own-set"), "not a generated data set"),
        (("score", tmp_path / "set", "--own-set"), "has 3 frames, and the manifest lists 11 for steps"),
        (("score", tmp_path / "set", "--keypoint-noise", 2), "needs --true-keypoints"),
        (("score", tmp_path / "set", "--drop", 1), "--drop"),
    ):
        done = generated(*words)
        assert done.exit_code == 2 and said in done.output.replace("\n", " "), done.output


def test_an_invalid_checkpoint_or_device_is_named(tmp_path: Path) -> None:
    make_set(tmp_path / "set")
    done = generated("score", tmp_path / "set", "--own-set", "--profile", tmp_path / "no.safetensors")
    assert done.exit_code == 3 and "no.safetensors" in done.stderr
    done = generated("score", tmp_path / "set", "--own-set", "--device", "gpu")
    assert done.exit_code == 2 and "is not auto, cpu, cuda" in done.stderr
