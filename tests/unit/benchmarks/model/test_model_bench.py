"""Tests of the count of multiply-adds."""

from __future__ import annotations

import torch

from benchmarks.model.model_bench import counter, multiply_adds


def test_multiply_adds_of_a_convolution_a_linear_layer_and_an_lstm_are_counted() -> None:
    convolution, linear = torch.nn.Conv2d(3, 8, 3), torch.nn.Linear(5, 7)
    lstm = torch.nn.LSTM(16, 32, batch_first=True)
    with torch.inference_mode(), counter() as counted:
        convolution(torch.zeros(1, 3, 16, 16))
        linear(torch.zeros(2, 5))
        before_lstm = multiply_adds(counted)
        lstm(torch.zeros(3, 10, 16))
    assert before_lstm == 8 * 14 * 14 * 3 * 3 * 3 + 2 * 5 * 7
    assert multiply_adds(counted) - before_lstm == 3 * 10 * 4 * 32 * (16 + 32)
