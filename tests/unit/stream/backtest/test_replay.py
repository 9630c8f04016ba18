"""Replay: each run and epoch begins with empty memory, and absence is told at the frame at which it is due."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from stream.backtest.replay import replay
from stream.backtest.segments import Frames, People, SeenPerson, Segment
from stream.results import Person
from stream.rules.compiled import CompiledRules
from stream.rules.signals import Signal
from stream.settings.rules import RulesConfig

T0 = 1_790_000_000_000_000
BOX = (1.0, 2.0, 3.0, 4.0)

Row = tuple[int, int, list[tuple[int, list[str]]]]
"""Media time and capture time, µs, and people: track and zones."""


def segment_of(rows: Sequence[Row], run: str = "0" * 32, epoch: int = 1) -> Segment:
    def people(signals: Sequence[Signal]) -> People:
        return lambda index: [
            SeenPerson(track, BOX, zones, (), [0.0 for _ in signals], partial(Person, track, BOX, 0.9, None, []))
            for track, zones in rows[index][2]
        ]

    numbers = np.arange(len(rows), dtype=np.int64)
    media = np.array([row[0] for row in rows], np.int64)
    capture = np.array([row[1] for row in rows], np.int64)
    busy = np.array([index for index, row in enumerate(rows) if row[2]], np.int64)
    return Segment("lobby", run, epoch, (640, 480), Frames(numbers, numbers * 3, capture, media), busy, people)


def rules_of(**rules: dict[str, Any]) -> CompiledRules:
    return CompiledRules(RulesConfig.model_validate({"time_zone": "Europe/Berlin", "rules": rules}))


def test_an_empty_place_is_told_when_it_has_been_empty_for_long_enough() -> None:
    rows: list[Row] = [(index * 200_000, T0 + index * 200_000, []) for index in range(5000)]
    compiled = rules_of(empty={"people": {"at_most": 0}, "zone": "desk", "for": "5m"}, lie={"action": "lie"})
    (began, *updated) = list(replay([segment_of(rows)], compiled))
    assert (began.state, began.capture_us - began.since_us) == ("began", 300_000_000)
    assert {alert.state for alert in updated} == {"updated"}


def test_a_new_epoch_and_a_new_run_clear_alerts_and_number_messages_from_0() -> None:
    rows: list[Row] = [(index * 200_000, T0 + index * 200_000, [(1, ["hall"])]) for index in range(10)]
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
