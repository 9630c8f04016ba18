"""Number of live cameras that a machine sustains with a real model, by scene, picture size and cores.

Each trial has its own cameras, engine and subscriber. Each number of cameras is found by doubling and bisection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import stats
from benchmarks.cameras.clip import Clip
from benchmarks.cameras.scenes import ROOM, SCENES, STILL, STREET, scene_clip, video_of
from benchmarks.engine.camera_search import CameraSearch, largest_sustained, smallest_failed
from benchmarks.engine.end_to_end_trial import EngineOptions, Placement, Trial, core_ids, place, run_trial
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
        """Largest number of cameras that is sustained and smaller than every number that is not."""
        return largest_sustained(self._outcomes)

    @property
    def too_many(self) -> int | None:
        """Smallest number of cameras that was tried and is not sustained."""
        return smallest_failed(self._outcomes)

    @property
    def _outcomes(self) -> dict[int, bool]:
        return {trial.cameras: self.sustains(trial.cameras) for trial in self.trials}

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
    which the search goes on.
    """
    found = CameraSearch(most)
    while True:
        cameras = found.next()
        if cameras is None:
            cameras = found.found
            if not cameras or len(cell.of(cameras)) >= runs:
                return
        trial = run(cameras, len(cell.of(cameras)))
        cell.trials.append(trial)
        found.record(cameras, cell.sustains(cameras))
        if len(cell.trials) == 1:
            found.expect(round(1 / max(trial.engine_cores / cell.cores, trial.model_share, 1 / most)))


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
