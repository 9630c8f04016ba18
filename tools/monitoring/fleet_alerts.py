"""Prometheus alerts of a fleet, from its coordinator's metrics. docs/runbook.md has a section for each."""

from __future__ import annotations

from tools.monitoring.alerts import Alert
from tools.monitoring.promql import ENGINE, increase, rate, series, total

FLEET_JOB = "partstream-fleet"
"""The job under which Prometheus scrapes the coordinator (deploy/prometheus/fleet.yml)."""

FULL_SHARE = 0.9
"""Share of an engine's capacity up to which cameras are placed: 1 - `placement.headroom`, by default."""
MOVED_SHARE = 0.1
"""Part of the cameras that may move in a minute without a reason that an operator gave."""
FLAPS_IN_15_MIN = 4
UNREST = ("engine_lost", "refused", "balanced")
"""Reasons of moves that no operator gave, as a drain is."""
CRASHES = ("silent", "ended")

_FULL = f"{series('fleet_engine_load_mpx')} / ({series('fleet_engine_capacity_mpx')} > 0)"
_PLACED = total(series("fleet_cameras", state=("placed", "moving")), ENGINE)
_MOVED = f"60 * {total(rate(series('fleet_assignments_total', reason=UNREST), '5m'), ENGINE)}"

FLEET_ALERTS: tuple[Alert, ...] = (
    Alert(
        "PartstreamFleetCoordinatorGone",
        f"{series('up', job=FLEET_JOB)} == 0",
        "critical",
        "Coordinator {{ $labels.instance }} does not respond",
        "Prometheus has not been able to scrape it for a minute. No camera is placed or moved, and new readers do not "
        "learn where cameras are. With the fence strict, no results are published.",
        lasts="1m",
    ),
    Alert(
        "PartstreamFleetUnready",
        f"{series('fleet_ready')} == 0 unless {series('fleet_store_writable')} == 0",
        "warning",
        "Coordinator {{ $labels.instance }} places no cameras",
        "/readyz returns 503 and the reason. Engines keep their cameras.",
        lasts="2m",
    ),
    Alert(
        "PartstreamFleetStoreUnwritable",
        f"{series('fleet_store_writable')} == 0",
        "warning",
        "Coordinator {{ $labels.instance }} cannot write its store",
        "No camera is placed or moved, also not from engines that are lost, and changes of cameras are refused.",
        lasts="1m",
    ),
    Alert(
        "PartstreamFleetCamerasUnplaced",
        f"{total(series('fleet_unplaced_cameras'), (*ENGINE, 'reason'))} > 0",
        "critical",
        "{{ $value }} cameras have no engine: {{ $labels.reason }}",
        "No results of these cameras have been published for two minutes. `partstream fleet status` names them.",
        lasts="2m",
    ),
    Alert(
        "PartstreamFleetEngineLost",
        f"{total(series('fleet_engines', state='lost'), ENGINE)} > 0"
        f" or {total(increase(series('fleet_engines_lost_total', reason=CRASHES), '10m'), ENGINE)} > 0",
        "warning",
        "A fleet has lost an engine",
        "Its process has ended, or it was silent for longer than its lease. Its cameras were moved if others had "
        "room. `partstream fleet status` names it, unless it has returned.",
    ),
    Alert(
        "PartstreamFleetEngineRefused",
        f"{total(increase(series('fleet_renewals_total', outcome=('refused', 'invalid')), '2m'), ENGINE)} > 0"
        f" or {total(increase(series('fleet_curve_refused_total', socket='bind'), '2m'), ENGINE)} > 0",
        "warning",
        "Coordinator {{ $labels.instance }} keeps refusing an engine",
        "For five minutes, an engine has tried to join and was refused. The coordinator's log says why.",
        lasts="5m",
    ),
    Alert(
        "PartstreamFleetEngineFull",
        f"{_FULL} > {FULL_SHARE:g} or {series('fleet_engine_cameras')} >= {series('fleet_engine_max_cameras')}",
        "warning",
        "Engine {{ $labels.engine }} has no room for another camera",
        "Its cameras cost more than placing may use of its capacity, or it has as many as it can take.",
        lasts="15m",
    ),
    Alert(
        "PartstreamFleetMovesHigh",
        f"{_MOVED} > {MOVED_SHARE:g} * {_PLACED}",
        "warning",
        "Cameras keep moving: {{ $value | humanize }} a minute",
        f"For 15 minutes, more than {MOVED_SHARE:.0%} of the cameras have moved in each, without a drain. Every move "
        "starts new tracks.",
        lasts="15m",
    ),
    Alert(
        "PartstreamFleetCameraFlapping",
        f"max by (job, instance, camera) ({series('fleet_camera_moves')}) > {FLAPS_IN_15_MIN}",
        "warning",
        "Camera {{ $labels.camera }} keeps moving between engines",
        "It moved {{ $value }} times within 15 minutes. Every move starts new tracks.",
    ),
)
"""All alerts of a fleet, the most basic first."""
