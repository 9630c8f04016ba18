"""The paper's profile beside the loop that a user would write, on the same frames: times, answers, floor, proposals.

Owns the contenders for the length of the measurement. Runs alternate; every contender sees the same frames, in order,
so that what they said can be compared frame by frame. Decoding and scaling are not part of it.
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
from benchmarks.model.paced_frames import Paced, most_sustained
from benchmarks.paper.paper_contenders import Contender, OurPipeline, PlainLoop, proposals_of, with_proposals
from benchmarks.paper.same_answers import Comparison, Said
from benchmarks.run_once import RunFailedError
from stages.profiles import PAPER, choose_device, load_checkpoint
from stages.types import ModelInfo

OURS, PLAIN = "partstream", PlainLoop.name
MOST_PICTURES = 640
"""In memory, 0.2 GB; more frames than that show some of them again."""
SETTLE = 4
"""Batches before measuring: tracks get confirmed, buffers get their size."""
KEPT_IOU = 0.5
"""A box is still there with fewer proposals if one of its class overlaps it so much."""
AGE_LIMIT_MS = 150.0
CUDA_SIZE = 8192
"""Sides of the matrices whose product gives a card's peak: large enough that nothing else counts."""
NO_CUDA = "no CUDA device: not measured"


@dataclass(frozen=True, slots=True)
class PaperPlan:
    """What to measure. `threads` 0: one core is left to decoding; `proposals`: what else than the checkpoint's."""

    profile: str = PAPER
    device: str = "cpu"
    video: Path | None = None
    """None: the street."""
    cameras: int = 4
    pairs: int = 9
    batches: int = 10
    """Batches a run, of a frame of each camera."""
    threads: int = 0
    proposals: tuple[int, ...] = (50, 25)
    paced_s: float = 8.0

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"video": None if self.video is None else self.video.name}


@dataclass(frozen=True, slots=True)
class Run:
    """One contender's run: by the clock, and processor time of all threads."""

    ms_per_frame: float
    cpu_ms_per_frame: float


@dataclass(frozen=True, slots=True)
class Floor:
    """The multiply-adds of one frame of ours by stage, and how many a second the device does, by the kind of number:
    of matrices of 1024 on a CPU, of 8192 on a CUDA device, there also in bfloat16."""

    by_stage: dict[str, float]
    float32_per_s: float
    bfloat16_per_s: float | None

    @property
    def multiply_adds(self) -> float:
        """Of a frame."""
        return sum(self.by_stage.values())

    @property
    def ms_per_frame(self) -> float:
        """The least that they could take, in float32."""
        return self.multiply_adds / self.float32_per_s * 1e3


@dataclass(slots=True)
class PaperMeasured:
    """All runs by contender, what was said, and what it comes to."""

    plan: PaperPlan
    model: ModelInfo
    threads: int
    picture: tuple[int, int]
    pictures: int
    """Different ones, at most."""
    proposals: int
    runs: dict[str, list[Run]] = field(default_factory=dict[str, list[Run]])
    stages: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """Of ours: ms a frame of each batch."""
    plain_halves: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Of the plain loop's runs: ms a frame of detection, and of the rest."""
    same: Comparison = field(default_factory=Comparison)
    """Ours beside the plain loop's."""
    kept: dict[str, Comparison] = field(default_factory=dict[str, Comparison])
    """With fewer proposals beside ours."""
    floor: Floor | None = None
    paced: list[Paced] = field(default_factory=list[Paced])
    other_cpu_share: float = 0.0

    def ms(self, name: str) -> stats.Estimate:
        """A contender's milliseconds a frame."""
        return stats.estimate([run.ms_per_frame for run in self.runs[name]])

    def times_faster(self, name: str = OURS, than: str = PLAIN, of: str = "ms_per_frame") -> stats.Estimate:
        """How often one goes into the other, pair by pair, whether they say the same or not: see `ratio`."""
        runs = ([getattr(run, of) for run in self.runs[contender]] for contender in (than, name))
        return stats.estimate(stats.ratios(*runs))

    @property
    def ratio(self) -> stats.Estimate | None:
        """The plain loop's time to ours; None where they can't be compared (`Comparison.incomparable`)."""
        return None if self.same.incomparable else self.times_faster()

    @property
    def x_floor(self) -> float | None:
        """Ours to the floor in float32."""
        return self.ms(OURS).median / self.floor.ms_per_frame if self.floor and self.floor.multiply_adds else None

    @property
    def peak_share(self) -> float | None:
        """The multiply-adds that ours does a second, of those that the card does in bfloat16."""
        if self.floor is None or self.floor.bfloat16_per_s is None:
            return None
        return self.floor.multiply_adds / (self.ms(OURS).median * 1e-3) / self.floor.bfloat16_per_s

    @property
    def sustained(self) -> Paced | None:
        """The greatest rate of those sustained."""
        return next((paced for paced in reversed(self.paced) if paced.sustained(AGE_LIMIT_MS)), None)

    def as_json(self) -> dict[str, Any]:
        """Everything measured; a ratio only where it may be claimed."""
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


