"""Which connections are found dead by the segments that the kernel has dropped."""

from __future__ import annotations

from stream.messaging.connections.dead_connections import DeadConnections
from stream.messaging.connections.tcp_state import TcpState

ONE, IDENTITY = 7, 107


def look(
    dead: DeadConnections, received: int, drops: int, silent_ms: int = 600, identity: int = IDENTITY
) -> list[tuple[int, int]]:
    return dead.look([(ONE, identity, TcpState(received, received, drops, silent_ms, answers=True, dead=False))])


def test_a_connection_is_dead_if_more_was_dropped_and_nothing_came() -> None:
    dead = DeadConnections()
    assert look(dead, 100, 0) == []
    assert look(dead, 100, 0) == []
    assert look(dead, 100, 1) == [(ONE, IDENTITY)]


def test_one_that_answers_lives_although_somebody_else_sends_resets() -> None:
    dead = DeadConnections()
    assert [look(dead, 100, drops, silent_ms=40) for drops in range(5)] == [[]] * 5


def test_what_a_full_buffer_could_not_take_is_no_reset() -> None:
    dead = DeadConnections()
    assert look(dead, 100, 0) == []
    assert look(dead, 200, 3) == []
    assert look(dead, 200, 3) == []


def test_a_later_connection_with_the_same_descriptor_begins_anew() -> None:
    dead = DeadConnections()
    assert look(dead, 100, 0) == []
    assert look(dead, 100, 1, identity=108) == []
    assert look(dead, 100, 2, identity=108) == [(ONE, 108)]


def test_one_that_was_asked_for_long_is_dead() -> None:
    state = TcpState(100, 100, 0, 20_000, answers=False, dead=True)
    assert DeadConnections().look([(ONE, IDENTITY, state)]) == [(ONE, IDENTITY)]
