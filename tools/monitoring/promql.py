"""Prometheus queries over the catalogue's metrics: a name, label or value that the catalogue lacks is an error at once.

Dashboards and rules take every selector from here, so that a metric that is renamed can't leave one behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from telemetry import catalogue
from telemetry.catalogue import METRICS
from telemetry.reasons import DropReason

CAMERA = ("job", "instance", "camera")
"""The labels that tell a camera from the same id on another engine."""
ENGINE = ("job", "instance")
"""The labels that tell an engine; Prometheus puts them on whatever it scrapes."""

OUTSIDE: dict[str, tuple[str, ...]] = {
    "up": (),
    "ALERTS": ("alertname", "alertstate", "severity", "camera"),
    "process_resident_memory_bytes": (),
    "process_cpu_seconds_total": (),
    "process_start_time_seconds": (),
    "process_open_fds": (),
    "process_max_fds": (),
}
"""Series that aren't the catalogue's, with their labels: Prometheus' own, and prometheus-client's of the process."""

_PARTS = {"counter": ("",), "gauge": ("",), "histogram": ("bucket", "sum", "count")}

_VALUES: dict[tuple[str, str], tuple[str, ...]] = {
    ("camera_state", "state"): catalogue.CAMERA_STATES,
    ("clock_source", "clock"): catalogue.CLOCKS,
    ("frames_dropped_total", "reason"): tuple(DropReason),
    ("webrtc_sessions", "ice"): catalogue.ICE_STATES,
    ("results_published_total", "topic_kind"): (*catalogue.TOPIC_KINDS, "stats"),
    ("recording_state", "state"): catalogue.RECORDING_STATES,
    ("replay_requests_total", "status"): catalogue.REPLAY_STATUSES,
    ("state_bank_slots", "state"): ("used", "free"),
    ("device_memory_bytes", "kind"): catalogue.MEMORY_KINDS,
}
"""Where the values of a label are known: by metric and label."""


def series(name: str, part: str = "", **labels: str | tuple[str, ...]) -> str:
    """A selector: `series("frame_age_seconds", "bucket", camera="$camera")`, the name without its prefix.

    `part` is `bucket`, `sum` or `count` of a histogram. A label's value is matched exactly; a tuple means any of them;
    what begins with `$` is a dashboard's variable, which may hold several, what begins with `~` a regular expression.
    Raises KeyError, naming what the catalogue doesn't know.
    """
    if name in OUTSIDE:
        known, full_name = {*OUTSIDE[name], *ENGINE}, name
    else:
        spec = next((spec for spec in METRICS if spec.name == name), None)
        if spec is None:
            raise KeyError(f"the catalogue has no metric {name!r}")
        if part not in _PARTS[spec.kind]:
            raise KeyError(f"{name} is a {spec.kind}: its part is one of {_PARTS[spec.kind]}, not {part!r}")
        known = {*spec.labels, *ENGINE, *(("le",) if part == "bucket" else ())}
        full_name = spec.full_name + (f"_{part}" if part else "")
    for label, value in labels.items():
        if label not in known:
            raise KeyError(f"{name} has no label {label!r}")
        values = _VALUES.get((name, label))
        for one in (value,) if isinstance(value, str) else value:
            if values is not None and one[:1] not in ("$", "~") and one not in values:
                raise KeyError(f"{label} of {name} is never {one!r}")
    return full_name + matchers(labels)


def matchers(labels: Mapping[str, str | tuple[str, ...]]) -> str:
    """The part of a selector in braces, nothing without labels; values are read as by `series`."""
    written = ", ".join(f"{label}{_matched(value)}" for label, value in labels.items())
    return "{" + written + "}" if written else ""


def _matched(value: str | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return f'=~"{"|".join(value)}"'
    return f'=~"{value.removeprefix("~")}"' if value[:1] in ("$", "~") else f'="{value}"'


def rate(selector: str, window: str) -> str:
    """How much a counter grows a second, over `window`."""
    return f"rate({selector}[{window}])"


def increase(selector: str, window: str) -> str:
    """How much a counter grew within `window`. It sees nothing of a series' first value: see `happened`."""
    return f"increase({selector}[{window}])"


def happened(selector: str, window: str) -> str:
    """How much a counter grew within `window`, exactly, also where its series begins in it, as with a first fault.

    For what is rare, and to be looked at: of a counter that started anew it misses what is below its last value.
    """
    return f"clamp_min({selector} - ({selector} offset {window} or {selector} * 0), 0)"


def total(expression: str, by: Iterable[str]) -> str:
    """The sum, kept apart by these labels."""
    return f"sum by ({', '.join(by)}) ({expression})"


def quantile(q: float, name: str, window: str, by: Iterable[str], **labels: str | tuple[str, ...]) -> str:
    """The value that a share `q` of what a histogram observed in `window` doesn't exceed."""
    buckets = total(rate(series(name, "bucket", **labels), window), (*by, "le"))
    return f"histogram_quantile({q:g}, {buckets})"


def mean(name: str, window: str, by: Iterable[str], **labels: str | tuple[str, ...]) -> str:
    """The mean of what a histogram observed in `window`; nothing where it observed nothing."""
    by = tuple(by)
    observed = total(rate(series(name, "sum", **labels), window), by)
    return f"{observed} / ({total(rate(series(name, 'count', **labels), window), by)} > 0)"
