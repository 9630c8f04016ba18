"""BitWriter: parameter sets and slice headers that no available encoder writes."""

from __future__ import annotations


class BitWriter:
    """A sequence of bits, the most significant first."""

    def __init__(self, bits: str = "") -> None:
        self.bits = bits

    def fixed(self, value: int, count: int) -> BitWriter:
        self.bits += f"{value:0{count}b}" if count else ""
        return self

    def flags(self, *flags: bool | int) -> BitWriter:
        self.bits += "".join("1" if flag else "0" for flag in flags)
        return self

    def unsigned(self, *values: int) -> BitWriter:
        for value in values:
            code = f"{value + 1:b}"
            self.bits += "0" * (len(code) - 1) + code
        return self

    def signed(self, *values: int) -> BitWriter:
        return self.unsigned(*(2 * value - 1 if value > 0 else -2 * value for value in values))

    def nal(self, header: bytes) -> bytes:
        """Return a NAL unit, with trailing bits and emulation prevention."""
        bits = self.bits + "1"
        bits += "0" * (-len(bits) % 8)
        return header + escaped(bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)))


def escaped(raw: bytes) -> bytes:
    """Return the bytes with emulation prevention."""
    out = bytearray()
    zeros = 0
    for byte in raw:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)
