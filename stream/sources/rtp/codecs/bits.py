"""BitReader: the bits of an H.264 or H.265 NAL unit, with its Exp-Golomb codes. Pure."""

from __future__ import annotations

SLICE_HEADER_BYTES = 48
"""Of a slice: what is read of its header is within them."""
MOST_ZEROS = 31
"""Before a code's first one, in a code of at most 32 bits."""


class MalformedError(Exception):
    """The bits end too soon, or say what can't be."""


class BitReader:
    """Reads `nal`, without its header, from the first bit on; the emulation prevention bytes are taken out."""

    def __init__(self, nal: bytes) -> None:
        raw = nal.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(raw, "big")
        self._left = 8 * len(raw)

    def bits(self, count: int) -> int:
        """The next `count` bits, the first the highest. Raises `MalformedError` if there are no more."""
        self._left -= count
        if self._left < 0:
            raise MalformedError("ends too soon")
        return self._value >> self._left & (1 << count) - 1

    def flag(self) -> bool:
        """One bit."""
        return self.bits(1) == 1

    def skip(self, count: int) -> None:
        """Leave out `count` bits."""
        self.bits(count)

    def unsigned(self) -> int:
        """ue(v)."""
        rest = self._value & (1 << self._left) - 1
        zeros = self._left - rest.bit_length()
        if zeros > MOST_ZEROS:
            raise MalformedError("no such code")
        self._left -= zeros
        return self.bits(zeros + 1) - 1

    def signed(self) -> int:
        """se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)

    def at_most(self, most: int) -> int:
        """ue(v), which may not be above `most`."""
        code = self.unsigned()
        if code > most:
            raise MalformedError("out of range")
        return code
