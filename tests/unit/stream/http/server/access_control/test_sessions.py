"""Sessions and rate limits are bounded, and sessions expire."""

from __future__ import annotations

import pytest

from stream.http.server.access_control.rate_limit import RateLimiter
from stream.http.server.access_control.sessions import SESSIONS, SESSIONS_OF_GRANT, Sessions
from stream.http.server.access_control.tokens import Grant, digest_of

ANNA, BEN = (Grant(name, "read", None, digest_of(name)) for name in ("anna", "ben"))


def test_a_session_has_its_grant_until_it_expires() -> None:
    sessions = Sessions(life_s=10.0)
    secret = sessions.begin(ANNA, 100.0)
    assert sessions.grant(secret, 109.9) == ANNA
    assert sessions.grant(secret, 110.0) is None
    assert sessions.grant(secret, 100.0) is None, "once it is over it stays over"


def test_an_ended_and_an_unknown_session_have_no_grant() -> None:
    sessions = Sessions()
    secret = sessions.begin(BEN, 0.0)
    sessions.end(secret)
    sessions.end("never was")
    assert sessions.grant(secret, 1.0) is None
    assert sessions.grant("\udcff", 1.0) is None


def test_of_too_many_sessions_the_oldest_ends() -> None:
    sessions = Sessions(limit=2)
    first, second, third = (sessions.begin(BEN, 0.0) for _ in range(3))
    assert [sessions.grant(secret, 1.0) for secret in (first, second, third)] == [None, BEN, BEN]


def test_many_sessions_of_one_token_end_none_of_another() -> None:
    sessions = Sessions()
    of_anna = sessions.begin(ANNA, 0.0)
    of_ben = [sessions.begin(BEN, 0.0) for _ in range(SESSIONS)]
    assert sessions.grant(of_anna, 1.0) == ANNA
    assert [sessions.grant(secret, 1.0) for secret in of_ben[-SESSIONS_OF_GRANT:]] == [BEN] * SESSIONS_OF_GRANT
    assert sessions.grant(of_ben[-SESSIONS_OF_GRANT - 1], 1.0) is None


def test_sessions_of_a_token_that_is_no_longer_in_force_end() -> None:
    sessions = Sessions()
    of_anna, of_ben = sessions.begin(ANNA, 0.0), sessions.begin(BEN, 0.0)
    sessions.end_except(lambda grant: grant == BEN)
    assert (sessions.grant(of_anna, 1.0), sessions.grant(of_ben, 1.0)) == (None, BEN)


def test_an_address_may_send_twice_its_rate_at_once_and_then_its_rate() -> None:
    limiter = RateLimiter(10.0)
    assert [limiter.take("10.0.0.1", 0.0) for _ in range(20)] == [0.0] * 20
    assert limiter.take("10.0.0.1", 0.0) == pytest.approx(0.1)
    assert limiter.take("10.0.0.2", 0.0) == 0.0, "another address has its own"
    assert [limiter.take("10.0.0.1", 1.0) > 0 for _ in range(11)] == [False] * 10 + [True]


def test_guessing_lengthens_the_wait_up_to_a_limit() -> None:
    limiter = RateLimiter(10.0)
    for _ in range(100):
        limiter.punish("10.0.0.1", 0.0, 10.0)
    assert limiter.take("10.0.0.1", 1.9) > 0
    assert limiter.take("10.0.0.1", 2.2) == 0.0


def test_a_v6_network_counts_as_one_address() -> None:
    limiter = RateLimiter(1.0)
    assert [limiter.take(f"2001:db8::{number:x}", 0.0) > 0 for number in range(1, 4)] == [False, False, True]
    assert limiter.take("fe80::1%eth0", 0.0) == 0.0
    assert limiter.take("not an address", 0.0) == 0.0


def test_the_number_of_remembered_addresses_is_limited() -> None:
    limiter = RateLimiter(1.0, addresses=3)
    for number in range(100):
        limiter.take(f"10.0.0.{number}", 0.0)
    assert len(limiter._left) == 3
