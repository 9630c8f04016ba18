"""Training: the loss falls, a resumed run gives an unbroken one's numbers, the checkpoint loads, metrics are right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from stages import weights
from stages.checkpoint import load
from stages.vocabulary import packaged
from training.command import train_profile
from training.evaluate import area_under_curve, average_precision
from training.train import Run, TrainingConfig, TrainingError, schedule, train

TINY = TrainingConfig(
    steps=24, batch=16, window=16, warm_up=4, normalisation_batches=2, held_out_sequences=0, bfloat16=False
)


@pytest.fixture(scope="module")
def motions() -> Path:
    return weights.fetch("motion")


@pytest.fixture(scope="module")
def priors() -> torch.Tensor:
    """A stand-in of the table's shape: what the language model says is tested where it is built."""
    mask = torch.from_numpy(packaged("edge").mask())
    noise = torch.randn(*mask.shape, 48, generator=torch.Generator().manual_seed(0))
    return noise * mask[..., None] * 0.1


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_loss_falls_and_the_checkpoint_loads_with_all_it_needs(
    motions: Path, priors: torch.Tensor, tmp_path: Path
) -> None:
    losses: list[float] = []
    out = tmp_path / "tiny.safetensors"
    config = replace(TINY, held_out_sequences=33)
    train(
        config,
        out,
        motions=motions,
        priors=priors,
        command="run_stream.py train --steps 24",
        report=lambda step, steps, running: losses.append(running["total"]),
    )
    assert len(losses) == 24 and losses[-1] < 0.95 * losses[0]
    loaded = load(out)
    assert loaded.trained and loaded.profile == "edge" and not loaded.network.config.visual
    assert loaded.training_command == "run_stream.py train --steps 24"
    held_out = loaded.metrics["held_out"]
    assert sum(map(sum, held_out["confusion"])) == held_out["sequences"] > 20
    assert set(held_out["accuracy"]) == set(loaded.vocabulary.actions)
    assert len(held_out["states"]["pairs"]) >= 20
    assert 0 <= held_out["relevance_auc"] <= 1


def test_a_resumed_run_gives_the_numbers_of_an_unbroken_one(
    motions: Path, priors: torch.Tensor, tmp_path: Path
) -> None:
    vocabulary = packaged("edge")
    whole = Run(TINY, motions, priors, vocabulary)
    whole.normalise()
    for _ in range(4):
        whole.advance()
    whole.save(tmp_path / "run.pt")
    expected = [whole.advance() for _ in range(3)]
    resumed = Run(TINY, motions, priors, vocabulary)
    resumed.restore(tmp_path / "run.pt")
    assert [resumed.advance() for _ in range(3)] == expected
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_a_run_cut_off_by_time_goes_on_with_resume(motions: Path, priors: torch.Tensor, tmp_path: Path) -> None:
    out, seen = tmp_path / "cut.safetensors", []
    config = replace(TINY, steps=4)

    def note(step: int, steps: int, losses: dict[str, float]) -> None:
        seen.append(step)

    train(config, out, motions=motions, priors=priors, minutes=0.0, report=note)
    assert seen == [1] and load(out).metrics["steps"] == 1
    train(config, out, motions=motions, priors=priors, resume=True, report=note)
    assert seen == [1, 2, 3, 4] and load(out).metrics["steps"] == 4


def test_resuming_with_other_options_is_refused_and_says_which(
    motions: Path, priors: torch.Tensor, tmp_path: Path
) -> None:
    out = tmp_path / "other.safetensors"
    train(replace(TINY, steps=1), out, motions=motions, priors=priors)
    with pytest.raises(TrainingError, match="batch"):
        train(replace(TINY, steps=1, batch=8), out, motions=motions, priors=priors, resume=True)


def test_a_profile_that_generated_motion_cannot_train_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="kinetics-tps"):
        train_profile(profile="kinetics-tps", out=tmp_path / "x.safetensors", console=Console(quiet=True))


def test_the_learning_rate_warms_up_and_falls_to_two_percent() -> None:
    rates = [schedule(step, 1000, 100) for step in range(1000)]
    assert rates[0] == 0.01 and max(rates) == pytest.approx(1.0) and rates[-1] < 0.021
    assert np.diff(rates[:100]).min() > 0 and np.diff(rates[101:]).max() < 0


def test_average_precision_and_area_under_curve_agree_with_worked_examples() -> None:
    score = np.array([0.9, 0.8, 0.7, 0.6])
    label = np.array([True, False, True, False])
    assert average_precision(score, label) == pytest.approx((1 + 2 / 3) / 2)
    assert area_under_curve(score, label) == pytest.approx(0.75)
    assert area_under_curve(np.array([0.5, 0.5]), np.array([True, False])) == 0.5
    assert np.isnan(average_precision(score, np.zeros(4, bool)))
