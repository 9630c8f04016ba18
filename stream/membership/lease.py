"""The leases of an engine's cameras: which it may publish, under which generation, and until when.

No sockets, no threads and no clock of its own: times are given as arguments, in nanoseconds of CLOCK_BOOTTIME, which
goes on while the machine sleeps. The event loop calls the methods that change something. `permits` and `generation` may
be called by any thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from stream.membership.protocol import Grant

ENDED_REMEMBERED = 1024
"""Cameras that the engine no longer has, whose last generation is remembered: clips are completed after a move."""
RUNS_REMEMBERED = 16
"""Earlier runs of the coordinator, whose late grants are ignored."""


def boottime_ns() -> int:
    """Return the time since the machine started, suspension included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Leases:
    """What the coordinator has granted, and under which generation each camera runs.

    With the fence `soft`, every message is permitted. With `strict`, only those of cameras that run under the
    generation that was granted last, and only until the lease ends.
    """

    def __init__(self, now_ns: Callable[[], int] = boottime_ns) -> None:
        self.coordinator: str | None = None
        """The coordinator's run; None before the first grant."""
        self.version = 0
        """Version of the assignment that was taken over; 0 for none."""
        self.strict = False
        self.ends_ns = 0
        """When the lease ends."""
        self.answered_ns = 0
        """When the renewal was asked that was answered last; 0 if none was."""
        self._now_ns = now_ns
        self._asked_ns: tuple[int, int] | None = None
        """The first and the last renewal on this connection."""
        self._earlier_runs: deque[str] = deque(maxlen=RUNS_REMEMBERED)
        self._granted: dict[str, int] = {}
        self._running: dict[str, int] = {}
        self._generations: dict[str, int] = {}
        self.generation: Callable[[str], int | None] = self._generations.get
        """Returns the generation under which the camera runs, or last ran; None if it is not known. It is the method of
        a dict, because it is called for every message."""
        self._permitted: dict[str, int] = {}
        """Cameras that run under the granted generation."""
        self._ended: dict[str, None] = {}

    # -- for the publisher --------------------------------------------------------------------------------------
    def permits(self, camera: str) -> bool:
        """Return whether a message of this camera may be published now."""
        # In this order: a caller that finds a prolonged lease also finds the cameras that were barred before that.
        return not self.strict or (self._now_ns() < self.ends_ns and camera in self._permitted)

    # -- renewals and grants ------------------------------------------------------------------------------------
    def connected(self) -> None:
        """Record that the connection to the coordinator is a new one, so that no late grant can arrive.

        A run of the coordinator that was left for another one may then be followed again.
        """
        self._earlier_runs.clear()
        self._asked_ns = None

    def asked(self, now_ns: int) -> None:
        """Record that a renewal is about to be sent, from which its lease will count."""
        self._asked_ns = (now_ns if self._asked_ns is None else self._asked_ns[0], now_ns)

    def granted(self, grant: Grant) -> Literal["assignment", "lease", "ignored"]:
        """Take a grant over. Return whether it changed the assignment, only prolonged the lease, or was ignored.

        Cameras that it lacks, or that it has under another generation, are barred first. Only then is the lease
        prolonged: a process that was paused would otherwise publish what another engine has meanwhile.

        Ignored are: answers to another process, late grants of an earlier version or an earlier run of the coordinator,
        and changes to a version that the engine does not have. After these, `version` is such that the coordinator
        sends the whole assignment.
        """
        if self._asked_ns is None or not self._asked_ns[0] <= grant.asked_ns <= self._asked_ns[1]:
            return "ignored"
        if grant.coordinator != self.coordinator:
            if grant.coordinator in self._earlier_runs or grant.asked_ns <= self.answered_ns:
                return "ignored"
            if self.coordinator is not None:
                self._earlier_runs.append(self.coordinator)
            self.coordinator, self.version = grant.coordinator, 0
        if grant.version < self.version:
            return "ignored"
        if grant.generations is None and grant.version != self.version:
            self.version = 0
            return "ignored"
        changed = grant.generations is not None and grant.version > self.version
        if changed:
            assert grant.generations is not None
            self._granted = dict(grant.generations)
            self._permitted = {
                camera: generation
                for camera, generation in self._running.items()
                if grant.generations.get(camera) == generation
            }
            self.version = grant.version
        self.answered_ns = max(self.answered_ns, grant.asked_ns)
        if grant.ttl_ms:
            self.ends_ns = max(self.ends_ns, grant.asked_ns + grant.ttl_ms * 1_000_000)
        self.strict = grant.fence == "strict"
        return "assignment" if changed else "lease"

    def forget_version(self) -> None:
        """Have the coordinator send the whole assignment again."""
        self.version = 0

    # -- cameras ------------------------------------------------------------------------------------------------
    def begin(self, camera: str, generation: int) -> None:
        """Record that the camera is about to start under this generation."""
        self._ended.pop(camera, None)
        self._running[camera] = self._generations[camera] = generation
        if self._granted.get(camera) == generation:
            self._permitted[camera] = generation
        else:
            self._permitted.pop(camera, None)

    def end(self, camera: str) -> None:
        """Record that the engine no longer has the camera, and that its last message is published."""
        self._permitted.pop(camera, None)
        if self._running.pop(camera, None) is None:
            return
        self._ended[camera] = None
        while len(self._ended) > ENDED_REMEMBERED:
            forgotten = next(iter(self._ended))
            del self._ended[forgotten], self._generations[forgotten]

    @property
    def running(self) -> dict[str, int]:
        """The cameras that run, with their generations."""
        return dict(self._running)
