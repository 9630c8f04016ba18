"""Number of live cameras that a machine sustains with a real model, by scene, picture size and cores.

Each trial has its own cameras, engine and subscriber. The number is found by doubling and bisection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import stats
from benchmarks.cameras.clip import Clip
from benchmarks.cameras.scenes import ROOM, SCENES, STILL, STREET, scene_clip, video_of
from benchmarks.engine.end_to_end_trial import EngineOptions, Placement, Trial, core_ids, place, run_trial
from benchmarks.report import NOISY, print_goals, print_machine
from benchmarks.rounds import Goal, camera_count
from benchmarks.run_once import RunFailedError
from stream.config import load

LEAST_SHARE = 0.95
"""Share of the due results that a subscriber must receive."""
MOST_AGE_MS = 1000.0
"""Limit of the results' age at the 99th percentile, from sent to received."""
RESOLUTIONS = ((640, 360), (1280, 720), (1920, 1080))
CORES = (1, 2)
GOALS = {STILL: 24, STREET: 3, ROOM: 6}
"""Least numbers of cameras with 720p and 5 frames a second, on two cores."""
GOALS_FPS, GOALS_RESOLUTION, GOALS_CORES = 5, (1280, 720), 2

PRECISION = 20
"""The number is exact up to twice this, and within a twentieth above."""
TRIALS = 6
"""Trials of a search, about."""
START_S = 10.0
"""Time of a trial that is not measured, beside the warm-up, about."""


@dataclass(frozen=True, slots=True)
class EndToEndPlan:
    """What to measure: each scene, at each resolution, with each number of cores for the engine.

    `room`: video shown by the scene `room`. `runs`: trials of the number that is found; the search makes one of each.
    """

    scenes: tuple[str, ...] = SCENES
    resolutions: tuple[tuple[int, int], ...] = RESOLUTIONS
    cores: tuple[int, ...] = CORES
    fps: int = 5
    most: int = 64
    runs: int = 3
    seconds: float = 15.0
    warm_up_s: float = 6.0
    """Longer than the default interval of sweeps, so that people who keep still are tracked."""
    room: Path | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)

    @property
    def duration_s(self) -> float:
        """Estimate of the whole duration."""
        cells = len(self.scenes) * len(self.resolutions) * len(self.cores)
        return cells * (TRIALS + self.runs - 1) * (START_S + self.warm_up_s + self.seconds)


@dataclass(slots=True)
class Cell:
    """A scene at a resolution on a number of cores, and its trials in order."""

    scene: str
    resolution: tuple[int, int]
    cores: int
    trials: list[Trial] = field(default_factory=list[Trial])
    failure: str | None = None
    """Why the search ended early."""

    def __str__(self) -> str:
        width, height = self.resolution
        return f"{self.scene}, {width}x{height}, {self.cores} core{'s' if self.cores > 1 else ''}"

    def of(self, cameras: int) -> list[Trial]:
        """Return the trials with this number of cameras."""
        return [trial for trial in self.trials if trial.cameras == cameras]

    def sustains(self, cameras: int) -> bool:
        """Return whether the median trial with this number of cameras is within both limits."""
        trials = self.of(cameras)
        ages = [float("inf") if trial.age_ms_p99 is None else trial.age_ms_p99 for trial in trials]
        enough = stats.median([trial.share for trial in trials]) >= LEAST_SHARE
        return bool(trials) and enough and stats.median(ages) <= MOST_AGE_MS

    @property
    def sustained(self) -> int:
        """Largest number of cameras that is sustained and smaller than every number that is not; 0 if there is none."""
        limit = self.too_many
        tried = {trial.cameras for trial in self.trials}
        return max((count for count in tried if (limit is None or count < limit) and self.sustains(count)), default=0)

    @property
    def too_many(self) -> int | None:
        """Smallest number of cameras that was tried and is not sustained."""
        return min((trial.cameras for trial in self.trials if not self.sustains(trial.cameras)), default=None)

    def as_json(self, fps: int) -> dict[str, Any]:
        """Return conclusions and all trials as plain values."""
        return {
            "scene": self.scene,
            "resolution": self.resolution,
            "cores": self.cores,
            "sustained_cameras": self.sustained,
            "sustained_frames_per_second": self.sustained * fps,
            "failure": self.failure,
            "trials": [{**asdict(trial), "share": trial.share} for trial in self.trials],
        }


