"""What a trial found, as data for JSON and tables: counts, rates with their intervals, and a list of alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks import stats
from commands.rules.trial import Trial
from stream.backtest.coverage import Coverage, utc_text
from stream.backtest.labels import Judged, Label
from stream.backtest.raised import Comparison, Raised
from stream.settings.rules import RuleConfig
from training.footage.judging import Interval, clopper_pearson, poisson_count

_ALERT = ("zone", "line", "track", "people", "action", "score", "box", "reason", "severity", "run", "epoch", "frame",
          "alert")  # fmt: skip
"""Fields of an alert's first message that are shown unchanged."""
LEAST_HOURS = 24.0
"""Hours of results below which there is no daily rate: the hours of a day differ."""


def summary(
    trial: Trial, comparison: Comparison | None = None, judgements: Mapping[str, Judged] | None = None
) -> dict[str, Any]:
    """Return everything a trial found. Times are ISO 8601, UTC; intervals are of 95 %."""
    raised, rules = trial.files[0].raised, trial.rules[0]
    found: dict[str, Any] = {
        "results": {
            "hours": round(trial.hours_of(None), 4),
            "cameras": [_coverage(one) for one in trial.coverage],
            "duplicates": trial.recorded.duplicates,
            "late": trial.recorded.late,
            "without_people_rows": trial.recorded.incomplete,
        },
        "rules": {
            name: _rule(rule, [one for one in raised if one.began.rule == name], trial)
            for name, rule in rules.rules.items()
        },
        "refused": trial.refused,
        "notes": trial.notes,
        "alerts": [_alert(one, trial.end_us) for one in raised],
    }
    if comparison is not None:
        found["against"] = {
            "new": [_alert(one, trial.end_us) for one in comparison.new],
            "gone": [_alert(one, trial.end_us) for one in comparison.gone],
        }
    if judgements is not None:
        found["labels"] = {rule: _judged(one, trial.end_us) for rule, one in judgements.items()}
    return found


def _rule(rule: RuleConfig, raised: Sequence[Raised], trial: Trial) -> dict[str, Any]:
    hours = trial.hours_of(rule.cameras)
    interval = poisson_count(len(raised))
    longest = max(raised, key=lambda one: one.ended_us(trial.end_us) - one.began.began_us, default=None)
    return {
        "severity": rule.severity,
        "alerts": len(raised),
        "alerts_interval": [round(end, 2) for end in interval],
        "hours": round(hours, 4),
        "per_day": _rate(len(raised), interval, hours),
        "by_camera": _counts(one.began.camera for one in raised),
        "by_place": _counts(one.place for one in raised if one.place is not None),
        "by_hour_utc": _counts(f"{datetime.fromtimestamp(one.began.began_us / 1e6, UTC):%H}" for one in raised),
        "longest": None if longest is None else _alert(longest, trial.end_us),
    }


def _rate(count: int, interval: Interval, hours: float) -> dict[str, float] | None:
    """Return the alerts per day and camera; None for less than a day of results."""
    if hours < LEAST_HOURS:
        return None
    days = hours / 24
    rate = {"rate": count / days, "low": interval.low / days, "high": interval.high / days}
    return {name: round(value, 4) for name, value in rate.items()}


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _coverage(one: Coverage) -> dict[str, Any]:
    return {
        "camera": one.camera,
        "from": utc_text(one.first_us),
        "to": utc_text(one.last_us),
        "hours": round(one.hours, 4),
        "results": one.results,
        "results_with_people": one.with_people,
        "results_missing": one.missing,
        "gaps": [{"from": utc_text(gap.from_us), "to": utc_text(gap.to_us)} for gap in one.gaps],
    }


def _alert(one: Raised, end_us: int) -> dict[str, Any]:
    alert = one.began
    return {
        "rule": alert.rule,
        "camera": alert.camera,
        "began": utc_text(alert.began_us),
        "since": utc_text(alert.since_us),
        "ended": None if one.cleared is None else utc_text(one.cleared.capture_us),
        "seconds": round((one.ended_us(end_us) - alert.began_us) / 1e6, 3),
        "clear_reason": None if one.cleared is None else one.cleared.clear_reason,
        **{name: getattr(alert, name) for name in _ALERT},
    }


def _judged(one: Judged, end_us: int) -> dict[str, Any]:
    delay = stats.estimate([delay / 1e6 for delay in one.delays_us])
    return {
        "precision": _share(one.right, one.alerts),
        "recall": _share(one.found, one.labels),
        "delay_s": None
        if not one.delays_us
        else {
            "median": delay.median,
            "low": delay.low,
            "high": delay.high,
            "least": min(one.delays_us) / 1e6,
            "most": max(one.delays_us) / 1e6,
        },
        "wrong": [_alert(alert, end_us) for alert in one.wrong],
        "missed": [_label(label) for label in one.missed],
    }


def _share(right: int, of: int) -> dict[str, Any]:
    interval = clopper_pearson(right, of)
    return {
        "right": right,
        "of": of,
        "share": None if not of else round(right / of, 4),
        "interval": None if interval is None else [round(end, 4) for end in interval],
    }


def _label(label: Label) -> dict[str, str]:
    return {"camera": label.camera, "start": utc_text(label.start_us), "end": utc_text(label.end_us)}
