"""Two readers of a fleet's results: our own subscriber, and a raw one at each engine's socket."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import msgspec
import zmq

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
async def raw_results(endpoints: Sequence[str]) -> AsyncGenerator[list[Row]]:
    """Receive in a thread what the engines at `endpoints` publish, old generations too. Yields the results so far."""
    rows: list[Row] = []
    ended = threading.Event()

    def receive() -> None:
        decode = msgspec.json.Decoder(Row).decode
        with zmq.Context() as context, context.socket(zmq.SUB) as reader:
            reader.setsockopt(zmq.LINGER, 0)
            reader.setsockopt(zmq.RCVHWM, 100_000)
            reader.setsockopt(zmq.RECONNECT_IVL, 20)
            reader.setsockopt(zmq.RECONNECT_IVL_MAX, 100)
            reader.subscribe(b"results/v1/")
            for endpoint in endpoints:
                reader.connect(endpoint)
            while not ended.is_set():
                if reader.poll(100):
                    row = decode(reader.recv_multipart()[-1])
                    row.at_ns = time.monotonic_ns()
                    rows.append(row)

    thread = threading.Thread(target=receive, name="raw results", daemon=True)
    thread.start()
    try:
        yield rows
    finally:
        ended.set()
        thread.join()


@asynccontextmanager
async def fleet_results(directory: str) -> AsyncGenerator[list[Row]]:
    """Read the results of all cameras with `subscribe("fleet://…")`. Yields what it has handed out so far.

    Raises what ends the subscriber.
    """
    rows: list[Row] = []

    async def read() -> None:
        async with subscribe(f"fleet://{directory}") as results:
            async for one in results:
                generation = one.generation or 0
                rows.append(Row(one.camera, one.run, one.epoch, one.seq, generation, time.monotonic_ns()))

    reading = asyncio.create_task(read(), name="fleet results")
    try:
        yield rows
        if reading.done():
            reading.result()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
