"""Builders of PromQL queries that check names, labels and label values against the catalogues of metrics.

Dashboards and rules take all selectors from here, so that none refers to a metric that was renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleet.coordinator import metrics as coordinator
from fleet.coordinator.views import PLACEMENTS
from fleet.proxy import metrics as proxy
from telemetry import catalogue
from telemetry.catalogue import METRICS
from telemetry.reasons import DropReason

CAMERA = ("job", "instance", "camera")
"""Labels that identify a camera among several engines."""
ENGINE = ("job", "instance")
"""Labels that identify an engine; Prometheus adds them to all series that it scrapes."""
DISCOVERED = (*ENGINE, "engine", "node")
"""The same, if Prometheus knows the engines from a fleet's coordinator."""

OUTSIDE: dict[str, tuple[str, ...]] = {
    "up": (),
    "ALERTS": ("alertname", "alertstate", "severity", "camera"),
    "process_resident_memory_bytes": (),
    "process_cpu_seconds_total": (),
    "process_start_time_seconds": (),
    "process_open_fds": (),
    "process_max_fds": (),
    "ray_actors": ("Name", "Source", "State"),
    "ray_cluster_active_nodes": (),
}
"""Series outside the catalogue, with their labels: those of Prometheus itself, the process collector and Ray."""

_PARTS = {"counter": ("",), "gauge": ("",), "histogram": ("bucket", "sum", "count")}

_VALUES: dict[tuple[str, str], tuple[str, ...]] = {
    ("camera_state", "state"): catalogue.CAMERA_STATES,
    ("clock_source", "clock"): catalogue.CLOCKS,
    ("frame_looks_total", "look"): catalogue.LOOKS,
    ("frames_dropped_total", "reason"): tuple(DropReason),
    ("webrtc_sessions", "ice"): catalogue.ICE_STATES,
    ("results_published_total", "topic_kind"): (*catalogue.TOPIC_KINDS, "stats"),
    ("recording_state", "state"): catalogue.RECORDING_STATES,
    ("incidents_state", "state"): catalogue.RECORDING_STATES,
    ("incidents_total", "kind"): catalogue.INCIDENT_KINDS,
    ("incidents_dropped_total", "kind"): catalogue.INCIDENT_KINDS,
    ("incident_pictures_lost_total", "reason"): catalogue.PICTURE_LOSSES,
    ("replay_requests_total", "status"): catalogue.REPLAY_STATUSES,
    ("state_bank_slots", "state"): ("used", "free"),
    ("device_memory_bytes", "kind"): catalogue.MEMORY_KINDS,
    ("fleet_assignments_total", "reason"): coordinator.MOVE_REASONS,
    ("fleet_cameras", "state"): PLACEMENTS,
    ("fleet_curve_refused_total", "socket"): coordinator.SOCKETS,
    ("fleet_engines", "state"): coordinator.ENGINE_STATES,
    ("fleet_engines_lost_total", "reason"): coordinator.LOSS_REASONS,
    ("fleet_renewals_total", "outcome"): coordinator.RENEWAL_OUTCOMES,
    ("fleet_unplaced_cameras", "reason"): coordinator.UNPLACED_REASONS,
}
"""Known label values by metric and label."""


def series(name: str, part: str = "", **labels: str | tuple[str, ...]) -> str:
    """Return a selector, for example `series("frame_age_seconds", "bucket", camera="$camera")`; no prefix in `name`.

    `part` is `bucket`, `sum` or `count` of a histogram. Label values are matched exactly, a tuple means any of them. A
    value that starts with `$` is a dashboard variable, which may have several values; one that starts with `~` is a
    regular expression; one that starts with `!` is excluded. Raises KeyError for a name, label or value that is not in
    the catalogue.
    """
    if name in OUTSIDE:
        known, full_name = {*OUTSIDE[name], *DISCOVERED}, name
    else:
        spec = next((spec for spec in (*METRICS, *coordinator.METRICS, *proxy.METRICS) if spec.name == name), None)
        if spec is None:
            raise KeyError(f"no metric {name!r} in the catalogue")
        if part not in _PARTS[spec.kind]:
            raise KeyError(f"{name} is a {spec.kind}: part must be one of {_PARTS[spec.kind]}, not {part!r}")
        known = {*spec.labels, *DISCOVERED, *(("le",) if part == "bucket" else ())}
        full_name = spec.full_name + (f"_{part}" if part else "")
    for label, value in labels.items():
        if label not in known:
            raise KeyError(f"{name} has no label {label!r}")
        values = _VALUES.get((name, label))
        for one in (value,) if isinstance(value, str) else value:
            if values is not None and one[:1] not in ("$", "~") and one.removeprefix("!") not in values:
                raise KeyError(f"label {label!r} of {name} has no value {one!r}")
    return full_name + matchers(labels)


def matchers(labels: Mapping[str, str | tuple[str, ...]]) -> str:
    """Return the braces of a selector, or nothing without labels. Values have the same meaning as in `series`."""
    written = ", ".join(f"{label}{_matched(value)}" for label, value in labels.items())
    return "{" + written + "}" if written else ""


def _matched(value: str | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return f'=~"{"|".join(value)}"'
    if value[:1] == "!":
        return f'!="{value[1:]}"'
    return f'=~"{value.removeprefix("~")}"' if value[:1] in ("$", "~") else f'="{value}"'


def rate(selector: str, window: str) -> str:
    """Return the per-second growth of a counter over `window`."""
    return f"rate({selector}[{window}])"


def increase(selector: str, window: str) -> str:
    """Return the growth of a counter within `window`. It misses the first value of a series: see `happened`."""
    return f"increase({selector}[{window}])"


def happened(selector: str, window: str) -> str:
    """Return the exact growth of a counter within `window`, including a series that starts in it.

    Meant for panels of rare events. After a counter reset, it misses growth up to the last value before the reset.
    """
    return f"clamp_min({selector} - ({selector} offset {window} or {selector} * 0), 0)"


def total(expression: str, by: Iterable[str]) -> str:
    """Return the sum by these labels."""
    return f"sum by ({', '.join(by)}) ({expression})"


def quantile(q: float, name: str, window: str, by: Iterable[str], **labels: str | tuple[str, ...]) -> str:
    """Return the quantile `q` of a histogram's observations in `window`."""
    buckets = total(rate(series(name, "bucket", **labels), window), (*by, "le"))
    return f"histogram_quantile({q:g}, {buckets})"


def mean(name: str, window: str, by: Iterable[str], **labels: str | tuple[str, ...]) -> str:
    """Return the mean of a histogram's observations in `window`; no value if there were none."""
    by = tuple(by)
    observed = total(rate(series(name, "sum", **labels), window), by)
    return f"{observed} / ({total(rate(series(name, 'count', **labels), window), by)} > 0)"
