"""Programs for the kernel's packet filter, which drops what arrives at a TCP socket.

A connection starts with the program of the socket that accepts it.
"""

from __future__ import annotations

import ctypes
import socket
import struct

_ATTACH = 26
"""`SO_ATTACH_FILTER`, which Python does not name."""
_LOAD_BYTE, _LOAD_LENGTH = 0x30, 0x80
_SHIFT_RIGHT, _SHIFT_LEFT, _TO_X, _SUBTRACT_X = 0x74, 0x64, 0x07, 0x1C
_IF_ANY_OF, _IF_EQUAL, _RETURN = 0x45, 0x15, 0x06
_HEADER_WORDS, _FLAGS, _RESET = 12, 13, 0x04
"""Offsets of the TCP header's length (upper half of the byte) and flags; the flag of a reset."""
_KEEP = 0xFFFFFFFF
"""Number of bytes to keep: all."""


class Program:
    """A program of the classic packet filter. An instruction has a code, jumps if true and if false, and an operand."""

    def __init__(self, *instructions: tuple[int, int, int, int]) -> None:
        code = b"".join(struct.pack("HBBI", *one) for one in instructions)
        self._code = ctypes.create_string_buffer(code, len(code))
        self._told = struct.pack("HP", len(instructions), ctypes.addressof(self._code))

    def attach(self, connection: socket.socket) -> None:
        """Use this program from now on, instead of any other. Raises OSError if the kernel has no such filter."""
        connection.setsockopt(socket.SOL_SOCKET, _ATTACH, self._told)


DROP_ALL = Program((_RETURN, 0, 0, 0))
"""Nothing arrives."""
DROP_RESETS = Program(
    (_LOAD_BYTE, 0, 0, _FLAGS),
    (_IF_ANY_OF, 0, 1, _RESET),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, _KEEP),
)
"""Resets do not arrive, so the connection ends only after what was sent before has been read."""
DROP_DATA = Program(
    (_LOAD_BYTE, 0, 0, _HEADER_WORDS),
    (_SHIFT_RIGHT, 0, 0, 4),
    (_SHIFT_LEFT, 0, 0, 2),
    (_TO_X, 0, 0, 0),
    (_LOAD_LENGTH, 0, 0, 0),
    (_SUBTRACT_X, 0, 0, 0),
    (_IF_EQUAL, 0, 2, 0),
    (_LOAD_BYTE, 0, 0, _FLAGS),
    (_IF_ANY_OF, 0, 1, _RESET),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, _KEEP),
)
"""As `DROP_RESETS`, and no further data arrives."""
