"""ReorderBuffer: packets that overtook others on their way, kept until those come or are given up. Pure."""

from __future__ import annotations

GIVE_UP_NS = 50_000_000
"""A packet that was overtaken comes within milliseconds; one that isn't there by then is lost."""
MOST_PACKETS, MOST_BYTES = 1024, 4 << 20
"""Kept behind a gap: more than a camera of 100 Mbit/s sends in that time."""

FEW = 64
"""Among so many packets the one that comes next is looked for; among more the next number that is there."""


class ReorderBuffer:
    """Holds copies, by sequence number. Packets in order never get here."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[bytes, int]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, sequence: int, packet: memoryview, now_ns: int) -> None:
        """Keep one that can't be taken yet; the second of two with the same number is left out."""
        if sequence not in self._held:
            self._held[sequence] = (bytes(packet), now_ns)
            self._bytes += len(packet)

    def pop(self, sequence: int) -> bytes | None:
        """The packet of this number, if it is here."""
        held = self._held.pop(sequence, None)
        if held is None:
            return None
        self._bytes -= len(held[0])
        return held[0]

    def overdue(self, now_ns: int) -> bool:
        """Whether what is missing before the held ones is to be given up: for its time, or because they are too many.

        They were put in by time of arrival, so the first is the one that has waited longest.
        """
        if not self._held:
            return False
        _, since_ns = next(iter(self._held.values()))
        return now_ns - since_ns > GIVE_UP_NS or len(self._held) > MOST_PACKETS or self._bytes > MOST_BYTES

    def first_from(self, expected: int) -> int:
        """The number of the held packet that comes soonest from `expected` on; there must be one.

        Over many gaps each number is tried once: looking through all that are held for every gap took 0.3 ms a packet.
        """
        if len(self._held) > FEW:
            while expected not in self._held:
                expected = (expected + 1) & 0xFFFF
            return expected
        return min(self._held, key=lambda sequence: (sequence - expected) & 0xFFFF)
