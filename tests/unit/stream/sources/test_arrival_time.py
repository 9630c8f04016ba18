"""The time by this computer's clock at which something arrived."""

from __future__ import annotations

import pytest

from stream.sources import arrival_time
from stream.sources.arrival_time import utc_us_at

UTC_S = 1_800_000_000


def test_a_thread_that_waits_between_two_readings_does_not_move_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 0
    waits = iter([0, 3_000_000_000, 0, 0, 2_500_000_000, 0])  # before each of the first readings

    def wait() -> int:
        nonlocal now_ns
        now_ns += next(waits, 0) + 100
        return now_ns

    monkeypatch.setattr(arrival_time.time, "monotonic_ns", wait)
    monkeypatch.setattr(arrival_time.time, "time_ns", lambda: UTC_S * 10**9 + wait())
    assert utc_us_at(7_000_000_000) == (UTC_S + 7) * 1_000_000
