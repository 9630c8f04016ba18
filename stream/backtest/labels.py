"""Labels: when a rule should have raised an alert; and how well it did."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from stream.backtest.raised import Raised
from stream.backtest.segments import Segment
from stream.settings.config_error import ConfigError

_COLUMNS = ("camera", "rule", "start", "end")


@dataclass(frozen=True, slots=True)
class Label:
    """A time in which a rule should have raised an alert on a camera: capture times, µs UTC."""

    camera: str
    rule: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Judged:
    """How a rule did. `delays_us`: from the start of each label that was found to its first alert."""

    right: int
    alerts: int
    found: int
    labels: int
    delays_us: list[int]
    wrong: list[Raised]
    missed: list[Label]


def read_labels(path: Path, segments: Mapping[str, Sequence[Segment]], rules: Collection[str]) -> list[Label]:
    """Read labels from JSON, a list of objects, or from CSV with a head line: camera, rule, start, end.

    `start` and `end` are times (2026-11-25T21:30:00Z; UTC without a zone), or numbers: seconds of media time since the
    camera's first result, if its results are of one epoch. Labels of cameras that are not in `segments` are left out.
    `rules`: the names of the rules that there are. Raises `ConfigError` that names file, entry and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = _rows(path, text)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    labels: list[Label] = []
    for where, row in rows:
        if missing := [name for name in _COLUMNS if row.get(name) in (None, "")]:
            raise ConfigError(f"{where}: {missing[0]} is missing; each label has {', '.join(_COLUMNS)}")
        camera = str(row["camera"])
        if camera not in segments:
            continue
        start_us, end_us = (_time_us(row[name], segments[camera], f"{where}: {name}") for name in ("start", "end"))
        if end_us < start_us:
            raise ConfigError(f"{where}: end is before start")
        rule = str(row["rule"])
        if rule not in rules:
            raise ConfigError(f"{where}: rule: unknown rule {rule!r:.80}; rules: {', '.join(rules) or 'none'}")
        labels.append(Label(camera, rule, start_us, end_us))
    return labels


def judged(labels: Sequence[Label], alerts: Sequence[Raised], end_us: int) -> dict[str, Judged]:
    """Judge the rules that have labels.

    An alert is right if the time from when its conditions began to hold to its end overlaps a label of its camera and
    rule. All other alerts of the rule are wrong, so labels must be complete for the cameras and times looked at.
    """
    found: dict[str, Judged] = {}
    for rule in dict.fromkeys(label.rule for label in labels):
        own = [label for label in labels if label.rule == rule]
        raised = [one for one in alerts if one.began.rule == rule]
        matches = {index: [one for one in raised if _overlaps(label, one, end_us)] for index, label in enumerate(own)}
        right = {one.began.alert for matched in matches.values() for one in matched}
        delays = [
            min(one.began.began_us for one in matched) - own[index].start_us
            for index, matched in matches.items()
            if matched
        ]
        wrong = [one for one in raised if one.began.alert not in right]
        missed = [own[index] for index, matched in matches.items() if not matched]
        found[rule] = Judged(len(right), len(raised), len(delays), len(own), delays, wrong, missed)
    return found


def time_us(text: str) -> int:
    """Return a time such as 2026-11-25 or 2026-11-25T21:30:00Z, UTC without a zone, in µs. Raises `ValueError`."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _overlaps(label: Label, raised: Raised, end_us: int) -> bool:
    alert = raised.began
    same = alert.camera == label.camera
    return same and alert.since_us <= label.end_us and raised.ended_us(end_us) >= label.start_us


def _rows(path: Path, text: str) -> list[tuple[str, dict[str, Any]]]:
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
        if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
            raise ConfigError(f"{path}, line 1: has no column {missing[0]}; the columns are {', '.join(_COLUMNS)}")
        return [(f"{path}, line {reader.line_num}", dict(row)) for row in reader]
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}, line {error.lineno}: not valid JSON ({error.msg})") from None
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in cast("list[object]", content)):
        raise ConfigError(f"{path}: must be a list of labels, each with {', '.join(_COLUMNS)}")
    rows = cast("list[dict[str, Any]]", content)
    return [(f"{path}, label {number}", row) for number, row in enumerate(rows, 1)]


def _time_us(value: object, segments: Sequence[Segment], where: str) -> int:
    seconds = _number(value)
    if seconds is None:
        try:
            return time_us(str(value))
        except ValueError:
            raise ConfigError(
                f"{where}: {value!r:.60} is neither a time such as 2026-11-25T21:30:00Z nor a number of seconds"
            ) from None
    if len(segments) > 1:
        raise ConfigError(
            f"{where}: a number is media time, but the results of camera {segments[0].camera} are of "
            f"{len(segments)} epochs; give times instead, such as 2026-11-25T21:30:00Z"
        )
    return int(segments[0].frames.capture_us[0]) + round(seconds * 1e6)


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None