def measure(plan: PaperPlan, say: Callable[[str], None]) -> PaperMeasured:
    """Run the plan. Raises `WeightsError` where weights or footage are missing, `RunFailedError` without the
    device."""
    if plan.device.startswith("cuda") and not torch.cuda.is_available():
        raise RunFailedError(NO_CUDA)
    try:
        device = choose_device(plan.device)
    except ValueError as error:
        raise RunFailedError(str(error)) from None
    threads_before = torch.get_num_threads()
    torch.set_num_threads(plan.threads or max(1, (machine.describe()["cores"] or 2) - 1))
    try:
        return _measure(plan, device, say)
    finally:
        torch.set_num_threads(threads_before)


def _measure(plan: PaperPlan, device: torch.device, say: Callable[[str], None]) -> PaperMeasured:
    checkpoint = load_checkpoint(plan.profile, device)
    cameras = [f"cam{index}" for index in range(plan.cameras)]
    video, times = plan.video or street(), StageTimes()
    pictures = min(MOST_PICTURES, plan.cameras * (SETTLE + plan.pairs * plan.batches))
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
        contender.said()
    busy_before, own_before = machine.busy_seconds(), time.process_time()
    for number in range(plan.pairs):
        answers = _round(contenders, number, measured, times, device)
        for mine, theirs in zip(answers[OURS], answers[PLAIN], strict=True):
            measured.same.add(mine, theirs)
        for name, kept in measured.kept.items():
            for mine, full in zip(answers[name], answers[OURS], strict=True):
                kept.add(mine, full, KEPT_IOU)
        last = {name: runs[-1].ms_per_frame for name, runs in measured.runs.items()}
        said = ", ".join(f"{name} {ms:.1f}" for name, ms in last.items())
        say(f"round {number + 1} of {plan.pairs}, ms a frame: {said}; {measured.same.boxes} boxes")
    busy, own = machine.busy_seconds(), time.process_time() - own_before
    measured.other_cpu_share = max(0.0, (busy[0] - busy_before[0] - own) / max(busy[1] - busy_before[1], 1e-9))
    measured.floor = _floor(ours, times, cameras, SETTLE + plan.pairs * plan.batches, device)
    say("rates of frames, one after the other")
    measured.paced = most_sustained(ours.pipeline, ours.footage, cameras, plan.paced_s, AGE_LIMIT_MS)
    return measured


def _round(
    contenders: Sequence[Contender], number: int, measured: PaperMeasured, times: StageTimes, device: torch.device
) -> dict[str, list[Said]]:
    """One run of each on the same frames, in every other round backwards."""
    plan = measured.plan
    steps = range(SETTLE + number * plan.batches, SETTLE + (number + 1) * plan.batches)
    answers: dict[str, list[Said]] = {}
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
        answers[contender.name] = contender.said()
    return answers


def _floor(ours: OurPipeline, times: StageTimes, cameras: list[str], step: int, device: torch.device) -> Floor:
    counted = count_by_stage(ours.pipeline, ours.footage, times, cameras, step)
    if device.type != "cuda":
        return Floor({stage: count / len(cameras) for stage, count in counted.items()}, gemm_rate(), None)
    # There, stages are told after the batch, all at once.
    by_stage = {"whole": sum(counted.values()) / len(cameras)}
    rates = [gemm_rate(device, kind, CUDA_SIZE) for kind in (torch.float32, torch.bfloat16)]
    return Floor(by_stage, rates[0], rates[1])
