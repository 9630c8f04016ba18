"""The temperature: fitted to what is true, stored with the weights, applied wherever the action's score is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax

from stages import checkpoint
from stages.heads.action_lstm import ActionLSTM
from stages.packaged_checkpoints import checkpoint_file
from training.run.validation.scores import expected_calibration_error, fit_temperature, negative_log_likelihood


def answers(temperature: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose truth was drawn from them at that temperature."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (count, 5))
    chances = softmax(logits / temperature, axis=1).cumsum(1)
    return logits, (rng.random((count, 1)) > chances).sum(1).clip(max=4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_fitted_temperature_is_that_of_the_drawn_truth(temperature: float) -> None:
    logits, truth = answers(temperature)
    fitted = fit_temperature(logits, truth)
    assert fitted == pytest.approx(temperature, rel=0.05)
    assert expected_calibration_error(logits, truth, fitted) < 0.015
    assert negative_log_likelihood(logits, truth, fitted) <= negative_log_likelihood(logits, truth)


def test_the_calibration_error_agrees_with_a_worked_example() -> None:
    # Two answers at .9 (one right), two at .6 (both right): (|1 − 1.8| + |2 − 1.2|) / 4.
    scores = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.4, 0.6]])
    assert expected_calibration_error(np.log(scores), np.array([0, 0, 0, 1])) == pytest.approx(0.4)
    assert np.isnan(expected_calibration_error(np.zeros((0, 2)), np.zeros(0, int)))


def test_the_temperature_divides_the_logits_of_sequences_and_of_live_steps() -> None:
    torch.manual_seed(0)
    lstm = ActionLSTM(6, 8, 8, 1, 4).eval()
    graph, dt = torch.randn(3, 1, 6), torch.zeros(3, 1)
    embedded = lstm.embed(graph[:, 0])
    state = torch.zeros(2, 1, 3, 8)
    fresh = torch.ones(2, 3, dtype=torch.bool)

    def both() -> tuple[torch.Tensor, torch.Tensor]:
        step = lstm.step(embedded, torch.zeros(2, 3), fresh, (state, state), torch.zeros(3, dtype=torch.int64))
        return lstm(graph, dt)[:, 0], step[0]

    with torch.no_grad():
        sequence, live = both()
        lstm.temperature.fill_(2.0)
        for now, before in zip(both(), (sequence, live)):
            assert torch.equal(now, before / 2)


@pytest.mark.parametrize("profile", ["edge", "edge-open"])
def test_the_packaged_checkpoints_have_their_fitted_temperature(profile: str) -> None:
    with checkpoint_file(profile) as path:
        made = checkpoint.load(path)
    held_out = [figures for name, figures in made.metrics.items() if name.startswith("held_out")]
    (fitted,) = [figures["calibration"] for figures in held_out if "calibration" in figures]
    assert float(made.network.action_lstm.temperature) == pytest.approx(fitted["temperature"], abs=1e-3)
