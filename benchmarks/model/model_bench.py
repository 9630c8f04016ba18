"""Cost of the model by stage and batch size, and the lower bound by its multiply-adds on this machine.

Frames are in memory, so decoding and scaling are not included.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import stats
from benchmarks.cameras.footage import Footage, street
from benchmarks.report import print_machine
from stages.settings import ModelSettings
from stages.types import Model
from stream.config import Config
from stream.inference.model_loading import load_model
from telemetry.observer import Observer

SETTLE = 8
"""Warm-up batches, in which tracks are confirmed and buffers allocated."""
FRAMES = 160
GEMM_SIZE = 1024
GEMM_TRIES = 12


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What to measure. `batches`: frames per batch, each from another camera."""

    profile: str = "edge"
    detector_size: tuple[int, int] | None = None
    batches: tuple[int, ...] = (1, 2, 4, 8)
    threads: tuple[int, ...] = (1, 2)
    repeats: int = 15
    video: Path | None = None
    """None: the street footage."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"video": None if self.video is None else self.video.name}


@dataclass(frozen=True, slots=True)
class StageFigures:
    """A stage at a batch size. `floor_ms_per_frame`: time of its multiply-adds at the rate of matrix products."""

    stage: str
    ms_per_frame: float
    ms_per_person: float | None
    multiply_adds_per_frame: float
    floor_ms_per_frame: float


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """A batch size with a number of threads. `ms_per_frame` covers all of `Model.process`."""

    threads: int
    batch: int
    people_per_frame: float
    ms_per_frame: stats.Estimate
    gemm_multiply_adds_per_s: float
    stages: list[StageFigures]


class StageTimes(Observer):
    """Collects the time and the multiply-adds of each stage of a batch."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.people = 0
        self.counted: dict[str, int] = {}
        self.count: Callable[[], int] | None = None
        self._before = 0

    def begin(self) -> None:
        """Start a new batch."""
        self.seconds, self.counted, self.people, self._before = {}, {}, 0, 0

    def stage_done(self, stage: str, seconds: float) -> None:
        """Add a run of a stage, which may run several times in a batch."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        if self.count is not None:
            now = self.count()
            self.counted[stage] = self.counted.get(stage, 0) + now - self._before
            self._before = now

    def people_seen(self, camera: str, people: int, tracks: int) -> None:
        """Count the people of a frame."""
        self.people += people


@dataclass(slots=True)
class ModelMeasured:
    """Figures of all batch sizes and numbers of threads."""

    plan: ModelPlan
    size: tuple[int, int] = (0, 0)
    batches: list[BatchFigures] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return plan and figures as plain values."""
        return {"plan": self.plan.as_json(), "picture": self.size, "batches": [asdict(batch) for batch in self.batches]}


def measure(plan: ModelPlan, progress: Callable[[str], None], clock: Callable[[], float]) -> ModelMeasured:
    """Run the plan; `clock` returns seconds. Raises `WeightsError` if weights or footage are missing."""
    times = StageTimes()
    # torch counts the operations, and its number of threads can be changed.
    config = Config(model=ModelSettings(profile=plan.profile, runtime="torch"))  # pyright: ignore[reportCallIssue]
    model = load_model(config, times)
    footage = Footage(plan.video or street(), model, FRAMES, plan.detector_size)
    measured = ModelMeasured(plan, footage.format.size)
    threads_before = torch.get_num_threads()
    try:
        for threads in plan.threads:
            torch.set_num_threads(threads)
            for batch in plan.batches:
                figures = _measure_batch(model, footage, times, plan.repeats, batch, threads, clock)
                measured.batches.append(figures)
                progress(f"{threads} thread(s), {batch} frame(s) per batch: {figures.ms_per_frame} ms per frame")
    finally:
        torch.set_num_threads(threads_before)
    return measured


def _measure_batch(
    model: Model,
    footage: Footage,
    times: StageTimes,
    repeats: int,
    batch: int,
    threads: int,
    clock: Callable[[], float],
) -> BatchFigures:
    cameras = [f"cam{index}" for index in range(batch)]
    rate = gemm_rate()
    for step in range(SETTLE):
        model.process(footage.batch(cameras, step))
    whole: list[float] = []
    seconds: dict[str, list[float]] = {}
    per_person: dict[str, list[float]] = {}
    people = 0
    for step in range(SETTLE, SETTLE + repeats):
        leases = footage.batch(cameras, step)
        times.begin()
        began = clock()
        model.process(leases)
        whole.append((clock() - began) / batch * 1e3)
        people += times.people
        for stage, took in times.seconds.items():
            seconds.setdefault(stage, []).append(took / batch * 1e3)
            if times.people:
                per_person.setdefault(stage, []).append(took / times.people * 1e3)
    counted = count_by_stage(model, footage, times, cameras, SETTLE + repeats)
    for camera in cameras:
        model.forget(camera)
    rate = max(rate, gemm_rate())
    stages = [
        StageFigures(
            stage=stage,
            ms_per_frame=stats.median(took),
            ms_per_person=stats.median(per_person[stage]) if stage in per_person else None,
            multiply_adds_per_frame=counted.get(stage, 0) / batch,
            floor_ms_per_frame=counted.get(stage, 0) / batch / rate * 1e3,
        )
        for stage, took in seconds.items()
    ]
    return BatchFigures(threads, batch, people / repeats / batch, stats.estimate(whole), rate, stages)


