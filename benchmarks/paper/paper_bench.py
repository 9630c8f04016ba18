"""The paper's profile against a plain loop on the same frames: times, answers, lower bound and fewer proposals.

Runs alternate, and all contenders process the same frames in order, so that their answers can be compared. Frames are
in memory, so decoding and scaling are not included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine, stats
from benchmarks.cameras.footage import Footage, street
from benchmarks.model.model_bench import StageTimes, count_by_stage
from benchmarks.model.multiply_adds import gemm_rate, wait_for
from benchmarks.model.paced_frames import Paced, measure_rates
from benchmarks.paper.answer_comparison import Answer, Comparison
from benchmarks.paper.paper_contenders import Contender, OurPipeline, PlainLoop, proposals_of, with_proposals
from benchmarks.run_once import RunFailedError
from stages.profiles import PAPER, choose_device, load_checkpoint
from stages.runtimes.machine import torch_threads
from stages.types import ModelInfo

OURS, PLAIN = "partstream", PlainLoop.name
MAX_PICTURES = 640
"""Limit of pictures in memory (0.2 GB), which repeat if more frames are needed."""
SETTLE = 4
"""Warm-up batches, in which tracks are confirmed and buffers allocated."""
KEPT_IOU = 0.5
"""Least IoU for a box to count as still found with fewer proposals."""
AGE_LIMIT_MS = 150.0
CUDA_SIZE = 8192
"""Size of the matrices for a card's peak rate, large enough to hide all other costs."""
NO_CUDA = "no CUDA device: not measured"


