"""Prometheus alerts. docs/runbook.md has a section for each.

Every alert reports a problem that can be acted on. `critical` means that results are missing now; `warning` means that
there are fewer or worse results, or soon will be none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tools.monitoring.promql import CAMERA, ENGINE, increase, rate, series, total
from tools.monitoring.recording_rules import frames_due, recorded

JOB = "partstream"
"""The job under which Prometheus scrapes engines (deploy/prometheus/prometheus.yml)."""

FRAME_AGE_BUDGET_S = 0.5
"""Default of `cameras[].staleness_ms`; it is also a bucket bound of the histogram."""
LOST_SHARE = 0.2
"""Share of frames lost unintentionally, up to which tracking still works at a lower rate."""
FLAPS_IN_15_MIN = 5
GROWN_BY = 1.25
"""Resident memory relative to three hours before. It grew by 0.6 % in ten minutes of the edge profile (make soak)."""

DESCRIPTOR_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule. `summary` and `description` are Prometheus templates: `$labels`, `$value`."""

    name: str
    expression: str
    severity: Literal["critical", "warning"]
    summary: str
    description: str
    lasts: str = "0s"
    """Time for which the expression must hold before the alert fires."""


def _increased(name: str, window: str, by: tuple[str, ...]) -> str:
    """Return a condition for the growth of a counter within `window`, including a series that is new in it."""
    counter = series(name)
    grew = total(increase(counter, window), by)
    return f"{grew} > 0 or {total(f'{counter} unless {counter} offset {window}', by)} > 0"


_RESIDENT = series("process_resident_memory_bytes", job=JOB)
_PROGRAMS = (JOB, f"{JOB}-fleet")
_DESCRIPTOR_USE = f"{series('process_open_fds', job=_PROGRAMS)} / {series('process_max_fds', job=_PROGRAMS)}"
_CAMERAS_NOW = f"count by (job, instance) ({series('frames_decoded_total')})"
_CAMERAS_BEFORE = f"count by (job, instance) ({series('frames_decoded_total')} offset 3h)"
_PROCESSED_2M = total(rate(series("frames_processed_total"), "2m"), CAMERA)

ALERTS: tuple[Alert, ...] = (
    Alert(
        "PartstreamEngineGone",
        f"{series('up', job=JOB)} == 0",
        "critical",
        "Engine {{ $labels.instance }} does not respond",
        "Prometheus has not been able to scrape /metrics for a minute: the process has ended or hangs, its host is "
        "down, or the token is wrong.",
        lasts="1m",
    ),
    Alert(
        "PartstreamEngineUnready",
        f"{series('ready')} == 0",
        "critical",
        "Engine {{ $labels.instance }} is not ready",
        "/readyz returns 503 and the failing component: weights, device, pipeline or stages. No results are published.",
        lasts="2m",
    ),
    Alert(
        "PartstreamNoResults",
        f"{_PROCESSED_2M} == 0 and {frames_due('2m')} > 0.1",
        "critical",
        "No results from camera {{ $labels.camera }} on {{ $labels.instance }}",
        "Frames are decoded, but none has been processed for two minutes.",
        lasts="2m",
    ),
    Alert(
        "PartstreamCameraDown",
        f"max by (job, instance, camera) ({series('camera_state', state=('live', 'ended'))}) == 0",
        "warning",
        "Camera {{ $labels.camera }} on {{ $labels.instance }} is down",
        "The camera has been neither live nor ended for a minute. The engine keeps trying to connect.",
        lasts="1m",
    ),
    Alert(
        "PartstreamCameraFlapping",
        f"{total(increase(series('reconnects_total', reason='!refused'), '15m'), CAMERA)} > {FLAPS_IN_15_MIN} and "
        f"max by (job, instance, camera) (max_over_time({series('camera_state', state='live')}[5m])) == 1",
        "warning",
        "Camera {{ $labels.camera }} on {{ $labels.instance }} keeps reconnecting",
        "{{ $value | humanize }} connections were lost within 15 minutes. Each reconnection starts new tracks.",
    ),
    Alert(
        "PartstreamFrameAgeHigh",
        f"{recorded('instance_camera:partstream_frame_age_seconds:p95')} > {FRAME_AGE_BUDGET_S:g}",
        "warning",
        "Results from camera {{ $labels.camera }} on {{ $labels.instance }} are late",
        "One in twenty frames is at least {{ $value | humanizeDuration }} old when its result is published. "
        f"The limit is {FRAME_AGE_BUDGET_S:g} s.",
        lasts="5m",
    ),
    Alert(
        "PartstreamDropsHigh",
        f"{recorded('instance_camera:partstream_frames_lost:ratio')} > {LOST_SHARE:g}",
        "warning",
        "Camera {{ $labels.camera }} on {{ $labels.instance }} loses {{ $value | humanizePercentage }} of its frames",
        "The engine is too slow for its cameras, or stages fail. Frames dropped by max_fps are not counted.",
        lasts="10m",
    ),
    Alert(
        "PartstreamStageErrors",
        _increased("stage_errors_total", "5m", (*ENGINE, "stage")),
        "warning",
        "Stage {{ $labels.stage }} fails on {{ $labels.instance }}",
        "Batches were lost to an error within five minutes. The log has the error and the affected cameras.",
    ),
    Alert(
        "PartstreamOutOfDeviceMemory",
        _increased("out_of_memory_total", "15m", (*ENGINE, "stage")),
        "warning",
        "Stage {{ $labels.stage }} exceeds device memory on {{ $labels.instance }}",
        "Batches are halved until they fit, so results are published later. Another program may use the device.",
    ),
    Alert(
        "PartstreamStatesEvicted",
        f"{increase(series('state_evictions_total'), '10m')} > 0",
        "warning",
        "State bank of {{ $labels.instance }} is full",
        "More people are tracked than model.state_slots allows. Evicted people lose their state, and recognition of "
        "their actions starts over.",
    ),
    Alert(
        "PartstreamMemoryGrowth",
        f"min_over_time({_RESIDENT}[30m]) > {GROWN_BY:g} * min_over_time({_RESIDENT}[30m] offset 3h)"
        f" and on (job, instance) (time() - {series('process_start_time_seconds', job=JOB)} > 4 * 3600)"
        f" and on (job, instance) ({_CAMERAS_NOW} <= {_CAMERAS_BEFORE})",
        "warning",
        "Memory of engine {{ $labels.instance }} grows",
        "The lowest memory use in half an hour, {{ $value | humanize1024 }}B, is over a quarter higher than three "
        "hours before, without more cameras. If it continues, the system will kill the engine.",
        lasts="30m",
    ),
    Alert(
        "PartstreamDescriptorsHigh",
        f"{_DESCRIPTOR_USE} > {DESCRIPTOR_SHARE:g}",
        "warning",
        "{{ $labels.instance }} runs out of file descriptors",
        "{{ $value | humanizePercentage }} are in use. Without a free one, there are no new subscribers, and HTTP "
        "requests and new cameras can fail.",
        lasts="1m",
    ),
    Alert(
        "PartstreamResultsFileIncomplete",
        f"{increase(series('results_file_missing_total'), '5m')} > 0",
        "warning",
        "Results are missing from the file of {{ $labels.instance }}",
        "Results of the last five minutes could not be written to `results`. They were published.",
    ),
    Alert(
        "PartstreamRecordingImpaired",
        f"{series('recording_state', state=('low_disk', 'unwritable'))} == 1",
        "warning",
        "{{ $labels.instance }} cannot record clips: {{ $labels.state }}",
        "Events are still published, but their clips are missing.",
        lasts="2m",
    ),
)
"""All alerts, the most basic first."""
