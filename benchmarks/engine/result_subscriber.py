"""Subscriber in the benchmark's process that records when each result arrives.

It makes the engine send its results, and measures what another process receives.
"""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType

import msgspec
import numpy as np
import zmq


class _ResultId(msgspec.Struct):
    """The fields that identify a result; the others are skipped."""

    camera: str
    epoch: int
    seq: int
    frame: int
    media_time_us: int


class ResultSubscriber:
    """Subscribes to `results/v1/` at `endpoint` in a thread, within its `with` block."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._rows: dict[str, list[tuple[int, int, int, int, int]]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._receive, name="subscriber", daemon=True)

    def __enter__(self) -> ResultSubscriber:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def rows(self, camera: str) -> np.ndarray:
        """Return the results of a camera in order of arrival.

        int64 [n, 5]: epoch, seq, received (monotonic ns), frame number, media time (µs).
        """
        return np.array(self._rows.get(camera, []), np.int64).reshape(-1, 5)

    def _receive(self) -> None:
        decode = msgspec.json.Decoder(_ResultId).decode
        with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
            subscriber.setsockopt(zmq.LINGER, 0)
            subscriber.setsockopt(zmq.RCVHWM, 10_000)
            subscriber.setsockopt(zmq.RECONNECT_IVL, 50)
            subscriber.subscribe(b"results/v1/")
            subscriber.connect(self._endpoint)
            while not self._ended.is_set():
                if not subscriber.poll(100):
                    continue
                _, body = subscriber.recv_multipart()
                now_ns = time.monotonic_ns()
                result = decode(body)
                row = (result.epoch, result.seq, now_ns, result.frame, result.media_time_us)
                self._rows.setdefault(result.camera, []).append(row)


def free_endpoint() -> str:
    """Return an unused loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"