@dataclass(frozen=True, slots=True)
class PaperPlan:
    """What to measure. `threads` 0 leaves one core for decoding; `proposals`: numbers besides the checkpoint's."""

    profile: str = PAPER
    device: str = "cpu"
    video: Path | None = None
    """None: the street footage."""
    cameras: int = 4
    pairs: int = 9
    batches: int = 10
    """Batches per run, with one frame of each camera."""
    threads: int = 0
    proposals: tuple[int, ...] = (50, 25)
    paced_s: float = 8.0

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"video": None if self.video is None else self.video.name}


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a contender: elapsed time, and CPU time of all threads."""

    ms_per_frame: float
    cpu_ms_per_frame: float


@dataclass(frozen=True, slots=True)
class Floor:
    """Multiply-adds per frame of partstream by stage, and the device's rate in multiply-adds per second.

    The rate is measured with matrices of 1024 on a CPU and of 8192 on a CUDA device, there also in bfloat16.
    """

    by_stage: dict[str, float]
    float32_per_s: float
    bfloat16_per_s: float | None

    @property
    def multiply_adds(self) -> float:
        """Multiply-adds per frame."""
        return sum(self.by_stage.values())

    @property
    def ms_per_frame(self) -> float:
        """Time of the multiply-adds in float32."""
        return self.multiply_adds / self.float32_per_s * 1e3


@dataclass(slots=True)
class PaperMeasured:
    """Runs by contender, comparisons of the answers, and conclusions."""

    plan: PaperPlan
    model: ModelInfo
    threads: int
    picture: tuple[int, int]
    pictures: int
    """Number of different pictures."""
    proposals: int
    runs: dict[str, list[Run]] = field(default_factory=dict[str, list[Run]])
    stages: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """Of partstream: ms per frame in each batch."""
    plain_halves: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Of the plain loop, for each run: ms per frame for detection and for the rest."""
    same: Comparison = field(default_factory=Comparison)
    """Answers of partstream and the plain loop."""
    kept: dict[str, Comparison] = field(default_factory=dict[str, Comparison])
    """Answers with fewer proposals and with all."""
    floor: Floor | None = None
    paced: list[Paced] = field(default_factory=list[Paced])
    other_cpu_share: float = 0.0

    def ms(self, name: str) -> stats.Estimate:
        """Return a contender's milliseconds per frame."""
        return stats.estimate([run.ms_per_frame for run in self.runs[name]])

    def times_faster(self, name: str = OURS, than: str = PLAIN, of: str = "ms_per_frame") -> stats.Estimate:
        """Return the speed-up over pairs of runs, even if the answers differ; see `ratio`."""
        runs = ([getattr(run, of) for run in self.runs[contender]] for contender in (than, name))
        return stats.estimate(stats.ratios(*runs))

    @property
    def ratio(self) -> stats.Estimate | None:
        """Speed-up against the plain loop; None if the answers differ too much (`Comparison.incomparable`)."""
        return None if self.same.incomparable else self.times_faster()

    @property
    def x_floor(self) -> float | None:
        """Time relative to the lower bound in float32."""
        return self.ms(OURS).median / self.floor.ms_per_frame if self.floor and self.floor.multiply_adds else None

    @property
    def peak_share(self) -> float | None:
        """Share of the card's bfloat16 rate that partstream reaches."""
        if self.floor is None or self.floor.bfloat16_per_s is None:
            return None
        return self.floor.multiply_adds / (self.ms(OURS).median * 1e-3) / self.floor.bfloat16_per_s

    @property
    def sustained(self) -> Paced | None:
        """Figures of the highest sustained rate."""
        return next((paced for paced in reversed(self.paced) if paced.sustained(AGE_LIMIT_MS)), None)

    def as_json(self) -> dict[str, Any]:
        """Return all figures as plain values, with the ratio only if the answers agree."""
        return {
            "plan": self.plan.as_json(),
            "model": asdict(self.model),
            "threads": self.threads,
            "picture": self.picture,
            "pictures": self.pictures,
            "proposals": self.proposals,
            "ratio": None if self.ratio is None else asdict(self.ratio),
            "ms_per_frame": {name: asdict(self.ms(name)) for name in self.runs},
            "stages_ms_per_frame": {stage: stats.median(times) for stage, times in self.stages.items()},
            "same_answers": self.same.as_json(),
            "fewer_proposals": {name: asdict(kept) | {"kept": kept.kept} for name, kept in self.kept.items()},
            "floor": None if self.floor is None else asdict(self.floor) | {"x_floor": self.x_floor},
            "bf16_peak_share": self.peak_share,
            "paced": [asdict(paced) | {"sustained": paced.sustained(AGE_LIMIT_MS)} for paced in self.paced],
            "cuda": None if torch.cuda.is_available() else NO_CUDA,
            "other_cpu_share": self.other_cpu_share,
            "runs": {name: [asdict(run) for run in runs] for name, runs in self.runs.items()},
            "plain_halves_ms_per_frame": self.plain_halves,
        }


def measure(plan: PaperPlan, progress: Callable[[str], None]) -> PaperMeasured:
    """Run the plan. Raises `WeightsError` if weights or footage are missing, `RunFailedError` without the device."""
    if plan.device.startswith("cuda") and not torch.cuda.is_available():
        raise RunFailedError(NO_CUDA)
    try:
        device = choose_device(plan.device)
    except ValueError as error:
        raise RunFailedError(str(error)) from None
    threads_before = torch.get_num_threads()
    torch.set_num_threads(torch_threads(plan.threads))
    try:
        return _measure(plan, device, progress)
    finally:
        torch.set_num_threads(threads_before)


