"""The paper's profile against a plain loop on the same frames: times, and whether the answers are the same.

Runs alternate, and both contenders process the same frames in order, so that their answers can be compared. Frames are
in memory, so decoding and scaling are not included. If the answers differ, no ratio is reported and no goal is met.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import machine, stats
from benchmarks.cameras.footage import street
from benchmarks.paper.paper_contenders import MIN_IOU, MIN_SCORE, Answer, Comparison, Contender, OurPipeline, PlainLoop
from benchmarks.report import NOISY, print_goals, print_machine
from benchmarks.rounds import Goal, camera_count, order
from stages.profiles import PAPER, load_checkpoint
from stages.runtimes.machine import torch_threads
from stages.types import ModelInfo

OURS, PLAIN = "partstream", "plain loop"
GOAL, GOAL_CAMERAS = 1.3, 4
MAX_PICTURES = 640
"""Limit of pictures in memory (0.2 GB), which repeat if more frames are needed."""
SETTLE = 4
"""Warm-up batches, in which tracks are confirmed and buffers allocated."""


@dataclass(frozen=True, slots=True)
class PaperPlan:
    """What to measure. `threads` 0 leaves one core for decoding."""

    profile: str = PAPER
    video: Path | None = None
    """None: the street footage."""
    cameras: int = GOAL_CAMERAS
    pairs: int = 9
    batches: int = 10
    """Batches per run, with one frame of each camera."""
    threads: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"video": None if self.video is None else self.video.name}


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a contender, in milliseconds per frame: elapsed, of that in detection, and CPU time of all threads."""

    ms: float
    detection_ms: float
    cpu_ms: float


@dataclass(slots=True)
class PaperMeasured:
    """Runs by contender, and the comparison of their answers."""

    plan: PaperPlan
    model: ModelInfo
    threads: int
    picture: tuple[int, int]
    pictures: int
    """Number of different pictures."""
    runs: dict[str, list[Run]] = field(default_factory=dict[str, list[Run]])
    same: Comparison = field(default_factory=Comparison)
    other_cpu_share: float = 0.0

    def of(self, name: str, figure: str = "ms") -> stats.Estimate:
        """Return a figure of a contender."""
        return stats.estimate([getattr(run, figure) for run in self.runs[name]])

    def ratio(self, figure: str = "ms") -> stats.Estimate | None:
        """Return the speed-up against the plain loop; None if the answers differ too much to compare times."""
        if self.same.incomparable:
            return None
        times = ([getattr(run, figure) for run in self.runs[name]] for name in (PLAIN, OURS))
        return stats.estimate(stats.ratios(*times))

    @property
    def goal(self) -> Goal:
        """The goal of the profile, which is for four cameras."""
        text = f"at least {GOAL:g} x as fast as the {PLAIN}, {GOAL_CAMERAS} cameras"
        ratio = self.ratio()
        if ratio is None:
            return Goal(text, f"no ratio: {self.same.incomparable}", "not resolved")
        if self.plan.cameras != GOAL_CAMERAS:
            return Goal(text, f"{ratio} x, with {camera_count(self.plan.cameras)}", "not resolved")
        return Goal(text, f"{ratio} x", stats.at_least(ratio, GOAL))

    def as_json(self) -> dict[str, Any]:
        """Return all figures as plain values, with the ratio only if the answers agree."""
        ratio = self.ratio()
        return {
            "plan": self.plan.as_json(),
            "model": asdict(self.model),
            "threads": self.threads,
            "picture": self.picture,
            "pictures": self.pictures,
            "ratio": None if ratio is None else asdict(ratio),
            "ms_per_frame": {name: asdict(self.of(name)) for name in self.runs},
            "same_answers": self.same.as_json(),
            "goal": asdict(self.goal),
            "other_cpu_share": self.other_cpu_share,
            "runs": {name: [asdict(run) for run in runs] for name, runs in self.runs.items()},
        }


def measure(plan: PaperPlan, progress: Callable[[str], None]) -> PaperMeasured:
    """Run the plan. Raises `WeightsError` if weights or footage are missing."""
    threads_before = torch.get_num_threads()
    torch.set_num_threads(torch_threads(plan.threads))
    try:
        return _measure(plan, progress)
    finally:
        torch.set_num_threads(threads_before)


