"""Which connections are found dead by the segments that the kernel has dropped."""

from __future__ import annotations

from stream.messaging.connections.dead_connections import DeadConnections
from stream.messaging.connections.tcp_state import TcpState

ONE, IDENTITY = 7, 107


class Looks:
    """Looks at one connection, a second apart."""

    def __init__(self) -> None:
        self.dead = DeadConnections()
        self.now = 0.0

    def look(
        self,
        received: int,
        drops: int,
        silent_ms: int | None = None,
        identity: int = IDENTITY,
        answers: bool = False,
    ) -> list[tuple[int, int]]:
        """Look at a connection that has not answered for `silent_ms`, by default since the beginning."""
        self.now += 1.0
        silent_ms = int(1000 * self.now) if silent_ms is None else silent_ms
        state = TcpState(received, received, drops, silent_ms, answers=answers, dead=False)
        return self.dead.look([(ONE, identity, state)], self.now)


def test_a_connection_is_dead_if_more_was_dropped_and_nothing_came() -> None:
    looks = Looks()
    assert [looks.look(100, 0), looks.look(100, 0), looks.look(100, 1)] == [[], [], [(ONE, IDENTITY)]]


def test_a_connection_that_answers_is_kept_although_segments_were_dropped() -> None:
    looks = Looks()
    assert [looks.look(100, drops, silent_ms=40) for drops in range(5)] == [[]] * 5


def test_a_quiet_connection_of_which_nothing_was_asked_is_kept_although_segments_were_dropped() -> None:
    looks = Looks()
    assert [looks.look(100, drops, answers=True) for drops in range(5)] == [[]] * 5


def test_what_was_dropped_before_an_answer_does_not_count() -> None:
    looks = Looks()
    assert [looks.look(100, 0), looks.look(100, 1, silent_ms=600), looks.look(100, 1, silent_ms=1600)] == [[]] * 3
    assert looks.look(100, 2, silent_ms=2600) == [(ONE, IDENTITY)]


def test_what_a_full_buffer_could_not_take_is_no_reset() -> None:
    looks = Looks()
    assert [looks.look(100, 0), looks.look(200, 3), looks.look(200, 3)] == [[]] * 3


def test_a_later_connection_with_the_same_descriptor_has_no_history() -> None:
    looks = Looks()
    assert [looks.look(100, 0), looks.look(100, 1, identity=108)] == [[], []]
    assert looks.look(100, 2, identity=108) == [(ONE, 108)]


def test_a_connection_without_answers_for_long_is_dead() -> None:
    state = TcpState(100, 100, 0, 20_000, answers=False, dead=True)
    assert DeadConnections().look([(ONE, IDENTITY, state)], now=1.0) == [(ONE, IDENTITY)]
