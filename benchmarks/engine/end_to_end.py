"""How many live cameras a machine sustains with a real model: one more at a time, until too many frames go unprocessed.

Owns each run's cameras and process for the length of the run.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import stats
from benchmarks.cameras.camera_client import Cameras
from benchmarks.cameras.clip import from_footage
from benchmarks.cameras.footage import street
from benchmarks.contenders.recorder import Spec
from benchmarks.run_once import START_LIMIT_S, Contender, run_process

SUSTAINED = 0.95
"""Share of the frames that must be processed."""
CLIP_FRAMES = 200


@dataclass(frozen=True, slots=True)
class LivePlan:
    """What to measure. Every camera sends `fps` frames a second of the street footage over RTSP."""

    profile: str = "edge"
    detector_size: tuple[int, int] | None = None
    fps: int = 5
    most_cameras: int = 16
    runs: int = 3
    seconds: float = 15.0
    warm_up_s: float = 3.0


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """One run. `dropped` is by reason; ages are arrival to handed to ZeroMQ."""

    cameras: int
    run: int
    seconds: float
    decoded: int
    processed: int
    dropped: dict[str, int]
    people: int
    cpu_ms_per_frame: float
    age_ms_p50: float | None
    age_ms_p99: float | None

    @property
    def share(self) -> float:
        """Frames processed out of those decoded; one may be in flight at either end."""
        return min(1.0, self.processed / self.decoded) if self.decoded else 0.0


@dataclass(slots=True)
class LiveMeasured:
    """All runs of a plan, in order."""

    plan: LivePlan
    runs: list[LiveFigures] = field(default_factory=list)

    def of(self, cameras: int) -> list[LiveFigures]:
        """The runs with so many cameras."""
        return [run for run in self.runs if run.cameras == cameras]

    @property
    def sustained(self) -> int:
        """The most cameras of which, and of every smaller number, the median run processed 95 % of the frames."""
        cameras = 0
        while self.of(cameras + 1) and stats.median([run.share for run in self.of(cameras + 1)]) >= SUSTAINED:
            cameras += 1
        return cameras

    @property
    def most_frames_per_second(self) -> float:
        """The greatest median rate of processed frames, whatever was dropped beside."""
        counts = {run.cameras for run in self.runs}
        return max(
            (stats.median([run.processed / run.seconds for run in self.of(count)]) for count in counts), default=0.0
        )

    def as_json(self) -> dict[str, Any]:
        """Everything, run by run."""
        return {
            "plan": asdict(self.plan),
            "sustained_cameras": self.sustained,
            "most_frames_per_second": self.most_frames_per_second,
            "runs": [{**asdict(run), "share": run.share} for run in self.runs],
        }


def measure(plan: LivePlan, say: Callable[[str], None]) -> LiveMeasured:
    """Add cameras until fewer than 95 % of the frames are processed. Raises `RunFailedError`, `CameraServerError`."""
    measured = LiveMeasured(plan)
    for cameras in range(1, plan.most_cameras + 1):
        for number in range(plan.runs):
            figures = _run(plan, cameras, number)
            measured.runs.append(figures)
            say(
                f"{cameras} cameras at {plan.fps}/s: {figures.processed} of {figures.decoded} frames processed "
                f"({figures.share:.0%}), age p50 {figures.age_ms_p50 or 0:.0f} ms"
            )
        if measured.sustained < cameras:
            break
    return measured


def _run(plan: LivePlan, cameras: int, number: int) -> LiveFigures:
    clip = from_footage(street(), plan.fps, CLIP_FRAMES)
    with tempfile.TemporaryDirectory(prefix="partstream-bench-") as folder, Cameras(clip, cameras) as served:
        out, spec_file = Path(folder, "figures.json"), Path(folder, "spec.json")
        options = {"profile": plan.profile, "detector_size": plan.detector_size}
        Spec(served.urls, plan.seconds, plan.warm_up_s, out, options=options).write(spec_file)
        limit_s = START_LIMIT_S + plan.warm_up_s + plan.seconds
        run_process(Contender("partstream", "partstream_live"), spec_file, folder, limit_s)
        return LiveFigures(cameras=cameras, run=number, **json.loads(out.read_text()))
