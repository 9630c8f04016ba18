"""Which connections are dead, because their other side was killed or vanished. It decides by their states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stream.messaging.connections.tcp_state import TcpState

RESET_SILENT_MS = 500
"""Without an answer for this long, what was dropped was a reset."""


@dataclass(frozen=True, slots=True)
class _Seen:
    identity: int
    received: int | None
    drops: int


class DeadConnections:
    """Finds dead connections. Resets are dropped (see `open_connections`), but counted by the kernel.

    Each reply to something that is sent to a process that was killed is a reset. What a full buffer cannot take is
    counted too, but then something has come since the last look.
    """

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def look(self, states: Iterable[tuple[int, int, TcpState]]) -> list[tuple[int, int]]:
        """Return those that are dead, by the descriptor, identity and state of each open one."""
        seen: dict[int, _Seen] = {}
        dead: list[tuple[int, int]] = []
        for descriptor, identity, state in states:
            before = self._seen.get(descriptor)
            now = _Seen(identity, state.received, state.drops)
            if state.dead or (before is not None and _was_reset(before, now) and state.silent_ms >= RESET_SILENT_MS):
                dead.append((descriptor, identity))
            elif before is None or (before.identity, before.received) != (identity, now.received):
                seen[descriptor] = now
            else:
                seen[descriptor] = before
        self._seen = seen
        return dead


def _was_reset(before: _Seen, now: _Seen) -> bool:
    return (before.identity, before.received) == (now.identity, now.received) and now.drops > before.drops
