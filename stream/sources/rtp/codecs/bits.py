"""BitReader: the bits and Exp-Golomb codes of an H.264 or H.265 NAL unit."""

from __future__ import annotations

MAX_ZEROS = 31
"""Zeros before the first 1 of a code of at most 32 bits."""


class MalformedError(Exception):
    """The data ends too soon or contains an invalid value."""


class BitReader:
    """Reads a NAL unit without its header from the first bit on. Emulation prevention bytes are removed."""

    def __init__(self, nal: bytes) -> None:
        raw = nal.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(raw, "big")
        self._left = 8 * len(raw)

    def bits(self, count: int) -> int:
        """Return the next `count` bits, most significant first. Raises `MalformedError` if too few are left."""
        self._left -= count
        if self._left < 0:
            raise MalformedError("ends too soon")
        return self._value >> self._left & (1 << count) - 1

    def flag(self) -> bool:
        """Return the next bit."""
        return self.bits(1) == 1

    def skip(self, count: int) -> None:
        """Skip `count` bits."""
        self.bits(count)

    def unsigned(self) -> int:
        """Return the next ue(v) code."""
        rest = self._value & (1 << self._left) - 1
        zeros = self._left - rest.bit_length()
        if zeros > MAX_ZEROS:
            raise MalformedError("invalid code")
        self._left -= zeros
        return self.bits(zeros + 1) - 1

    def signed(self) -> int:
        """Return the next se(v) code."""
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)

    def at_most(self, maximum: int) -> int:
        """Return the next ue(v) code. Raises `MalformedError` if it is greater than `maximum`."""
        code = self.unsigned()
        if code > maximum:
            raise MalformedError("out of range")
        return code
