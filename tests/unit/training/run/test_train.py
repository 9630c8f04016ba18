"""A whole run: it learns, ends in order, resumes to the same bits, and its checkpoint tells where it comes from."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from commands.models.train_console import stopped_by_signals
from stages.checkpoint import load
from stages.people.smoothing import SmoothingConfig
from support.training.training_examples import EVERYTHING, motion_clips, stand_in_table, tiny
from training.run.learning.training_run import DivergedError, Run, TrainingError
from training.run.record import portable_config
from training.run.train import Outcome, train
from training.run.train_log import COLUMNS
from training.settings.run_config import TrainingConfig
from training.settings.run_config import load as load_config


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def trained(config: TrainingConfig, out: Path, **options: Any) -> Outcome:
    return train(config, out, motions=motion_clips(), priors=stand_in_table(), **options)


def rows_of(out: Path) -> list[dict[str, str]]:
    with out.with_name(out.name + ".log.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def stop_after(step: int) -> tuple[Callable[[], bool], Callable[[int, int, dict[str, float]], None]]:
    """A `stop` that says so once `report` was called with that step."""
    seen: list[int] = []
    return lambda: step in seen, lambda now, steps, losses: seen.append(now)


def test_the_loss_falls_and_the_checkpoint_loads_with_all_it_needs(tmp_path: Path) -> None:
    losses: list[float] = []
    out = tmp_path / "tiny.safetensors"
    config = tiny(
        steps=24,
        data={"batch": 16, "window": 12},
        optimiser={"learning_rate": 0.01},
        evaluation={"sequences": 22, "calibration_sequences": 22},
        actions={"onset": {"fall": 0.6}},
    )
    outcome = trained(
        config,
        out,
        command="partstream train --steps 24",
        report=lambda step, steps, running: losses.append(running["total"]),
    )
    assert outcome.ending == "done" and outcome.step == 24
    totals = [float(row["total"]) for row in rows_of(out)]
    assert losses == pytest.approx([np.mean(totals[: step + 1]) for step in range(24)], rel=1e-4)
    assert np.mean(totals[-4:]) < 0.95 * np.mean(totals[:4])
    loaded = load(out)
    assert loaded.trained and loaded.profile == "edge" and not loaded.network.config.visual
    assert loaded.training_command == "partstream train --steps 24"
    assert loaded.smoothing == SmoothingConfig(onset={"fall": 0.6})
    metrics = loaded.metrics
    held_out = metrics["held_out"]
    assert sum(map(sum, held_out["confusion"])) == held_out["steps"] > 10
    assert len(held_out["accuracy"]) > 10
    assert len(held_out["states"]["pairs"]) >= 20
    assert 0 <= held_out["relevance_auc"] <= 1
    assert (metrics["seed"], metrics["steps"], metrics["device"]) == (0, 24, "cpu")
    assert {"python", "torch", "numpy"} <= set(metrics["versions"])
    assert metrics["commit"] is None or len(metrics["commit"].removesuffix("-dirty")) == 40
    found = held_out["calibration"]
    assert float(loaded.network.action_lstm.temperature) == pytest.approx(found["temperature"], abs=1e-4)
    assert found["temperature"] != 1 and found["steps"] > 20
    assert 0 < found["expected_error_after"] < 1 and 0 < found["expected_error_before"] < 1
    assert load_config(out) == config, "a checkpoint is a configuration to train with again"


@pytest.mark.parametrize("features", [{}, EVERYTHING], ids=["defaults", "every feature"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(features: dict[str, Any], tmp_path: Path) -> None:
    config = tiny(**features)
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    trained(config, whole)
    stop, report = stop_after(4)
    assert trained(config, parts, stop=stop, report=report).ending == "interrupted"
    torch.manual_seed(99)  # whatever another process has drawn
    np.random.seed(99)
    assert trained(config, parts, resume=True).step == 8
    for kind in ("network", "average", "optimiser", "extra"):
        ones, others = (torch.load(f"{out}.resume.pt", weights_only=True)[kind] for out in (whole, parts))
        if kind == "extra":
            ones["progress"].pop("seconds"), others["progress"].pop("seconds")
        assert flat(ones) and same(flat(ones), flat(others)) if ones is not None else others is None, kind
    one, other = load(whole).network.state_dict(), load(parts).network.state_dict()
    assert same(one, other)
    timed = {"seconds", "samples_per_second"}
    for row, resumed in zip(rows_of(whole), rows_of(parts), strict=True):
        assert {k: v for k, v in row.items() if k not in timed} == {k: v for k, v in resumed.items() if k not in timed}


def flat(content: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(content, dict):
        return {k: v for name, inner in content.items() for k, v in flat(inner, f"{prefix}{name}.").items()}
    return {prefix: content}


def same(ones: dict[str, Any], others: dict[str, Any]) -> bool:
    return ones.keys() == others.keys() and all(
        torch.equal(one, others[name]) if isinstance(one, torch.Tensor) else one == others[name]
        for name, one in ones.items()
    )


def test_a_run_ended_by_minutes_resumes(tmp_path: Path) -> None:
    out, seen = tmp_path / "cut.safetensors", []
    config = tiny(steps=3, evaluation={"sequences": 11})

    def note(step: int, steps: int, losses: dict[str, float]) -> None:
        seen.append(step)

    assert trained(config, out, minutes=0.0, report=note).ending == "minutes"
    assert seen == [1] and load(out).metrics["steps"] == 1 and "held_out" in load(out).metrics
    assert trained(config, out, resume=True, report=note).ending == "done"
    assert seen == [1, 2, 3] and load(out).metrics["steps"] == 3


def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint_and_a_state(tmp_path: Path) -> None:
    out = tmp_path / "stopped.safetensors"
    before = signal.getsignal(signal.SIGTERM)

    def strike(step: int, steps: int, losses: dict[str, float]) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with stopped_by_signals() as stop:
        outcome = trained(tiny(evaluation={"sequences": 33}), out, stop=stop, report=strike)
    assert (outcome.ending, outcome.step) == ("interrupted", 2)
    assert signal.getsignal(signal.SIGTERM) is before
    metrics = load(out).metrics
    assert metrics["ending"] == "interrupted" and "held_out" not in metrics
    assert load(out).trained
    assert torch.load(f"{out}.resume.pt", weights_only=True)["step"] == 2
    assert not list(tmp_path.glob("*.partial"))


def test_the_log_has_a_row_per_step_and_a_resumed_run_appends_to_it(tmp_path: Path) -> None:
    out = tmp_path / "logged.safetensors"
    stop, report = stop_after(3)
    trained(tiny(), out, stop=stop, report=report)
    log = out.with_name("logged.safetensors.log.csv")
    log.write_text(log.read_text() + "4,9.9,9.9,9.9,9.9,9.9,9.9,1,1,1,1,\n5,9.", encoding="utf-8")  # not in the state
    trained(tiny(), out, resume=True)
    rows = rows_of(out)
    assert list(rows[0]) == list(COLUMNS) and [int(row["step"]) for row in rows] == list(range(1, 9))
    assert "9.9" not in {row["total"] for row in rows}
    for row in rows:
        terms = [float(row[name]) for name in ("states", "relevance", "frame", "every_step", "last_step")]
        assert float(row["total"]) == pytest.approx(np.dot(terms, (1, 0.5, 0.5, 0.7, 1)), rel=1e-4)
        assert float(row["gradient_norm"]) > 0 and float(row["samples_per_second"]) > 0
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)


def test_an_infinite_loss_keeps_and_names_the_last_good_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "diverging.safetensors"
    config = tiny(log={"save_seconds": 1e-6})
    advance = Run.advance

    def poisoned(run: Run) -> Any:
        if run.step == 3:
            torch.nn.init.constant_(run.network.action_lstm.scores.bias, float("nan"))
        return advance(run)

    monkeypatch.setattr(Run, "advance", poisoned)
    with pytest.raises(
        DivergedError, match=r"step 4: .*every_step \(nan\), last_step.*the state of step 3 is saved in"
    ):
        trained(config, out)
    state = torch.load(f"{out}.resume.pt", weights_only=True)
    assert state["step"] == 3 and all(bool(v.isfinite().all()) for v in state["network"].values())
    assert len(rows_of(out)) == 3


def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    accuracies = iter((0.3, 0.5, 0.4, 0.45))
    monkeypatch.setattr("training.run.validation.held_out.macro_accuracy", lambda logits, truth: next(accuracies))


def test_the_best_weights_are_kept_and_patience_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch)
    out = tmp_path / "best.safetensors"
    config = tiny(
        steps=20, optimiser={"ema_decay": 0}, evaluation={"every": 2, "selection_sequences": 11, "patience": 2}
    )
    seen: dict[int, dict[str, torch.Tensor]] = {}
    written: dict[int, Any] = {}
    advance = Run.advance

    def remembering(run: Run) -> Any:
        step = advance(run)
        seen[run.step] = {name: value.clone() for name, value in run.network.state_dict().items()}
        return step

    monkeypatch.setattr(Run, "advance", remembering)
    outcome = trained(config, out, report=lambda step, *_: written.update({step: out.exists()}))
    assert (outcome.ending, outcome.step) == ("patience", 8)
    kept = load(out)
    assert (kept.metrics["selected_step"], kept.metrics["selection_accuracy"]) == (4, 0.5)
    assert same(kept.network.state_dict(), seen[4]) and not same(seen[4], seen[8])
    assert written[1] is False and written[2] is True, "the best so far is on disk at once"
    measured = {int(row["step"]): row["held_out_accuracy"] for row in rows_of(out)}
    assert [measured[step] for step in range(1, 9)] == ["", "0.3", "", "0.5", "", "0.4", "", "0.45"]
    assert trained(config, out, resume=True).step == 8, "resuming doesn't begin again what has ended"


def test_resuming_with_other_options_is_rejected_and_names_them(tmp_path: Path) -> None:
    out = tmp_path / "other.safetensors"
    trained(tiny(steps=1), out)
    with pytest.raises(TrainingError, match=r"with another data\.batch, optimiser\.ema_decay; use the same"):
        trained(tiny(steps=1, data={"batch": 8}, optimiser={"ema_decay": 0.5}), out, resume=True)
    assert trained(tiny(steps=1, log={"every": 2}), out, resume=True).step == 1, "what is logged changes no number"


def test_a_checkpoints_configuration_has_no_folders_of_the_machine(tmp_path: Path) -> None:
    changes = {
        "data": {"folder": str(tmp_path / "films"), "folder_share": 1},
        "start": str(tmp_path / "old.safetensors"),
        "model": {"detector": str(tmp_path / "seer.safetensors"), "vgg": {"weights": "runs/features.safetensors"},
                  "visual": "all", "regions": "vgg", "geometry": False},
    }  # fmt: skip
    config = load_config(None, changes)
    told = portable_config(config)
    assert str(tmp_path) not in str(told)
    assert (told["data"]["folder"], told["start"]) == ("films", "old.safetensors")
    assert (told["model"]["detector"], told["model"]["vgg"]["weights"]) == (
        "seer.safetensors",
        "runs/features.safetensors",
    )
    assert portable_config(TrainingConfig()) == TrainingConfig().model_dump(mode="json")
