"""The reserve of file descriptors: when ZeroMQ's connections are held back, and what is logged."""

from __future__ import annotations

import logging
import os
import resource
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream import descriptors
from stream.descriptors import MOST, Bounds, Descriptors
from support.waiting import wait_until

LIMIT = 1000


class Used:
    """Stands for the number of descriptors in use, without those that are kept occupied."""

    def __init__(self) -> None:
        self.number = 100
        self.guarded = Descriptors()

    def count(self) -> int:
        return self.number + len(self.guarded._reserve)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Used:
    found = Used()
    monkeypatch.setattr(descriptors, "count", found.count)
    monkeypatch.setattr(descriptors, "_limit", lambda: LIMIT)
    monkeypatch.setattr(descriptors, "LOOK_EVERY_S", 0.02)
    return found


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def connecting(listener: socket.socket) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
    return client


def connected(client: socket.socket) -> bool:
    return client in select.select([], [client], [], 0)[1]


def test_connections_wait_while_descriptors_are_scarce_and_those_that_are_open_go_on(
    used: Used, listener: socket.socket
) -> None:
    guarded = used.guarded
    guarded.guard(listener.fileno())
    with connecting(listener) as first:
        wait_until(lambda: connected(first))
        server, _ = listener.accept()
        used.number = Bounds.of(LIMIT).close
        guarded.look()
        assert guarded.closed
        with connecting(listener) as second, server:
            first.send(b"still here")
            assert server.recv(100) == b"still here"
            assert not connected(second)
            with pytest.raises(BlockingIOError):
                listener.accept()
            used.number = Bounds.of(LIMIT).reopen
            guarded.look()
            assert not guarded.closed
            wait_until(lambda: connected(second))


def test_connections_to_one_listener_wait_while_it_is_held_whatever_the_descriptors(
    used: Used, listener: socket.socket
) -> None:
    guarded, bounds = used.guarded, Bounds.of(LIMIT)
    with socket.create_server(("127.0.0.1", 0)) as free:
        for one in (listener, free):
            guarded.guard(one.fileno())
        guarded.hold(listener.fileno(), held=True)
        with connecting(listener) as waits, connecting(free) as other:
            wait_until(lambda: connected(other))
            for number in (bounds.close, bounds.reopen):
                used.number = number
                guarded.look()
            assert not connected(waits)
            guarded.hold(listener.fileno(), held=False)
            wait_until(lambda: connected(waits))


def test_between_the_bounds_it_stays_as_it_is(used: Used, listener: socket.socket) -> None:
    guarded, bounds = used.guarded, Bounds.of(LIMIT)
    guarded.guard(listener.fileno())
    seen: list[bool] = []
    for number in (bounds.close - 1, bounds.close, bounds.reopen + 1, bounds.reopen, bounds.close - 1):
        used.number = number
        guarded.look()
        seen.append(guarded.closed)
    assert seen == [False, True, True, False, False]


def test_some_descriptors_are_occupied_until_they_are_needed(used: Used, listener: socket.socket) -> None:
    guarded, bounds = used.guarded, Bounds.of(LIMIT)
    guarded.guard(listener.fileno())
    held: list[int] = []
    for number in (100, bounds.close, bounds.reopen + 1, bounds.reopen):
        used.number = number
        guarded.look()
        held.append(len(guarded._reserve))
    assert held == [bounds.kept, 0, 0, bounds.kept]


def test_the_watch_ends_when_the_listener_is_closed(used: Used) -> None:
    guarded = used.guarded
    with socket.create_server(("127.0.0.1", 0)) as listening:
        guarded.guard(listening.fileno())
        assert guarded._watch is not None
    wait_until(lambda: guarded._watch is None)


def test_a_warning_is_logged_once_until_many_are_free_again(used: Used, caplog: pytest.LogCaptureFixture) -> None:
    watched, usable = used.guarded, LIMIT - Bounds.of(LIMIT).kept
    warned: list[int] = []
    with caplog.at_level(logging.WARNING):
        for share in (0.79, 0.8, 0.85, 0.75, 0.8, 0.6, 0.8):
            used.number = round(share * usable)
            watched.look()
            warned.append(len(caplog.records))
    assert warned == [0, 1, 1, 1, 1, 1, 2]
    assert caplog.messages[0] == "file descriptors: 600 of 750 are in use: see docs/runbook.md"


@pytest.mark.parametrize("limit", [64, 256, 1024, 4096, 20_000, MOST])
def test_some_descriptors_are_kept_at_any_limit(limit: int) -> None:
    bounds = Bounds.of(limit)
    assert 0 < bounds.reopen < bounds.close < limit - bounds.kept < limit
    assert bounds.kept >= min(256, limit // 4)
    assert 0 < 2 * (bounds.backlog + 1) < bounds.kept, "the connections that wait at two listeners"


def test_the_limit_is_raised_to_the_hard_limit_but_not_without_bound() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors.count() + 100, before[1]))
    try:
        descriptors.raise_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(before[1], MOST), before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class _BeforeLinux62:
    """The folder of descriptors of kernels that do not tell its size, and which needs one to be read."""

    def stat(self) -> os.stat_result:
        return os.stat_result([0] * 10)

    def iterdir(self) -> Iterator[Path]:
        return Path("/proc/self/fd").iterdir()


def test_without_a_free_descriptor_all_count_as_in_use_also_on_an_old_kernel(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "_OPEN", _BeforeLinux62())
    guarded = Descriptors()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        guarded._listeners.append(descriptors._Listener(listener.fileno(), os.fstat(listener.fileno()).st_ino))
        guarded.look()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert guarded.closed


def test_a_later_socket_with_the_descriptor_of_a_listener_is_not_filtered(used: Used, listener: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ended:
        number = ended.fileno()
        used.guarded.guard(number)
    with socket.socket(type=socket.SOCK_DGRAM) as later, socket.socket(type=socket.SOCK_DGRAM) as sender:
        assert later.fileno() == number
        later.bind(("127.0.0.1", 0))
        used.guarded.guard(listener.fileno())
        sender.sendto(b"-----\xff", later.getsockname())
        wait_until(lambda: select.select([later], [], [], 0)[0])
