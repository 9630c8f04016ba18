"""Two readers of a fleet's results: our own subscriber, and a raw one at each engine's socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import zmq
import zmq.asyncio

from stream.subscriber import subscribe


class Row(msgspec.Struct):
    """The fields of a result that are needed, and when it was received, monotonic ns."""

    camera: str
    run: str
    epoch: int
    seq: int
    generation: int = 0
    at_ns: int = 0


@asynccontextmanager
async def _read(read: Callable[[list[Row]], Coroutine[Any, Any, None]]) -> AsyncGenerator[list[Row]]:
    rows: list[Row] = []
    reading = asyncio.create_task(read(rows), name="reader")
    try:
        yield rows
        if reading.done():
            reading.result()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def raw_results(endpoints: Sequence[str]) -> AbstractAsyncContextManager[list[Row]]:
    """Receive what the engines at `endpoints` publish, old generations too. Yields the results so far."""

    async def read(rows: list[Row]) -> None:
        decode = msgspec.json.Decoder(Row).decode
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as reader:
            for option, value in ((zmq.RCVHWM, 0), (zmq.RECONNECT_IVL, 20), (zmq.RECONNECT_IVL_MAX, 100)):
                reader.setsockopt(option, value)
            reader.subscribe(b"results/v1/")
            for endpoint in endpoints:
                reader.connect(endpoint)
            while True:
                row = decode((await reader.recv_multipart())[-1])
                row.at_ns = time.monotonic_ns()
                rows.append(row)

    return _read(read)


def fleet_results(directory: str) -> AbstractAsyncContextManager[list[Row]]:
    """Read all cameras with `subscribe("fleet://…")`. Yields what was handed out; raises what ends it."""

    async def read(rows: list[Row]) -> None:
        async with subscribe(f"fleet://{directory}") as results:
            async for one in results:
                row = Row(one.camera, one.run, one.epoch, one.seq, one.generation or 0, time.monotonic_ns())
                rows.append(row)

    return _read(read)
