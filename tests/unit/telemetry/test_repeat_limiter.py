"""Tests of the limit for repeated messages."""

from __future__ import annotations

from telemetry.repeat_limiter import RepeatLimiter


def test_messages_beyond_the_limit_are_suppressed_and_counted() -> None:
    limiter = RepeatLimiter(limit=2, per_s=10.0)
    assert [limiter.admit("a", 0.0)[0] for _ in range(5)] == [True, True, False, False, False]
    assert limiter.admit("a", 9.9) == (False, 0)
    assert limiter.admit("a", 10.0) == (True, 4)
    assert limiter.admit("a", 10.1) == (True, 0)


def test_kinds_are_limited_separately() -> None:
    limiter = RepeatLimiter(limit=1, per_s=10.0)
    assert limiter.admit("a", 0.0)[0]
    assert limiter.admit("b", 0.0)[0]
    assert not limiter.admit("a", 1.0)[0]


def test_the_number_of_remembered_kinds_is_bounded() -> None:
    limiter = RepeatLimiter(limit=1, per_s=10.0, kinds=3)
    for kind in range(1000):
        assert limiter.admit(kind, 0.0)[0]
    assert len(limiter._seen) == 3
    assert not limiter.admit(999, 0.0)[0]
    assert limiter.admit(0, 0.0)[0]
