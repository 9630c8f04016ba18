"""The process's file descriptors: a higher limit, and a reserve that ZeroMQ's connections cannot use up.

libzmq accepts every connection until no descriptor is free, and then tries again without a pause. Before that, the
kernel drops requests for further connections to its sockets, whose clients try again by themselves. HTTP and cameras
keep the rest. Belongs to the process, as its limit does; any thread may call it.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stream.packet_filter import DROP_ALL, DROP_RESETS

logger = logging.getLogger(__name__)

EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE))

MOST = 65_536
"""The limit is not raised above this: some programs that are started go through all possible descriptors."""
KEPT = 256
"""Descriptors for HTTP and cameras."""
WARN_AT = 0.8
LOOK_EVERY_S = 0.1

_OPEN = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class _Listener:
    descriptor: int
    inode: int

    def is_open(self) -> bool:
        """Whether the descriptor is still that of the listener."""
        try:
            return os.fstat(self.descriptor).st_ino == self.inode
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Bounds:
    """At which numbers of descriptors in use something is done, for a limit."""

    kept: int
    close: int
    reopen: int
    backlog: int
    """Connections that may wait at a listener. ZeroMQ accepts them even while new connections are held back."""

    @classmethod
    def of(cls, limit: int) -> Bounds:
        """Return the bounds. Between closing and opening again is a sixteenth of the limit."""
        kept = min(KEPT, limit // 4)
        room = limit // 16
        # Those that wait at two listeners leave half of what is kept.
        return cls(kept, limit - kept - room, limit - kept - 2 * room, kept // 4)


class Descriptors:
    """The descriptors of this process, and the TCP sockets of ZeroMQ that listen in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[_Listener] = []
        self._held: set[_Listener] = set()
        """Listeners that hold back connections whatever the descriptors."""
        self._reserve: list[int] = []
        self._closed = False
        self._warned = self._unfiltered = False
        self._watch: threading.Thread | None = None

    @property
    def closed(self) -> bool:
        """Whether further ZeroMQ connections are held back."""
        return self._closed

    def use(self) -> float:
        """Return the share in use of those descriptors that are not kept."""
        limit = _limit()
        return (count() - len(self._reserve)) / (limit - Bounds.of(limit).kept)

    def backlog(self) -> int:
        """Return how many connections may wait at a listener that is to be guarded."""
        return Bounds.of(_limit()).backlog

    def guard(self, listener: int) -> None:
        """Hold back connections to this listening TCP socket while descriptors are scarce, until it is closed.

        No reset arrives at connections that it accepts.
        """
        with self._lock:
            self._listeners.append(_Listener(listener, os.fstat(listener).st_ino))
            self._filter(self._listeners[-1:])
            self._take(Bounds.of(_limit()).kept)
            if self._watch is None:
                self._watch = threading.Thread(target=self._look_often, name="descriptors", daemon=True)
                self._watch.start()

    def hold(self, listener: int, *, held: bool) -> None:
        """Hold back connections to a guarded listener, or no longer, whatever the descriptors."""
        with self._lock:
            found = [one for one in self._listeners if one.descriptor == listener and one.is_open()]
            self._held = self._held.union(found) if held else self._held.difference(found)
            self._filter(found)

    def look(self) -> None:
        """Compare the number in use with the bounds, and act on it. Called when one was not free, too."""
        with self._lock:
            limit, used = _limit(), count() - len(self._reserve)
            bounds = Bounds.of(limit)
            self._listeners = [listener for listener in self._listeners if listener.is_open()]
            self._held.intersection_update(self._listeners)
            self._warn(used, limit - bounds.kept)
            if not self._closed and used >= bounds.close and self._listeners:
                self._closed = True
                self._filter(self._listeners)
                self._release()
                logger.error("file descriptors: %d of %d are in use: further ZeroMQ connections wait", used, limit)
            elif self._closed and used <= bounds.reopen:
                self._closed = False
                self._filter(self._listeners)
                logger.warning("file descriptors: %d of %d are in use: ZeroMQ connections are accepted", used, limit)
            if self._closed or not self._listeners:
                self._release()
            else:
                self._take(bounds.kept)

    # -- under the lock -----------------------------------------------------------------------------------------
    def _warn(self, used: int, usable: int) -> None:
        if not self._warned and used >= WARN_AT * usable:
            self._warned = True
            logger.warning("file descriptors: %d of %d are in use: see docs/runbook.md", used, usable)
        elif self._warned and used < (WARN_AT - 0.1) * usable:
            self._warned = False

    def _filter(self, listeners: Iterable[_Listener]) -> None:
        """Let the kernel drop what arrives at listeners, or only resets. Open connections are not affected."""
        for listener in listeners:
            try:
                bound = socket.socket(fileno=listener.descriptor)
            except OSError:
                continue  # closed meanwhile
            try:
                (DROP_ALL if self._closed or listener in self._held else DROP_RESETS).attach(bound)
            except OSError as error:
                if not self._unfiltered:
                    self._unfiltered = True
                    text = "ZeroMQ: clients can end this process, because the kernel has no packet filter (%s): see %s"
                    logger.error(text, error.strerror, "docs/security.md")
            finally:
                bound.detach()

    def _take(self, number: int) -> None:
        """Occupy descriptors, so that a flood between two looks cannot use them up."""
        try:
            while len(self._reserve) < number:
                self._reserve.append(os.dup(self._reserve[0]) if self._reserve else os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return

    def _release(self) -> None:
        reserve, self._reserve = self._reserve, []
        for descriptor in reserve:
            os.close(descriptor)

    # -- the thread ---------------------------------------------------------------------------------------------
    def _look_often(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            self.look()
            with self._lock:
                if not self._listeners:
                    self._watch = None
                    self._closed = False
                    return


DESCRIPTORS = Descriptors()
"""Those of this process."""


def raise_limit() -> None:
    """Raise the number of descriptors that this process may have: to the hard limit, or `MOST`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def require(number: int) -> None:
    """Raise OSError unless this many are free, for what does not clean up after it has taken only some of them."""
    taken: list[int] = []
    try:
        for _ in range(number):
            taken.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - kept where one fails, to be closed
    finally:
        for descriptor in taken:
            os.close(descriptor)


def count() -> int:
    """Return the number of open descriptors."""
    # Since Linux 6.2, the size of this folder is their number; before, it is 0, and reading it takes a descriptor.
    try:
        return _OPEN.stat().st_size or len(list(_OPEN.iterdir()))
    except OSError as error:
        if error.errno not in EXHAUSTED:
            raise
        return _limit()


def _limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft
