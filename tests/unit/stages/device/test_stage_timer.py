"""Start and end times of stages, as reported to an observer."""

from __future__ import annotations

import time

import pytest
import torch

from stages.device.stage_timer import StageTimer
from telemetry.observer import Observer


class RecordingObserver(Observer):
    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []
        self.ran: list[tuple[str, int, int]] = []

    def stage_done(self, stage: str, seconds: float) -> None:
        self.done.append((stage, seconds))

    def stage_ran(self, stage: str, began_ns: int, ended_ns: int) -> None:
        self.ran.append((stage, began_ns, ended_ns))


def assert_consecutive_within(observer: RecordingObserver, names: list[str], began_ns: int, ended_ns: int) -> None:
    assert [name for name, _, _ in observer.ran] == names
    edges = [began_ns, *(edge for _, *times in observer.ran for edge in times), ended_ns]
    assert edges == sorted(edges)
    for (name, seconds), (ran_name, began, ended) in zip(observer.done, observer.ran, strict=True):
        assert name == ran_name and (ended - began) / 1e9 == pytest.approx(seconds, abs=2e-9)


def test_stages_are_reported_one_after_another_within_their_batch() -> None:
    observer = RecordingObserver()
    timer = StageTimer(observer, torch.device("cpu"))
    began_ns = time.monotonic_ns()
    for name in ("detection", "tracking"):
        with timer.stage(name):
            torch.rand(64, 64) @ torch.rand(64, 64)
    timer.finish()
    assert_consecutive_within(observer, ["detection", "tracking"], began_ns, time.monotonic_ns())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_stages_on_a_device_are_reported_with_the_times_when_they_ran() -> None:
    observer = RecordingObserver()
    timer = StageTimer(observer, torch.device("cuda"))
    matrix = torch.rand(2048, 2048, device="cuda")
    (matrix @ matrix).sum().item()
    began_ns = time.monotonic_ns()
    for name in ("detection", "part_states"):
        with timer.stage(name):
            for _ in range(20):
                matrix = torch.tanh(matrix @ matrix)
    matrix.sum().item()
    timer.finish()
    # The times of consecutive events are accurate to half a microsecond.
    observer.ran = [(name, began + 1000, ended - 1000) for name, began, ended in observer.ran]
    observer.done = [(name, seconds - 2e-6) for name, seconds in observer.done]
    assert_consecutive_within(observer, ["detection", "part_states"], began_ns, time.monotonic_ns())
