"""What wakes the person on call, and what can wait for the morning. docs/runbook.md has a section for each.

An alert tells of harm that somebody can do something about: no results, late results, or what will soon cost some.
`critical` means results are missing now; `warning` means fewer or worse ones, or soon none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tools.monitoring.promql import CAMERA, ENGINE, increase, rate, series, total
from tools.monitoring.recording_rules import frames_due, recorded

JOB = "partstream"
"""The job under which Prometheus scrapes engines (deploy/prometheus/prometheus.yml)."""

FRAME_AGE_BUDGET_S = 0.5
"""As old as `cameras[].staleness_ms` lets a frame become by default; also a bound of the histogram's buckets."""
LOST_SHARE = 0.2
"""One frame in five lost unchosen: people are still followed, at a worse rate."""
FLAPS_IN_15_MIN = 5
GROWN_BY = 1.25
"""Resident memory against three hours before. Ten minutes of the edge profile grew by 0.6 % (make soak)."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule. `summary` and `description` are Prometheus templates: `$labels`, `$value`."""

    name: str
    expression: str
    severity: Literal["critical", "warning"]
    summary: str
    description: str
    lasts: str = "0s"
    """How long the expression must hold before it fires."""


def _began(name: str, window: str, by: tuple[str, ...]) -> str:
    """A counter grew within `window`; also one whose series began in it, of which `increase` sees nothing."""
    counter = series(name)
    grew = total(increase(counter, window), by)
    return f"{grew} > 0 or {total(f'{counter} unless {counter} offset {window}', by)} > 0"


_RESIDENT = series("process_resident_memory_bytes", job=JOB)
_CAMERAS_NOW = f"count by (job, instance) ({series('frames_decoded_total')})"
_CAMERAS_BEFORE = f"count by (job, instance) ({series('frames_decoded_total')} offset 3h)"
_PROCESSED_2M = total(rate(series("frames_processed_total"), "2m"), CAMERA)

ALERTS: tuple[Alert, ...] = (
    Alert(
        "PartstreamEngineGone",
        f"{series('up', job=JOB)} == 0",
        "critical",
        "The engine {{ $labels.instance }} does not answer",
        "Prometheus has had no answer from /metrics for a minute: the process is gone or hangs, its host is down, or "
        "the token is wrong.",
        lasts="1m",
    ),
    Alert(
        "PartstreamEngineUnready",
        f"{series('ready')} == 0",
        "critical",
        "The engine {{ $labels.instance }} is not ready",
        "/readyz answers 503 and says why: weights, device, pipeline or stages. No results can be expected.",
        lasts="2m",
    ),
    Alert(
        "PartstreamNoResults",
        f"{_PROCESSED_2M} == 0 and {frames_due('2m')} > 0.1",
        "critical",
        "No results of camera {{ $labels.camera }} on {{ $labels.instance }}, though frames arrive",
        "Its frames are decoded and none has been analysed for two minutes.",
        lasts="2m",
    ),
    Alert(
        "PartstreamCameraDown",
        f"max by (job, instance, camera) ({series('camera_state', state=('live', 'ended'))}) == 0",
        "warning",
        "Camera {{ $labels.camera }} on {{ $labels.instance }} gives no pictures",
        "It has been neither live nor at its end for a minute. The engine goes on trying to connect.",
        lasts="1m",
    ),
    Alert(
        "PartstreamCameraFlapping",
        f"{total(increase(series('reconnects_total'), '15m'), CAMERA)} > {FLAPS_IN_15_MIN} and "
        f"max by (job, instance, camera) (max_over_time({series('camera_state', state='live')}[5m])) == 1",
        "warning",
        "Camera {{ $labels.camera }} on {{ $labels.instance }} comes and goes",
        "{{ $value | humanize }} connections were lost within 15 minutes. Each begins a new epoch: tracks start anew.",
    ),
    Alert(
        "PartstreamFrameAgeHigh",
        f"{recorded('instance_camera:partstream_frame_age_seconds:p95')} > {FRAME_AGE_BUDGET_S:g}",
        "warning",
        "Results of camera {{ $labels.camera }} on {{ $labels.instance }} are late",
        "One in twenty frames is {{ $value | humanizeDuration }} old or older when its result goes out; "
        f"the budget is {FRAME_AGE_BUDGET_S:g} s.",
        lasts="5m",
    ),
    Alert(
        "PartstreamDropsHigh",
        f"{recorded('instance_camera:partstream_frames_lost:ratio')} > {LOST_SHARE:g}",
        "warning",
        "Camera {{ $labels.camera }} on {{ $labels.instance }} loses {{ $value | humanizePercentage }} of its frames",
        "The engine is too slow for what it is given, or stages fail. Frames above max_fps don't count.",
        lasts="10m",
    ),
    Alert(
        "PartstreamStageErrors",
        _began("stage_errors_total", "5m", (*ENGINE, "stage")),
        "warning",
        "Stage {{ $labels.stage }} fails on {{ $labels.instance }}",
        "Batches were lost to an error within five minutes; the log has it, with the cameras concerned.",
    ),
    Alert(
        "PartstreamOutOfDeviceMemory",
        _began("out_of_memory_total", "15m", (*ENGINE, "stage")),
        "warning",
        "{{ $labels.stage }} does not fit into the device's memory on {{ $labels.instance }}",
        "Batches are halved until they fit: results still come, later. Another program may use the device.",
    ),
    Alert(
        "PartstreamStatesEvicted",
        f"{increase(series('state_evictions_total'), '10m')} > 0",
        "warning",
        "{{ $labels.instance }} has more people to follow than states",
        "Since the bank was full, people lost what was known of what they do: their actions start anew.",
    ),
    Alert(
        "PartstreamMemoryGrowth",
        f"min_over_time({_RESIDENT}[30m]) > {GROWN_BY:g} * min_over_time({_RESIDENT}[30m] offset 3h)"
        f" and on (job, instance) (time() - {series('process_start_time_seconds', job=JOB)} > 4 * 3600)"
        f" and on (job, instance) ({_CAMERAS_NOW} <= {_CAMERAS_BEFORE})",
        "warning",
        "Memory of the engine {{ $labels.instance }} grows",
        "The least that it held in half an hour, {{ $value | humanize1024 }}B, is over a quarter more than three "
        "hours before, without more cameras. Left alone, the system will end it.",
        lasts="30m",
    ),
    Alert(
        "PartstreamRecordingImpaired",
        f"{series('recording_state', state=('low_disk', 'unwritable'))} == 1",
        "warning",
        "{{ $labels.instance }} can't record clips: {{ $labels.state }}",
        "Events are published as ever; their clips are missing.",
        lasts="2m",
    ),
)
"""Every alert, the most basic first."""
