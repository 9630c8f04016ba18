"""What Prometheus computes beforehand: what alerts and dashboards ask for again and again.

Names follow Prometheus' own advice, `level:metric:operations`: the level says which labels are left beside the job.
"""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.health import LET_GO
from telemetry.reasons import DropReason
from tools.monitoring.promql import CAMERA, ENGINE, matchers, mean, quantile, rate, series, total

WINDOW = "5m"
"""Long enough for twenty scrapes at the usual 15 s, short enough to follow a fault."""

WANTED_DROPS = tuple(sorted(LET_GO))
"""Frames that somebody chose not to have analysed: above `max_fps`, of an epoch that ended, at the end."""
UNWANTED_DROPS = (DropReason.OVERWRITTEN, DropReason.ALL_LEASED, DropReason.STALE, DropReason.STAGE_ERROR)
"""Frames lost because the engine was too slow or failed."""


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series that Prometheus keeps under `record`, with the value of `expression`."""

    record: str
    expression: str


def frames_due(window: str) -> str:
    """Frames a second, by camera, that came and that nobody chose to drop."""
    decoded = total(rate(series("frames_decoded_total"), window), CAMERA)
    let_go = total(rate(series("frames_dropped_total", reason=WANTED_DROPS), window), CAMERA)
    return f"{decoded} - {let_go}"


def _quantiles(level: str, by: tuple[str, ...]) -> list[RecordingRule]:
    return [
        RecordingRule(
            f"{level}:partstream_frame_age_seconds:p{q}",
            # What isn't a number, where there was no frame, is no value.
            quantile(q / 100, "frame_age_seconds", WINDOW, by) + " >= 0",
        )
        for q in (50, 95, 99)
    ]


RECORDING_RULES: tuple[RecordingRule, ...] = (
    RecordingRule("instance_camera:partstream_frames_due:rate5m", frames_due(WINDOW)),
    RecordingRule(
        "instance_camera:partstream_frames_lost:rate5m",
        total(rate(series("frames_dropped_total", reason=UNWANTED_DROPS), WINDOW), CAMERA),
    ),
    RecordingRule(
        "instance_camera:partstream_frames_lost:ratio",
        "clamp_max(instance_camera:partstream_frames_lost:rate5m"
        " / (instance_camera:partstream_frames_due:rate5m > 0.01), 1)",
    ),
    *_quantiles("instance_camera", CAMERA),
    *_quantiles("instance", ENGINE),
    RecordingRule("instance_stage:partstream_stage_seconds:mean5m", mean("stage_seconds", WINDOW, (*ENGINE, "stage"))),
    RecordingRule(
        "instance:partstream_stage_seconds:rate5m", total(rate(series("stage_seconds", "sum"), WINDOW), ENGINE)
    ),
    RecordingRule("instance_state:partstream_cameras:sum", total(series("camera_state"), (*ENGINE, "state"))),
)
"""In the order in which Prometheus computes them: a rule may use those above it."""


def recorded(record: str, **labels: str) -> str:
    """A selector of a recorded series; a value that begins with `$` is a dashboard's variable.

    Raises KeyError if nothing is recorded under that name.
    """
    if record not in {rule.record for rule in RECORDING_RULES}:
        raise KeyError(f"no rule records {record!r}")
    return record + matchers(labels)
