"""Replay: skipping stretches without people changes no answer (hypothesis), and each run and epoch begins afresh."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.backtest.replay import replay
from stream.backtest.segments import Frames, People, SeenPerson, Segment
from stream.results import Alert, Person
from stream.rules.compiled import CompiledRules
from stream.rules.signals import Signal
from stream.settings.rules import RulesConfig
from support.examples import examples

T0 = 1_790_000_000_000_000
MIDNIGHT = 1_790_028_000_000_000
"""2026-09-22, in Berlin. Recordings begin up to three minutes before hours begin or end."""
BOX = (1.0, 2.0, 3.0, 4.0)

Row = tuple[int, int, list[tuple[int, list[str], float]]]
"""Media time and capture time, µs, and people: track, zones, score of `lie`."""


def segment_of(rows: Sequence[Row], run: str = "0" * 32, epoch: int = 1) -> Segment:
    def people(signals: Sequence[Signal]) -> People:
        def of(index: int) -> list[SeenPerson]:
            return [
                SeenPerson(
                    track,
                    BOX,
                    zones,
                    (),
                    [score if signal.name == "lie" else 0.0 for signal in signals],
                    partial(Person, track, BOX, 0.9, None, []),
                )
                for track, zones, score in rows[index][2]
            ]

        return of

    numbers = np.arange(len(rows), dtype=np.int64)
    media = np.array([row[0] for row in rows], np.int64)
    capture = np.array([row[1] for row in rows], np.int64)
    busy = np.array([index for index, row in enumerate(rows) if row[2]], np.int64)
    return Segment("lobby", run, epoch, (640, 480), Frames(numbers, numbers * 3, capture, media), busy, people)


def rules_of(**rules: dict[str, Any]) -> CompiledRules:
    return CompiledRules(RulesConfig.model_validate({"time_zone": "Europe/Berlin", "rules": rules}))


def told(alerts: Sequence[Alert]) -> list[bytes]:
    return [msgspec.json.encode(alert) for alert in alerts]


ZONES = st.lists(st.sampled_from(["desk", "hall"]), unique=True).map(sorted)
PEOPLE = st.lists(st.tuples(st.integers(1, 3), ZONES, st.sampled_from([0.0, 0.4, 0.7])), min_size=1, max_size=3).map(
    lambda people: list({person[0]: person for person in people}.values())
)


@st.composite
def stretches(draw: st.DrawFn) -> list[Row]:
    """Frames with people, and stretches without, with gaps and capture clocks that are corrected."""
    rows: list[Row] = []
    edge_minutes = draw(st.sampled_from([0, 1, 390, 720, 1320]))
    media_us, offset_us = 0, MIDNIGHT + edge_minutes * 60_000_000 - draw(st.integers(0, 180)) * 1_000_000
    for _ in range(draw(st.integers(1, 6))):
        step_us = draw(st.sampled_from([80_000, 200_000, 500_000, 1_000_000, 3_000_000]))
        people = draw(st.one_of(st.just([]), PEOPLE))
        for _ in range(draw(st.integers(1, 60))):
            rows.append((media_us, offset_us + media_us, people))
            media_us += step_us
        media_us += draw(st.sampled_from([0, 0, 0, 1, 2_900_000, 3_000_001, 20_000_000]))
        offset_us += draw(st.sampled_from([0, 0, 0, 60_000_000, -90_000_000, -1]))
    return rows


DURATIONS = st.sampled_from(["0s", "400ms", "1s", "3s", "10s", "30s", "2m"])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "for": DURATIONS,
        "cooldown": DURATIONS,
        "clear_after": DURATIONS,
        "hours": st.sampled_from(
            [
                {"from": "00:01", "to": "24:00"},
                {"from": "00:00", "to": "12:00"},
                {"from": "22:00", "to": "06:30", "days": ["mon", "wed"]},
            ]
        ),
    },
)
COUNTS = st.sampled_from(
    [{"at_most": 0}, {"at_most": 1}, {"at_least": 1}, {"at_least": 2}, {"at_least": 1, "at_most": 1}]
)
RULES = st.one_of(
    st.builds(lambda more, count: {"people": count, **more}, OPTIONS, COUNTS),
    st.builds(lambda more, count: {"people": count, "zone": ["desk", "hall"], **more}, OPTIONS, COUNTS),
    st.builds(lambda more, count: {"people": count, "action": "lie", **more}, OPTIONS, COUNTS),
    st.builds(lambda more: {"action": "lie", **more}, OPTIONS),
    st.builds(lambda more: {"action": "lie", "zone": "desk", **more}, OPTIONS),
    st.builds(lambda more, dwell: {"zone": "hall", "dwell": dwell, **more}, OPTIONS, DURATIONS),
    st.builds(lambda more: {"enters": "hall", **{key: more[key] for key in more if key != "for"}}, OPTIONS),
    st.builds(lambda more: {"leaves": "hall", **{key: more[key] for key in more if key != "for"}}, OPTIONS),
)


@settings(max_examples=examples(25))
@given(rows=stretches(), rules=st.lists(RULES, min_size=1, max_size=4))
def test_skipping_stretches_without_people_changes_no_message(rows: list[Row], rules: list[dict[str, Any]]) -> None:
    compiled = rules_of(**{f"r{index}": rule for index, rule in enumerate(rules)})
    segments = [segment_of(rows), segment_of(rows[: len(rows) // 2], epoch=2), segment_of(rows, run="1" * 32)]
    assert told(list(replay(segments, compiled))) == told(list(replay(segments, compiled, every_frame=True)))


def test_a_stretch_without_people_costs_few_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    from stream.rules.evaluator import Evaluator

    updates: list[object] = []
    update = Evaluator.update

    def counted(self: Evaluator, *arguments: Any, **options: Any) -> Any:
        updates.append(arguments)
        return update(self, *arguments, **options)

    monkeypatch.setattr(Evaluator, "update", counted)
    rows: list[Row] = [(index * 200_000, T0 + index * 200_000, []) for index in range(100_000)]
    compiled = rules_of(empty={"people": {"at_most": 0}, "zone": "desk", "for": "5m"}, lie={"action": "lie"})
    (began, *updated) = list(replay([segment_of(rows)], compiled))
    assert (began.state, began.capture_us - began.since_us) == ("began", 300_000_000)
    assert {alert.state for alert in updated} == {"updated"}
    assert len(updates) <= 2 * len(updated) + 6


def test_a_new_epoch_and_a_new_run_clear_alerts_and_number_messages_from_0() -> None:
    rows: list[Row] = [(index * 200_000, T0 + index * 200_000, [(1, ["hall"], 0.9)]) for index in range(10)]
    compiled = rules_of(a={"zone": "hall", "cooldown": "0s"})
    segments = [segment_of(rows), segment_of(rows, epoch=2), segment_of(rows, run="1" * 32)]
    alerts = list(replay(segments, compiled))
    assert [(alert.run[0], alert.epoch, alert.seq, alert.state, alert.clear_reason) for alert in alerts] == [
        ("0", 1, 0, "began", None),
        ("0", 1, 1, "cleared", "epoch"),
        ("0", 2, 0, "began", None),
        ("0", 2, 1, "cleared", "restart"),
        ("1", 1, 0, "began", None),
    ]
    assert len({alert.alert for alert in alerts}) == 3


@settings(max_examples=examples(25))
@given(
    before_s=st.integers(1, 400),
    step_us=st.sampled_from([200_000, 333_333, 1_000_000, 2_900_000]),
    hours=st.sampled_from([("00:00", "00:05"), ("23:00", "00:01"), ("12:00", "00:00"), ("00:00", "00:02")]),
    options=st.fixed_dictionaries({}, optional={"for": DURATIONS, "clear_after": DURATIONS, "cooldown": DURATIONS}),
)
def test_absence_within_hours_is_told_at_the_same_frames(
    before_s: int, step_us: int, hours: tuple[str, str], options: dict[str, str]
) -> None:
    start_us = MIDNIGHT - before_s * 1_000_000
    rows: list[Row] = [(at, start_us + at, []) for at in range(0, 800_000_000, step_us)]
    rule = {"people": {"at_most": 0}, "hours": {"from": hours[0], "to": hours[1]}, **options}
    compiled = rules_of(post=rule)
    skipped = list(replay([segment_of(rows)], compiled))
    assert told(skipped) == told(list(replay([segment_of(rows)], compiled, every_frame=True)))
    if before_s >= 10 and options.get("for", "0s") in ("0s", "400ms", "1s", "3s"):  # also if hours end at 0
        assert skipped
