"""`partstream gate`: what it refuses, prints, writes and returns, on small checkpoints and people who are given."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from commands.gate import measuring
from commands.gate.gate_file import gate_file, log_gate
from run_stream import app
from stages.checkpoint import Checkpoint, save
from stages.packaged_checkpoints import summary
from support.training.example_people import flapping
from support.training.judged_people import put_verdicts, verdict
from support.training.planted_checkpoints import edge_of, shuffled, without_answering
from support.training.watched_clips import GivenPeople
from training.footage.judging import Judged
from training.gate.answers import sequences_of_actions
from training.gate.decision import BACK_TEST, CLIPS, CONFIRMED, FOOTAGE, FORGETTING, WRONG
from training.scoring.clips import ClipScore

EACH = 10
"""Generated sequences of an action: enough to show that one of three is forgotten."""

_GENERATED: dict[tuple[str, str], Any] = {}


@pytest.fixture(scope="module")
def few() -> Checkpoint:
    return edge_of("stand", "walk", "wave")


@pytest.fixture(scope="module")
def checkpoints(few: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    made = {
        "old": few,
        "equal": replace(few, metrics={"made": "later"}),
        "learned": replace(few, metrics={"verdicts": {"learned_units": [f"door/clip-{at:02}" for at in (0, 1, 6)]}}),
        "learned all": replace(few, metrics={"verdicts": {"learned_units": [f"door/clip-{at:02}" for at in range(8)]}}),
        "shuffled": shuffled(few),
        "forgetful": without_answering(few, "walk"),
    }
    paths = {name: folder / f"{name}.safetensors" for name in made}
    for name, checkpoint in made.items():
        save(checkpoint, paths[name])
    return paths


PEOPLE = {f"clip-{number:02}.mp4": flapping(number) for number in range(8)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return verdicts on eight people: six wave, as was said, and two do not walk in the end."""
    verdicts = [
        verdict(number, *(("wave", "wave") if number < 6 else ("walk", None)), seen, span=(20, 100))
        for number, seen in enumerate(PEOPLE.values())
    ]
    return put_verdicts(tmp_path_factory.mktemp("data") / "verdicts", *verdicts)


@pytest.fixture
def data(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the verdicts, with the people in their clips given."""
    GivenPeople(monkeypatch).update(PEOPLE)
    monkeypatch.setattr("training.sources.watched_videos.watched_cache", lambda: tmp_path / "watched")
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generate few sequences, and judge the footage by the checkpoint's name instead of watching it."""
    monkeypatch.setattr(measuring, "sequences_of_actions", _few_sequences)
    monkeypatch.setattr(measuring, "load_model", lambda profile, device: profile)
    monkeypatch.setattr(measuring, "score_clip", _footage)


def _few_sequences(old: Checkpoint, new: Checkpoint, motions: Path, *, each: int, progress: Any) -> Any:
    key = (old.sha256, new.sha256)
    if key not in _GENERATED:
        _GENERATED[key] = sequences_of_actions(old, new, motions, each=EACH, progress=progress)
    return _GENERATED[key]


def _footage(model: str, labellers: list[Any], halves: list[Any]) -> list[ClipScore]:
    answer = "walk" if "shuffled" not in model else "stand"
    clip = labellers[0].clip
    judged = [Judged(clip, person, at, 1.0, "walk", answer, 0.9, False) for person in (1, 2) for at in range(15)]
    return [ClipScore(clip, (64, 64), halves[0], labellers[0].labeller, judged, 0.0)]


def gated(*words: object) -> Result:
    arguments = ["gate", *map(str, words), "--workers", "1", "--device", "cpu"]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments, prog_name="partstream")


def outcomes(path: Path) -> dict[str, str]:
    """Return the outcome of each check over all actions."""
    checks = json.loads(path.read_text())["checks"]
    return {check["name"]: check["outcome"] for check in checks if check["action"] is None}


def test_an_equal_checkpoint_passes_and_its_result_lies_beside_it(
    checkpoints: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    new, out = tmp_path / "new.safetensors", tmp_path / "result.json"
    shutil.copy(checkpoints["equal"], new)
    videos = data / "clips"
    done = gated(checkpoints["old"], new, "--data", data, "--footage", "--videos", f"door={videos}", "--json", out)
    assert done.exit_code == 0, done.output
    assert done.output.endswith("\npassed\n") and "verdicts on wave: 6 right" in done.output
    beside = gate_file(str(new))
    assert beside is not None and beside == tmp_path / "new.safetensors.gate.json"
    assert beside.read_bytes() == out.read_bytes()
    result = json.loads(out.read_text())
    assert result["schema"] == "partstream.gate/1" and result["passed"] and result["new"]["profile"] == str(new)
    assert all(result[one]["weights"].startswith("sha256:") for one in ("old", "new"))
    assert set(outcomes(out)) == {CONFIRMED, WRONG, BACK_TEST, CLIPS, FOOTAGE, FORGETTING}
    assert all(check["old"] == check["new"] for check in result["checks"])
    assert result["conditions"]["verdicts"] == {"walk": {"wrong": 2}, "wave": {"right": 6}}
    assert result["conditions"]["clips_not_learned"] == 8 and len(result["conditions"]["videos"]) == 8


def test_the_gate_refuses_shuffled_labels(checkpoints: dict[str, Path], data: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    done = gated(checkpoints["old"], checkpoints["shuffled"], "--data", data, "--footage", "--json", out)
    assert done.exit_code == 1
    found = outcomes(out)
    assert found[CONFIRMED] == found[FOOTAGE] == found[FORGETTING] == "refused"
    assert "6 lost, 0 gained" in done.output and "NEW is worse" in done.output


def test_the_gate_refuses_an_action_forgotten(checkpoints: dict[str, Path], data: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    words = ["--data", data, "--footage", "--json", out, "--allow-unmeasured", "back-test"]
    done = gated(checkpoints["old"], checkpoints["forgetful"], *words)
    assert done.exit_code == 1
    assert [name for name, outcome in outcomes(out).items() if outcome == "refused"] == [FORGETTING]
    refused = [check["action"] for check in json.loads(out.read_text())["checks"] if check["outcome"] == "refused"]
    assert refused == [None, "walk"] and "worse: walk" in done.output


def test_the_gate_refuses_what_it_could_not_measure_unless_that_check_is_named(
    checkpoints: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    words = [checkpoints["old"], checkpoints["equal"], "--data", data, "--json", out]
    done = gated(*words, "--allow-unmeasured", "back-test")
    assert done.exit_code == 1 and outcomes(out)[FOOTAGE] == outcomes(out)[BACK_TEST] == "not measured"
    assert "give --footage" in done.output and "give --videos" in done.output
    assert "refused: footage: not measured; --allow-unmeasured footage accepts that" in done.output
    done = gated(*words, "--allow-unmeasured", "back-test", "--allow-unmeasured", "footage")
    assert done.exit_code == 0 and done.output.endswith("\npassed, without measuring back-test, footage\n")
    assert json.loads(out.read_text())["conditions"]["allow_unmeasured"] == ["back-test", "footage"]


def test_verdicts_that_the_new_checkpoint_learned_from_do_not_count(
    checkpoints: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    gated(checkpoints["old"], checkpoints["learned"], "--data", data, "--json", out)
    counts = {one["name"]: one["of"] for one in json.loads(out.read_text())["checks"] if one["action"] is None}
    assert counts[CONFIRMED] == 4 and counts[WRONG] == 1
    done = gated(checkpoints["old"], checkpoints["learned all"], "--data", data, "--json", out)
    assert outcomes(out)[CONFIRMED] == "not measured" and not {WRONG, CLIPS} & set(outcomes(out))
    assert "NEW learned from all clips" in done.output


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("old", "old", "--data", "DATA"), 2, "are the same checkpoint"),
        (("old", "equal", "--data", "."), 2, "is not a folder of verdicts"),
        (("old", "equal", "--data", "DATA", "--json", "gone/out.json"), 2, "--json gone/out.json: can't be written"),
        (("old", "equal", "--data", "DATA", "--rules", "r.yaml"), 2, "give videos, too"),
        (("old", "equal", "--data", "DATA", "--videos", "gone.mp4"), 2, "--videos gone.mp4"),
        (("old", "gone.safetensors", "--data", "DATA"), 3, "there is no such checkpoint"),
        (("old", "kinetics-tps", "--data", "DATA"), 2, "kinetics-tps: has its own detector"),
    ],
)
def test_what_cannot_be_compared_is_an_error_with_its_exit_code(
    words: tuple[str, ...],
    code: int,
    message: str,
    checkpoints: dict[str, Path],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"DATA": str(data), "DATA/clips": str(data / "clips")}
    given |= {name: str(checkpoints[name]) for name in ("old", "equal")}
    done = gated(*(given.get(word, word) for word in words))
    assert done.exit_code == code, done.output
    assert message in done.output


def test_run_logs_whether_the_checkpoint_passed(
    checkpoints: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    new = tmp_path / "new.safetensors"
    shutil.copy(checkpoints["old"], new)
    file = gate_file(str(new))
    assert file is not None
    checks: list[dict[str, Any]] = []
    result: dict[str, Any] = {
        "schema": "partstream.gate/1",
        "passed": True,
        "at": "2026-11-30T04:00:00Z",
        "old": {"profile": "edge", "weights": "sha256:0"},
        "new": {"profile": "new", "weights": summary(str(new)).sha256},
        "conditions": {},
        "checks": checks,
    }

    def logged(**changes: Any) -> tuple[str, str]:
        file.write_text(json.dumps({**result, **changes}))
        caplog.clear()
        log_gate(str(new))
        (record,) = caplog.records
        return record.levelname, record.getMessage()

    with caplog.at_level(logging.INFO):
        log_gate(str(new))
        assert "was not gated" in caplog.text
        assert logged() == ("INFO", f"{new} passed the gate against edge on 2026-11-30")
        unmeasured = [{"name": "footage", "outcome": "not measured"}]
        assert logged(checks=unmeasured)[1].endswith("without measuring footage")
        level, words = logged(passed=False)
        assert level == "WARNING" and "was refused by the gate against edge" in words and "--profile edge" in words
        level, words = logged(new={"profile": "new", "weights": "sha256:other"})
        assert level == "WARNING" and "belongs to other weights" in words
        level, words = logged(schema="partstream.gate/9")
        assert level == "WARNING" and "not a result of `partstream gate`" in words
        caplog.clear()
        for profile in ("edge", "free"):
            log_gate(profile)
        assert not caplog.records