def _measure(plan: PaperPlan, progress: Callable[[str], None]) -> PaperMeasured:
    checkpoint = load_checkpoint(plan.profile, torch.device("cpu"))
    cameras = [f"cam{index}" for index in range(plan.cameras)]
    pictures = min(MAX_PICTURES, plan.cameras * (SETTLE + plan.pairs * plan.batches))
    ours = OurPipeline(checkpoint, plan.video or street(), pictures, cameras)
    contenders: dict[str, Contender] = {OURS: ours, PLAIN: PlainLoop(checkpoint, ours)}
    measured = PaperMeasured(
        plan,
        ours.pipeline.info,
        torch.get_num_threads(),
        ours.footage.format.size,
        len(ours.footage.pictures),
        {name: [] for name in contenders},
    )
    for contender in contenders.values():
        for step in range(SETTLE):
            contender.process(contender.prepare(step))
        contender.take_detection_s()
        contender.take_answers()
    busy_before, own_before = machine.busy_seconds(), time.process_time()
    for number in range(plan.pairs):
        steps = range(SETTLE + number * plan.batches, SETTLE + (number + 1) * plan.batches)
        answers: dict[str, list[Answer]] = {}
        for name in order(list(contenders), number):
            measured.runs[name].append(_run(contenders[name], steps, plan.cameras))
            answers[name] = contenders[name].take_answers()
        for mine, theirs in zip(answers[OURS], answers[PLAIN], strict=True):
            measured.same.add(mine, theirs)
        times_ms = ", ".join(f"{name} {runs[-1].ms:.1f}" for name, runs in measured.runs.items())
        progress(f"round {number + 1} of {plan.pairs}, ms per frame: {times_ms}; {measured.same.boxes} boxes")
    busy, own = machine.busy_seconds(), time.process_time() - own_before
    measured.other_cpu_share = max(0.0, (busy[0] - busy_before[0] - own) / max(busy[1] - busy_before[1], 1e-9))
    return measured


def _run(contender: Contender, steps: range, cameras: int) -> Run:
    seconds = cpu = 0.0
    for step in steps:
        frames = contender.prepare(step)
        began, cpu_began = time.perf_counter(), time.process_time()
        contender.process(frames)
        seconds += time.perf_counter() - began
        cpu += time.process_time() - cpu_began
    return Run(*(total / (len(steps) * cameras) * 1e3 for total in (seconds, contender.take_detection_s(), cpu)))


def print_paper(measured: PaperMeasured, host: dict[str, Any], console: Console) -> None:
    """Print the times, whether the answers are the same, and the goal."""
    plan, same, (width, height) = measured.plan, measured.same, measured.picture
    table = Table(
        title=f"{Path(plan.profile).name}, {width}x{height}, {camera_count(plan.cameras)} ({measured.threads} threads)"
        f"; {plan.pairs} runs of {plan.batches} batches: median [95 %]"
    )
    table.add_column("", no_wrap=True)
    headings = ("ms per frame", "CPU ms\nper frame", "detection ms\nper frame", "the rest", "x as fast", "in CPU time")
    for heading in headings:
        table.add_column(heading, justify="right")
    for name in measured.runs:
        ms, cpu, detection = (measured.of(name, figure) for figure in ("ms", "cpu_ms", "detection_ms"))
        ratios = [f"{found or 'no ratio'}" for found in (measured.ratio(), measured.ratio("cpu_ms"))]
        cells = (str(ms), str(cpu), f"{detection.median:.2f}", f"{ms.median - detection.median:.2f}")
        table.add_row(name, *cells, *(ratios if name == OURS else ()))
    console.print(table)
    console.print(
        f"boxes above {MIN_SCORE} in {same.frames} frames ({measured.pictures} pictures): {same.boxes}, of which "
        f"{same.matched} match one of the {PLAIN} with the same class and an IoU of {MIN_IOU}; of the {PLAIN}'s "
        f"{same.their_boxes}, {same.their_matched} match"
    )
    console.print(f"people in these frames: {same.people}; with the same action in both: {same.same_actions}")
    if same.incomparable:
        console.print(f"[red]No ratio is reported: {same.incomparable}.[/]")
    if not measured.model.trained:
        console.print("[red]The checkpoint is not trained, so its figures are meaningless.[/]")
    print_goals([measured.goal], console)
    print_machine(host, console)
    if measured.other_cpu_share > NOISY:
        console.print(
            f"[yellow]Other programs used {measured.other_cpu_share:.0%} of the machine. "
            "Measure again when it is quiet.[/]"
        )
