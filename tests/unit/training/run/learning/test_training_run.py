"""One step of training: what it does with all features off, what each feature adds, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.vocabulary import packaged
from support.training.training_examples import motion_clips, stand_in_priors, started, tiny
from training.run.learning.run_state import read_state, write_state
from training.run.learning.training_run import DivergedError, Run, TrainingError, schedule


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


EVERY_OPTION: dict[str, Any] = {
    "model": {
        "action_kernel": 3,
        "action_dropout": 0.2,
        "part_dropout": 0.3,
        "posture_actions": ["stand", "sit", "lie"],
        "movement_actions": ["walk", "run", "fall"],
    },
    "optimiser": {"ema_decay": 0.5},
}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_with_every_option_of_the_network_takes_the_same_steps(precision: str, tmp_path: Path) -> None:
    run = started(tiny(**EVERY_OPTION, precision=precision))
    run.advance()
    write_state(run, tmp_path / "state.pt", {})
    expected = [run.advance().losses for _ in range(2)]
    again = Run(run.config, motion_clips(), stand_in_priors(), packaged("edge"))
    read_state(again, tmp_path / "state.pt")
    assert [again.advance().losses for _ in range(2)] == expected
    assert all(math.isfinite(value) and value > 0 for losses in expected for value in losses.values())


def test_the_running_mean_follows_the_weights_and_is_what_is_evaluated() -> None:
    run = started(tiny(optimiser={"ema_decay": 0.5}))
    name = "action_lstm.scores.weight"
    mean = run.network.state_dict()[name].clone()
    for step in range(1, 6):
        run.advance()
        decay = min(0.5, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * run.network.state_dict()[name]
    assert run.average is not None and run.evaluated is run.average.network
    assert torch.allclose(run.evaluated.state_dict()[name], mean, atol=1e-6)
    assert torch.equal(run.evaluated.part_mean, run.network.part_mean)
    assert not any(weight.requires_grad for weight in run.evaluated.parameters())


def test_the_gradient_is_clipped_and_its_norm_before_clipping_is_reported() -> None:
    def norm_of(run: Run) -> float:
        return float(torch.cat([p.grad.flatten() for p in run.network.parameters() if p.grad is not None]).norm())

    free = started(tiny(optimiser={"clip_norm": None}))
    uncut = free.advance().gradient_norm
    cut = started(tiny(optimiser={"clip_norm": 0.01}))
    assert cut.advance().gradient_norm == uncut == pytest.approx(norm_of(free), rel=1e-4)
    assert uncut > 0.1 and norm_of(cut) == pytest.approx(0.01, rel=1e-3)


def test_bfloat16_keeps_weights_in_float32_and_stays_near_float32() -> None:
    half, whole = started(tiny(precision="bfloat16")), started(tiny(precision="float32"))
    ones, others = [half.advance() for _ in range(3)], [whole.advance() for _ in range(3)]
    assert all(weight.dtype == torch.float32 for weight in half.network.parameters())
    for one, other in zip(ones, others):
        assert one.losses["total"] == pytest.approx(other.losses["total"], rel=0.03)
        assert one.losses != other.losses


def test_an_infinite_loss_ends_the_run_with_step_and_name_and_keeps_the_weights() -> None:
    run = started(tiny())
    run.advance()
    with torch.no_grad():
        run.network.frame_scores.bias[0] = math.nan
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    with pytest.raises(DivergedError, match=r"step 2: the loss is not finite: frame \(nan\); try a smaller"):
        run.advance()
    assert run.step == 1
    for name, value in run.network.state_dict().items():
        assert torch.equal(value.nan_to_num(7), before[name].nan_to_num(7)), name


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"device": "gpu"}, "'gpu' is not auto, cpu, cuda or cuda:N"),
        ({"device": "meta"}, "'meta' is not auto"),
        ({"device": "cuda:99"}, "'cuda:99' is not available"),
        ({"device": "cpu", "precision": "float16"}, "float16 needs CUDA"),
    ],
)
def test_an_unsuitable_device_is_rejected(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(TrainingError, match=named):
        Run(tiny(**changes), motion_clips(), stand_in_priors(), packaged("edge"))


def test_the_learning_rate_warms_up_and_decays_to_its_final_share() -> None:
    rates = [schedule(step, 1000, 100) for step in range(1000)]
    assert rates[0] == 0.01 and max(rates) == pytest.approx(1.0) and rates[-1] < 0.021
    assert np.diff(rates[:100]).min() > 0 and np.diff(rates[101:]).max() < 0
    assert schedule(0, 1000, 0) == 1.0 and schedule(999, 1000, 0, 0.5) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_on_cuda_each_precision_begins_with_the_cpus_losses_and_learns(precision: str) -> None:
    here = started(tiny(model={"dropout": 0.0})).advance()
    run = started(
        tiny(device="cuda", precision=precision, steps=40, model={"dropout": 0.0}, optimiser={"ema_decay": 0.9})
    )
    steps = [run.advance() for _ in range(40)]
    assert steps[0].losses["total"] == pytest.approx(here.losses["total"], rel=1e-4 if precision == "float32" else 0.03)
    assert np.mean([step.losses["total"] for step in steps[-5:]]) < 0.95 * steps[0].losses["total"]
    assert all(weight.dtype == torch.float32 and weight.is_cuda for weight in run.evaluated.parameters())