def _measure(plan: PaperPlan, device: torch.device, progress: Callable[[str], None]) -> PaperMeasured:
    checkpoint = load_checkpoint(plan.profile, device)
    cameras = [f"cam{index}" for index in range(plan.cameras)]
    video, times = plan.video or street(), StageTimes()
    pictures = min(MAX_PICTURES, plan.cameras * (SETTLE + plan.pairs * plan.batches))
    ours = OurPipeline(
        OURS, checkpoint, lambda pipeline: Footage(video, pipeline, pictures, None), cameras, device, times
    )
    contenders: list[Contender] = [ours, PlainLoop(checkpoint, ours, device)]
    for count in plan.proposals:
        fewer = with_proposals(checkpoint, count)
        contenders.append(OurPipeline(f"{OURS}, {count} proposals", fewer, lambda _: ours.footage, cameras, device))
    measured = PaperMeasured(
        plan,
        ours.pipeline.info,
        torch.get_num_threads(),
        ours.footage.format.size,
        len(ours.footage.pictures),
        proposals_of(checkpoint),
    )
    measured.runs = {contender.name: [] for contender in contenders}
    measured.kept = {contender.name: Comparison() for contender in contenders[2:]}
    for contender in contenders:
        for step in range(SETTLE):
            contender.process(contender.prepare(step))
        contender.take_answers()
    busy_before, own_before = machine.busy_seconds(), time.process_time()
    for number in range(plan.pairs):
        answers = _round(contenders, number, measured, times, device)
        for mine, theirs in zip(answers[OURS], answers[PLAIN], strict=True):
            measured.same.add(mine, theirs)
        for name, kept in measured.kept.items():
            for mine, full in zip(answers[name], answers[OURS], strict=True):
                kept.add(mine, full, KEPT_IOU)
        last = {name: runs[-1].ms_per_frame for name, runs in measured.runs.items()}
        times_ms = ", ".join(f"{name} {ms:.1f}" for name, ms in last.items())
        progress(f"round {number + 1} of {plan.pairs}, ms per frame: {times_ms}; {measured.same.boxes} boxes")
    busy, own = machine.busy_seconds(), time.process_time() - own_before
    measured.other_cpu_share = max(0.0, (busy[0] - busy_before[0] - own) / max(busy[1] - busy_before[1], 1e-9))
    measured.floor = _floor(ours, times, cameras, SETTLE + plan.pairs * plan.batches, device)
    progress("measuring sustained frame rates")
    measured.paced = measure_rates(ours.pipeline, ours.footage, cameras, plan.paced_s, AGE_LIMIT_MS)
    return measured


def _round(
    contenders: Sequence[Contender], number: int, measured: PaperMeasured, times: StageTimes, device: torch.device
) -> dict[str, list[Answer]]:
    """Run each contender on the same frames, in reverse order in every other round; return their answers."""
    plan = measured.plan
    steps = range(SETTLE + number * plan.batches, SETTLE + (number + 1) * plan.batches)
    answers: dict[str, list[Answer]] = {}
    for contender in contenders if number % 2 == 0 else reversed(contenders):
        seconds = cpu = 0.0
        for step in steps:
            frames = contender.prepare(step)
            times.begin()
            wait_for(device)
            began, cpu_began = time.perf_counter(), time.process_time()
            contender.process(frames)
            wait_for(device)
            seconds += time.perf_counter() - began
            cpu += time.process_time() - cpu_began
            if contender.name == OURS:
                for stage, took in times.seconds.items():
                    measured.stages.setdefault(stage, []).append(took / plan.cameras * 1e3)
        frames_seen = len(steps) * plan.cameras
        measured.runs[contender.name].append(Run(seconds / frames_seen * 1e3, cpu / frames_seen * 1e3))
        if isinstance(contender, PlainLoop):
            detection, rest = contender.halves()
            measured.plain_halves.append((detection / frames_seen * 1e3, rest / frames_seen * 1e3))
        answers[contender.name] = contender.take_answers()
    return answers


def _floor(ours: OurPipeline, times: StageTimes, cameras: list[str], step: int, device: torch.device) -> Floor:
    counted = count_by_stage(ours.pipeline, ours.footage, times, cameras, step)
    if device.type != "cuda":
        return Floor({stage: count / len(cameras) for stage, count in counted.items()}, gemm_rate(), None)
    # On CUDA, stages are reported together after the batch.
    by_stage = {"whole": sum(counted.values()) / len(cameras)}
    rates = [gemm_rate(device, kind, CUDA_SIZE) for kind in (torch.float32, torch.bfloat16)]
    return Floor(by_stage, rates[0], rates[1])