@dataclass(slots=True)
class EndToEndMeasured:
    """All cells of a plan that have been measured, in order, and the engine's settings."""

    plan: EndToEndPlan
    usable_cores: int
    cells: list[Cell] = field(default_factory=list[Cell])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    def cell(self, scene: str, resolution: tuple[int, int], cores: int) -> Cell | None:
        """Return a cell, or None if it was not measured."""
        wanted = (scene, resolution, cores)
        return next((one for one in self.cells if (one.scene, one.resolution, one.cores) == wanted), None)

    def goals(self) -> list[Goal]:
        """Return the goals for those scenes that were measured as the goals require."""
        found: list[Goal] = []
        for scene, least in GOALS.items():
            cell = self.cell(scene, GOALS_RESOLUTION, GOALS_CORES)
            if cell is not None and cell.failure is None and self.plan.fps == GOALS_FPS:
                text = f"{scene}: at least {least} cameras with 720p and {GOALS_FPS} frames a second on two cores"
                found.append(Goal(text, str(cell.sustained), "met" if cell.sustained >= least else "missed"))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return plan, limits, goals, settings and all cells as plain values."""
        plan = asdict(self.plan)
        plan["room"], plan["engine"]["config"] = (
            None if path is None else path.name for path in (self.plan.room, self.plan.engine.config)
        )
        return {
            "plan": plan,
            "limits": {"least_share": LEAST_SHARE, "most_age_ms_p99": MOST_AGE_MS},
            "footage": {scene: video_of(scene, self.plan.room).name for scene in self.plan.scenes},
            "usable_cores": self.usable_cores,
            "settings": self.settings,
            "goals": [asdict(goal) for goal in self.goals()],
            "cells": [cell.as_json(self.plan.fps) for cell in self.cells],
        }


def search(cell: Cell, most: int, runs: int, run: Callable[[int, int], Trial]) -> None:
    """Find the largest sustained number of cameras. Each number gets one trial, and the one that is found `runs`.

    `run`: makes a trial with a number of cameras, and the number of earlier trials with as many. The first trial has
    one camera. Its CPU time, and its time in the model, which has one thread for all cameras, predict the result, near
    which the search goes on. It assumes that if a number is sustained, smaller ones are, too.
    """
    cameras = 1
    while True:
        trial = run(cameras, len(cell.of(cameras)))
        cell.trials.append(trial)
        low, high = cell.sustained, cell.too_many
        if len(cell.trials) == 1 and low:
            expected = round(1 / max(trial.engine_cores / cell.cores, trial.model_share, 1 / most))
            cameras = min(most, max(2, expected))
        elif high is None and low < most:
            cameras = min(most, 2 * low)
        elif high is not None and high - low > max(1, low // PRECISION):
            cameras = (low + high) // 2
        else:
            cameras = low
        if not cameras or len(cell.of(cameras)) >= runs:
            return


def measure(
    plan: EndToEndPlan, progress: Callable[[str], None], save: Callable[[EndToEndMeasured], None]
) -> EndToEndMeasured:
    """Search all cells of the plan, and call `save` after each of them.

    Raises ValueError if the plan asks for more cores than there are, or the configuration or footage is invalid,
    `WeightsError`, `CameraServerError`, and `RunFailedError` if the engine failed in every cell.
    """
    usable = core_ids()
    placements = {cores: place(cores, usable) for cores in plan.cores}
    measured = EndToEndMeasured(plan, len(usable))
    # Configuration and footage first, so that an error in them comes before an hour of trials.
    load(plan.engine.config)
    clips = {
        (scene, resolution): scene_clip(scene, resolution, plan.fps, plan.room)
        for scene in plan.scenes
        for resolution in plan.resolutions
    }
    for cores in plan.cores:
        for (scene, resolution), clip in clips.items():
            cell = Cell(scene, resolution, cores)
            measured.cells.append(cell)
            try:
                search(cell, plan.most, plan.runs, partial(_run, measured, cell, clip, placements[cores], progress))
            except RunFailedError as error:
                cell.failure = str(error)
                progress(f"{cell}: {error}")
            save(measured)
            progress(f"{cell}: {camera_count(cell.sustained)} at {plan.fps}/s sustained")
    if all(cell.failure is not None for cell in measured.cells):
        raise RunFailedError(f"nothing could be measured: {measured.cells[-1].failure}")
    return measured


def _run(
    measured: EndToEndMeasured,
    cell: Cell,
    clip: Clip,
    placement: Placement,
    progress: Callable[[str], None],
    cameras: int,
    number: int,
) -> Trial:
    plan = measured.plan
    trial, measured.settings = run_trial(clip, cameras, number, placement, plan.engine, plan.seconds, plan.warm_up_s)
    progress(_line(cell, trial, plan.fps))
    return trial


def _line(cell: Cell, trial: Trial, fps: int) -> str:
    return (
        f"{cell}: {camera_count(trial.cameras)} at {fps}/s: {trial.received} of {trial.due} results "
        f"({trial.share:.0%}), age p50 {trial.age_ms_p50 or 0:.0f} ms, p99 {trial.age_ms_p99 or 0:.0f} ms, "
        f"engine {trial.engine_cores:.2f} cores, cameras {trial.cameras_cores:.2f}; "
        f"other programs used {trial.other_cpu_share:.0%} of the machine"
    )


def print_end_to_end(measured: EndToEndMeasured, machine: dict[str, Any], console: Console) -> None:
    """Print both tables, the goals, what the benchmark itself used, the machine, and a warning if it was busy."""
    console.print(_capacity_table(measured))
    console.print(_trial_table(measured))
    for cell in measured.cells:
        if cell.failure is not None:
            console.print(f"[red]failed: {cell}: {cell.failure}[/]")
    if found := measured.goals():
        print_goals(found, console)
    trials = [trial for cell in measured.cells for trial in cell.trials]
    if trials:
        console.print(
            f"The cameras used up to {max(trial.cameras_cores for trial in trials):.2f} cores and the subscriber up to "
            f"{max(trial.subscriber_cores for trial in trials):.2f}, which are not in the engine's figures."
        )
    print_machine(machine, console)
    if trials and (busy := stats.median([trial.other_cpu_share for trial in trials])) > NOISY:
        console.print(
            f"[yellow]Other programs used {busy:.0%} of the machine (median trial). "
            "Measure again when the machine is idle.[/]"
        )


def _capacity_table(measured: EndToEndMeasured) -> Table:
    """Return the table of cameras sustained, with a row for each scene and resolution."""
    plan = measured.plan
    table = Table(
        title=f"Cameras sustained (frames per second in all), {plan.fps} frames per second each",
        caption=f"Sustained: at least {LEAST_SHARE:.0%} of the due results received, age p99 at most "
        f"{MOST_AGE_MS / 1000:g} s. The cameras and the subscriber run on other cores if there are any.",
        min_width=80,
    )
    table.add_column("scene")
    table.add_column("resolution")
    for cores in plan.cores:
        table.add_column(f"engine on {cores} core{'s' if cores > 1 else ''}", justify="right")
    for scene in plan.scenes:
        for width, height in plan.resolutions:
            found = [measured.cell(scene, (width, height), cores) for cores in plan.cores]
            table.add_row(scene, f"{width}x{height}", *(_capacity(cell, plan.fps, plan.most) for cell in found))
    return table


def _trial_table(measured: EndToEndMeasured) -> Table:
    """Return the figures of one camera, of the number sustained, and of the smallest that is not."""
    table = Table(
        title=f"Trials of {measured.plan.seconds:g} s; medians where there are several. Times in ms, p50 / p99",
        caption="age: from sent to received by a subscriber. published: from arrival until handed to ZeroMQ, of which "
        "model. engine cores: CPU time per second.",
    )
    for heading in ("engine on", "scene", "resolution"):
        table.add_column(heading, no_wrap=True)
    headings = ("cameras", "received", "age", "published", "model", "CPU ms\nper frame", "engine\ncores")
    for heading in (*headings, "model\nbusy", "dropped"):
        table.add_column(heading, justify="right")
    for cell in measured.cells:
        shown = sorted({1, cell.sustained, cell.too_many or 1} - {0})
        for cameras in shown:
            if trials := cell.of(cameras):
                width, height = cell.resolution
                place = (f"{cell.cores} core{'s' if cell.cores > 1 else ''}", cell.scene, f"{width}x{height}")
                table.add_row(*(place if cameras == shown[0] else ("", "", "")), *_figures(cameras, trials))
        table.add_section()
    return table


def _figures(cameras: int, trials: list[Trial]) -> list[str]:
    dropped = {
        reason: sum(trial.dropped.get(reason, 0) for trial in trials)
        for reason in sorted({reason for trial in trials for reason in trial.dropped})
    }
    return [
        str(cameras),
        f"{stats.median([trial.share for trial in trials]):.1%}",
        _p50_p99([(trial.age_ms_p50, trial.age_ms_p99) for trial in trials]),
        _p50_p99([(trial.published_ms_p50, trial.published_ms_p99) for trial in trials]),
        _p50_p99([(trial.model_ms_p50, trial.model_ms_p99) for trial in trials]),
        f"{stats.median([trial.cpu_ms_per_frame for trial in trials]):.1f}",
        f"{stats.median([trial.engine_cores for trial in trials]):.2f}",
        f"{stats.median([trial.model_share for trial in trials]):.0%}",
        ", ".join(f"{reason} {count}" for reason, count in dropped.items() if count),
    ]


def _capacity(cell: Cell | None, fps: int, most: int) -> str:
    if cell is None or cell.failure is not None:
        return "not measured"
    more = " or more" if cell.sustained == most else ""
    return f"{cell.sustained}{more} ({cell.sustained * fps})"


def _p50_p99(trials: list[tuple[float | None, float | None]]) -> str:
    p50, p99 = (stats.median([value for value in values if value is not None]) for values in zip(*trials, strict=True))
    return f"{p50:.0f} / {p99:.0f}"
