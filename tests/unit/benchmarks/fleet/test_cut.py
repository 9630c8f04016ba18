"""The connection that the benchmark cuts."""

from __future__ import annotations

import asyncio

from benchmarks.fleet.cut import Cut
from benchmarks.fleet.ports import reserved_port
from support.waiting import settle


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_what_is_sent_while_it_is_cut_arrives_when_it_is_mended() -> None:
    port, to = reserved_port(), reserved_port()
    async with await asyncio.start_server(_echo, "127.0.0.1", to), Cut(port, to) as cut:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        cut.cut()
        writer.write(b"during")
        answer = asyncio.ensure_future(reader.readexactly(6))
        later, other = await asyncio.open_connection("127.0.0.1", port)
        other.write(b"new")
        await settle()
        assert not answer.done()
        cut.mend()
        assert (await answer, await later.readexactly(3)) == (b"during", b"new")
        writer.close()
        other.close()


async def test_a_connection_ends_with_the_other_side() -> None:
    port = reserved_port()
    async with Cut(port, reserved_port()):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
