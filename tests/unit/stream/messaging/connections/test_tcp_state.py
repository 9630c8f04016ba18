"""Which connections are dead."""

from __future__ import annotations

import socket

import pytest

from stream.messaging.connections.tcp_state import TcpState, is_dead
from stream.packet_filter import DROP_RESETS
from support.engines.raw_zmtp import reset_when_closed
from support.waiting import wait_until


@pytest.mark.parametrize(
    ("retransmissions", "probes", "next_ms", "silent_ms", "dead"),
    [
        (0, 0, 200, 3_600_000, False),  # nothing was asked
        (6, 0, 12_800, 12_700, True),
        (6, 0, 12_800, 300, False),  # it has just answered
        (4, 0, 3_200, 12_700, False),  # quiet before, asked for three seconds
        (2, 0, 12_000, 12_700, False),  # a slow network
        (0, 5, 200, 25_000, True),
        (0, 4, 200, 21_000, False),
        (0, 2, 200, 120_000, False),  # two of the rare probes of a reader that reads nothing were lost
    ],
)
def test_a_connection_is_dead_if_it_was_asked_often_and_has_not_answered_for_long(
    retransmissions: int, probes: int, next_ms: int, silent_ms: int, dead: bool
) -> None:
    assert is_dead(retransmissions, probes, next_ms, silent_ms) is dead


def test_bytes_that_wait_in_the_kernel_are_not_taken() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
        listening.accept()[0] as served,
    ):
        client.sendall(b"x" * 100)
        assert served.recv(30, socket.MSG_WAITALL) == b"x" * 30
        state = TcpState.of(served)
        assert state is not None
        assert (state.taken, state.received, state.drops) == (30, 100, 0)
        assert state.answers
        assert not state.dead


def test_a_reset_that_is_dropped_is_counted() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
        listening.accept()[0] as served,
    ):
        DROP_RESETS.attach(served)
        reset_when_closed(client)
        client.close()
        wait_until(lambda: (state := TcpState.of(served)) is not None and (state.received, state.drops) == (0, 1))
