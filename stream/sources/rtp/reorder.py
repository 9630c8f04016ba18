"""ReorderBuffer: packets that arrived early, kept until the missing ones arrive or are given up."""

from __future__ import annotations

GIVE_UP_NS = 50_000_000
"""An overtaken packet arrives within milliseconds. After this time it is lost."""
MAX_PACKETS, MAX_BYTES = 1024, 4 << 20
"""Limits: more than a camera of 100 Mbit/s sends in that time."""

FEW = 64
"""With up to this many packets, the next one is found by comparing them; with more, by trying sequence numbers."""


class ReorderBuffer:
    """Holds copies by sequence number. Packets in order are never put here."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[bytes, int]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, sequence: int, packet: memoryview, now_ns: int) -> None:
        """Keep an early packet, unless its number is held already."""
        if sequence not in self._held:
            self._held[sequence] = (bytes(packet), now_ns)
            self._bytes += len(packet)

    def pop(self, sequence: int) -> bytes | None:
        """Remove and return the packet with this number, or None."""
        held = self._held.pop(sequence, None)
        if held is None:
            return None
        self._bytes -= len(held[0])
        return held[0]

    def overdue(self, now_ns: int) -> bool:
        """Return whether the missing packets are to be given up: they are overdue, or too many packets are held.

        Packets are held in order of arrival, so the first has waited longest.
        """
        if not self._held:
            return False
        _, since_ns = next(iter(self._held.values()))
        return now_ns - since_ns > GIVE_UP_NS or len(self._held) > MAX_PACKETS or self._bytes > MAX_BYTES

    def first_from(self, expected: int) -> int:
        """Return the first held number from `expected` on; at least one packet must be held.

        With many gaps, each number is tried once: searching all held packets for every gap took 0.3 ms a packet.
        """
        if len(self._held) > FEW:
            while expected not in self._held:
                expected = (expected + 1) & 0xFFFF
            return expected
        return min(self._held, key=lambda sequence: (sequence - expected) & 0xFFFF)
