"""Finds connections whose other side was killed or has vanished, by what the kernel knows of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stream.messaging.connections.tcp_state import TcpState

RESET_SILENT_MS = 500
"""If no answer came for this long, a dropped segment is taken for a reset."""


@dataclass(frozen=True, slots=True)
class _Seen:
    identity: int
    at: float
    received: int | None
    drops: int


class DeadConnections:
    """Finds dead connections. Resets are dropped (see `open_connections`), but the kernel counts them.

    The host of a process that was killed answers everything with a reset, so that the kernel's questions stay
    unanswered. Other segments are counted too: late ones, what a full buffer cannot take, and a client's own probes.
    """

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        """What was seen of each connection when it last sent or answered something."""

    def look(self, states: Iterable[tuple[int, int, TcpState]], now: float) -> list[tuple[int, int]]:
        """Return descriptor and identity of the dead ones among all open connections. `now` in seconds."""
        seen: dict[int, _Seen] = {}
        dead: list[tuple[int, int]] = []
        for descriptor, identity, state in states:
            before = self._seen.get(descriptor)
            if state.dead:
                dead.append((descriptor, identity))
            elif before is None or before.identity != identity or _came_since(before, state, now):
                seen[descriptor] = _Seen(identity, now, state.received, state.drops)
            elif state.drops > before.drops and not state.answers and state.silent_ms >= RESET_SILENT_MS:
                dead.append((descriptor, identity))
            else:
                seen[descriptor] = before
        self._seen = seen
        return dead


def _came_since(before: _Seen, state: TcpState, now: float) -> bool:
    return state.received != before.received or state.silent_ms < 1000 * (now - before.at)
