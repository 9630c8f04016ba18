"""Prometheus recording rules, used by alerts and dashboards.

Names follow Prometheus' convention `level:metric:operations`, where the level lists the labels beside the job.
"""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.health import INTENTIONAL_DROPS
from telemetry.reasons import DropReason
from tools.monitoring.promql import CAMERA, ENGINE, matchers, mean, quantile, rate, series, total

WINDOW = "5m"
"""Twenty scrapes at the usual interval of 15 s."""

WANTED_DROPS = tuple(sorted(INTENTIONAL_DROPS))
"""Intentional drops: above `max_fps`, at the end of an epoch, at shutdown."""
UNWANTED_DROPS = (DropReason.OVERWRITTEN, DropReason.ALL_LEASED, DropReason.STALE, DropReason.STAGE_ERROR)
"""Losses because the engine was too slow or a stage failed."""


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series `record` with the value of `expression`."""

    record: str
    expression: str


def frames_due(window: str) -> str:
    """Return the decoded frames per second, by camera, without intentional drops."""
    decoded = total(rate(series("frames_decoded_total"), window), CAMERA)
    let_go = total(rate(series("frames_dropped_total", reason=WANTED_DROPS), window), CAMERA)
    return f"{decoded} - {let_go}"


def _quantiles(level: str, by: tuple[str, ...]) -> list[RecordingRule]:
    return [
        RecordingRule(
            f"{level}:partstream_frame_age_seconds:p{q}",
            # Removes NaN, the result without any frame.
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
"""In order of evaluation: a rule may use the rules above it."""


def recorded(record: str, **labels: str) -> str:
    """Return a selector of a recorded series; a label value that starts with `$` is a dashboard variable.

    Raises KeyError if there is no rule of that name.
    """
    if record not in {rule.record for rule in RECORDING_RULES}:
        raise KeyError(f"no rule records {record!r}")
    return record + matchers(labels)