def count_by_stage(model: Model, footage: Footage, times: StageTimes, cameras: list[str], step: int) -> dict[str, int]:
    """Return the multiply-adds of a further batch by stage. It is not timed, because counting slows it down."""
    counted = counter()
    times.begin()
    times.count = lambda: multiply_adds(counted)
    try:
        with counted:
            model.process(footage.batch(cameras, step))
    finally:
        times.count = None
    return dict(times.counted)


def counter() -> FlopCounterMode:
    """Return a context manager that counts multiply-adds, read by `multiply_adds(counter)`.

    Unlike torch's own counter, it includes LSTMs. Padding rows of a batch count; additions, activations and copies do
    not.
    """
    return FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mkldnn_rnn_layer: _lstm_layer_flops})


def multiply_adds(counted: FlopCounterMode) -> int:
    """Return the count so far. torch counts a multiply-add as two operations."""
    return counted.get_total_flops() // 2


def gemm_rate() -> float:
    """Return the multiply-adds per second of the fastest of several float32 matrix products, with torch's threads."""
    a, b, product = (torch.rand(GEMM_SIZE, GEMM_SIZE) for _ in range(3))
    best_s = math.inf
    for _ in range(GEMM_TRIES):
        began = time.perf_counter()
        torch.mm(a, b, out=product)
        best_s = min(best_s, time.perf_counter() - began)
    return GEMM_SIZE**3 / best_s


def _lstm_layer_flops(
    inputs: Sequence[int], from_input: Sequence[int], from_state: Sequence[int], *_: Any, **__: Any
) -> int:
    """Count the products with the layer's two weight matrices in each step; biases are only added."""
    return 2 * math.prod(inputs[:-1]) * (math.prod(from_input) + math.prod(from_state))


def print_model(measured: ModelMeasured, machine: dict[str, Any], console: Console) -> None:
    """Print the results of the model benchmark, a table per number of threads."""
    width, height = measured.size
    for threads in measured.plan.threads:
        rows = [batch for batch in measured.batches if batch.threads == threads]
        if not rows:
            continue
        rate = stats.median([row.gemm_multiply_adds_per_s for row in rows]) / 1e9
        table = Table(
            title=f"{measured.plan.profile}, {width}x{height}, threads: {threads}. ms per frame (ms per person); "
            f"floor at the measured {rate:.0f} G multiply-adds per second"
        )
        table.add_column("stage")
        for row in rows:
            table.add_column(f"batch {row.batch}\n{row.people_per_frame:.1f} people per frame", justify="right")
        for heading in ("M multiply-adds\nper frame", "floor ms\nper frame", "x floor"):
            table.add_column(heading, justify="right")
        last = rows[-1]
        for stage in last.stages:
            same = [[found for found in row.stages if found.stage == stage.stage] for row in rows]
            cells = [_stage_cell(found[0]) if found else "" for found in same]
            floor = stage.floor_ms_per_frame
            table.add_row(
                stage.stage,
                *cells,
                f"{stage.multiply_adds_per_frame / 1e6:.1f}",
                f"{floor:.3f}",
                f"{stage.ms_per_frame / floor:.1f}" if floor else "",
            )
        floor = sum(stage.floor_ms_per_frame for stage in last.stages)
        macs = sum(stage.multiply_adds_per_frame for stage in last.stages) / 1e6
        table.add_section()
        table.add_row(
            "total", *(str(row.ms_per_frame) for row in rows), f"{macs:.1f}", f"{floor:.3f}",
            f"{last.ms_per_frame.median / floor:.1f}" if floor else "",
        )  # fmt: skip
        console.print(table)
    print_machine(machine, console)


def _stage_cell(stage: StageFigures) -> str:
    person = "" if stage.ms_per_person is None else f" ({stage.ms_per_person:.3f})"
    return f"{stage.ms_per_frame:.3f}{person}"
