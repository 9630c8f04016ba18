"""Number of live cameras that a machine sustains with a real model, and the latency that the model adds.

Adds one camera at a time until too few frames are processed. Each run has its own cameras and its own process.
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
from benchmarks.rounds import camera_count
from benchmarks.run_once import START_LIMIT_S, Contender, run_process

SUSTAINED = 0.95
"""Share of the decoded frames that must be processed."""
CLIP_FRAMES = 200


@dataclass(frozen=True, slots=True)
class EndToEndPlan:
    """What to measure. Each camera sends the street footage over RTSP at `fps` frames per second."""

    profile: str = "edge"
    detector_size: tuple[int, int] | None = None
    fps: int = 5
    max_cameras: int = 16
    runs: int = 3
    seconds: float = 15.0
    warm_up_s: float = 3.0


@dataclass(frozen=True, slots=True)
class EndToEndFigures:
    """Figures of one run; percentiles are over frames and None if none was processed.

    `age_ms`: from arrival until the result was handed to ZeroMQ. `model_ms`: of that, the time in the model, which is
    that of the frame's whole batch. `engine_ms`: the rest, which is decoding, waiting for the batch, and publishing.
    """

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
    model_ms_p50: float | None = None
    model_ms_p99: float | None = None
    engine_ms_p50: float | None = None
    engine_ms_p99: float | None = None

    @property
    def share(self) -> float:
        """Share of the decoded frames that were processed; at most 1, because frames are in flight at both ends."""
        return min(1.0, self.processed / self.decoded) if self.decoded else 0.0


@dataclass(slots=True)
class EndToEndMeasured:
    """All runs of a plan, in order."""

    plan: EndToEndPlan
    runs: list[EndToEndFigures] = field(default_factory=list)

    def of(self, cameras: int) -> list[EndToEndFigures]:
        """Return the runs with this number of cameras."""
        return [run for run in self.runs if run.cameras == cameras]

    @property
    def sustained(self) -> int:
        """Largest number of cameras for which it and all smaller numbers are sustained in the median run."""
        cameras = 0
        while self.of(cameras + 1) and stats.median([run.share for run in self.of(cameras + 1)]) >= SUSTAINED:
            cameras += 1
        return cameras

    @property
    def most_frames_per_second(self) -> float:
        """Highest median rate of processed frames over all numbers of cameras, sustained or not."""
        counts = {run.cameras for run in self.runs}
        return max(
            (stats.median([run.processed / run.seconds for run in self.of(count)]) for count in counts), default=0.0
        )

    def as_json(self) -> dict[str, Any]:
        """Return plan, conclusions and all runs as plain values."""
        return {
            "plan": asdict(self.plan),
            "sustained_cameras": self.sustained,
            "most_frames_per_second": self.most_frames_per_second,
            "runs": [{**asdict(run), "share": run.share} for run in self.runs],
        }


def measure(plan: EndToEndPlan, progress: Callable[[str], None]) -> EndToEndMeasured:
    """Add cameras until a number is not sustained. Raises `RunFailedError`, `CameraServerError`, `WeightsError`."""
    measured = EndToEndMeasured(plan)
    for cameras in range(1, plan.max_cameras + 1):
        for number in range(plan.runs):
            figures = _run(plan, cameras, number)
            measured.runs.append(figures)
            progress(
                f"{camera_count(cameras)} at {plan.fps}/s: {figures.processed} of {figures.decoded} frames processed "
                f"({figures.share:.0%}), age p50 {figures.age_ms_p50 or 0:.0f} ms, "
                f"of which model {figures.model_ms_p50 or 0:.0f} ms"
            )
        if measured.sustained < cameras:
            break
    return measured


def _run(plan: EndToEndPlan, cameras: int, number: int) -> EndToEndFigures:
    clip = from_footage(street(), plan.fps, CLIP_FRAMES)
    with tempfile.TemporaryDirectory(prefix="partstream-bench-") as folder, Cameras(clip, cameras) as served:
        out, spec_file = Path(folder, "figures.json"), Path(folder, "spec.json")
        options = {"profile": plan.profile, "detector_size": plan.detector_size}
        Spec(served.urls, plan.seconds, plan.warm_up_s, out, options=options).write(spec_file)
        limit_s = START_LIMIT_S + plan.warm_up_s + plan.seconds
        run_process(Contender("partstream", "partstream_end_to_end"), spec_file, folder, limit_s)
        return EndToEndFigures(cameras=cameras, run=number, **json.loads(out.read_text()))
