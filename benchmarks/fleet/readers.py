"""Two readers of a fleet's results, each in a thread: our own subscriber, and a raw one at each engine's socket."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import msgspec
import zmq

from stream.subscriber import Moved, subscribe


@dataclass(frozen=True, slots=True)
class Row:
    """A result, and when it was received, monotonic ns."""

    at_ns: int
    camera: str
    run: str
    epoch: int
    seq: int
    frame: int
    generation: int


class _Result(msgspec.Struct):
    """The fields of a result that are needed; the others are skipped."""

    camera: str
    run: str
    epoch: int
    seq: int
    frame: int
    generation: int = 0


class WireReader:
    """Receives what the engines at `endpoints` publish, old generations too, within its `with` block."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        self.rows: list[Row] = []
        """In the order in which they were received."""
        self._endpoints = endpoints
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._receive, name="wire", daemon=True)

    def __enter__(self) -> WireReader:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _receive(self) -> None:
        decode = msgspec.json.Decoder(_Result).decode
        with zmq.Context() as context, context.socket(zmq.SUB) as reader:
            reader.setsockopt(zmq.LINGER, 0)
            reader.setsockopt(zmq.RCVHWM, 100_000)
            reader.setsockopt(zmq.RECONNECT_IVL, 20)
            reader.setsockopt(zmq.RECONNECT_IVL_MAX, 100)
            reader.subscribe(b"results/v1/")
            for endpoint in self._endpoints:
                reader.connect(endpoint)
            while not self._ended.is_set():
                if reader.poll(100):
                    one = decode(reader.recv_multipart()[-1])
                    row = (one.camera, one.run, one.epoch, one.seq, one.frame, one.generation)
                    self.rows.append(Row(time.monotonic_ns(), *row))


class FleetReader:
    """Reads the results of all cameras with `subscribe("fleet://…")`, within its `with` block."""

    def __init__(self, directory: str) -> None:
        self.rows: list[Row] = []
        """What it has handed out, in order."""
        self.moves: list[Moved] = []
        self.error: BaseException | None = None
        self._directory = directory
        self._loop = asyncio.new_event_loop()
        self._reading: asyncio.Task[None] | None = None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet subscriber", daemon=True)

    def __enter__(self) -> FleetReader:
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._reading is not None
        self._loop.call_soon_threadsafe(self._reading.cancel)
        self._thread.join()

    def _run(self) -> None:
        self._reading = self._loop.create_task(self._read())
        self._begun.set()
        try:
            self._loop.run_until_complete(self._reading)
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self.error = error
        finally:
            self._loop.close()

    async def _read(self) -> None:
        async with subscribe(f"fleet://{self._directory}", on_moved=self.moves.append) as results:
            async for one in results:
                row = (one.camera, one.run, one.epoch, one.seq, one.frame, one.generation or 0)
                self.rows.append(Row(time.monotonic_ns(), *row))
