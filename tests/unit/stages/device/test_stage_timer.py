"""When stages began and ended, as an observer is told."""

from __future__ import annotations

import time

import pytest
import torch

from stages.device.stage_timer import StageTimer
from telemetry.observer import Observer


class Told(Observer):
    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []
        self.ran: list[tuple[str, int, int]] = []

    def stage_done(self, stage: str, seconds: float) -> None:
        self.done.append((stage, seconds))

    def stage_ran(self, stage: str, began_ns: int, ended_ns: int) -> None:
        self.ran.append((stage, began_ns, ended_ns))


def assert_one_after_another_within(told: Told, names: list[str], began_ns: int, ended_ns: int) -> None:
    assert [name for name, _, _ in told.ran] == names
    edges = [began_ns, *(edge for _, *times in told.ran for edge in times), ended_ns]
    assert edges == sorted(edges)
    for (name, seconds), (other, began, ended) in zip(told.done, told.ran, strict=True):
        assert name == other and (ended - began) / 1e9 == pytest.approx(seconds, abs=2e-9)


def test_stages_are_told_one_after_another_within_their_batch() -> None:
    told = Told()
    timer = StageTimer(told, torch.device("cpu"))
    began_ns = time.monotonic_ns()
    for name in ("detection", "tracking"):
        with timer.stage(name):
            torch.rand(64, 64) @ torch.rand(64, 64)
    timer.finish()
    assert_one_after_another_within(told, ["detection", "tracking"], began_ns, time.monotonic_ns())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_stages_of_a_device_are_told_when_they_ran_there() -> None:
    told = Told()
    timer = StageTimer(told, torch.device("cuda"))
    matrix = torch.rand(2048, 2048, device="cuda")
    (matrix @ matrix).sum().item()
    began_ns = time.monotonic_ns()
    for name in ("detection", "part_states"):
        with timer.stage(name):
            for _ in range(20):
                matrix = torch.tanh(matrix @ matrix)
    matrix.sum().item()
    timer.finish()
    # Two events that are one after the other may be told apart by half a microsecond.
    told.ran = [(name, began + 1000, ended - 1000) for name, began, ended in told.ran]
    told.done = [(name, seconds - 2e-6) for name, seconds in told.done]
    assert_one_after_another_within(told, ["detection", "part_states"], began_ns, time.monotonic_ns())
