"""Requests that are not valid HTTP, or that aiohttp answers by itself. Each contains `SECRET`."""

from __future__ import annotations

import asyncio

SECRET = b"SECRET"
_HOST = b"Host: localhost\r\n"
_POST = b"POST /healthz HTTP/1.1\r\n" + _HOST

INVALID_REQUESTS = {
    "cookie": b"GET /healthz HTTP/1.1\r\n" + _HOST + b"Cookie: partstream_session=SECRET\x01\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\n" + _HOST + b"X-A: SECRET\r\n" * 1_000 + b"\r\n",
    "two hosts": b"GET /SECRET HTTP/1.1\r\n" + _HOST + _HOST + b"\r\n",
    "method": b"SECR@SECRET /healthz HTTP/1.1\r\n" + _HOST + b"\r\n",
    "long line": b"GET /" + SECRET * 3_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
    "address": b"GET http://[SECRET/ HTTP/1.1\r\n" + _HOST + b"\r\n",
    "length": _POST + b"Content-Length: SECRET\r\n\r\n",
    "length and chunks": _POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\nSECRET",
    "chunk size": _POST + b"Transfer-Encoding: chunked\r\n\r\nSECRET\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03SECRET",
}
"""Not valid HTTP: the answer is 400."""

LONG_HEAD = b"GET /healthz HTTP/1.1\r\n" + _HOST + (b"X-A: " + SECRET * 500 + b"\r\n") * 6
"""More than a head may have, although no line is too long: the answer is 431."""

UNMET = b"GET /healthz HTTP/1.1\r\n" + _HOST + b"Expect: SECRET\r\n\r\n"
"""A valid request that aiohttp refuses before the middleware: the answer is 417."""


async def answer_to(address: str, *parts: bytes) -> bytes:
    """Send these bytes, and return the response up to the connection's end. The last part is sent after the others."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read(-1)
    finally:
        writer.close()


def check_plain(answer: bytes, status: int) -> None:
    """Check that an answer repeats nothing of the request, and tells no version of a library."""
    assert answer.split(b" ")[1] == str(status).encode(), answer
    for told in (SECRET, b"aiohttp", b"Python", b"Traceback"):
        assert told not in answer, answer
    assert b"Server: partstream\r\n" in answer
