"""A subscriber in the measuring process: takes every result that the engine publishes and notes when.

Owns a SUB socket and a thread; both end with the `with` block. It is there so that the engine really sends, and to
measure what a reader in another process sees.
"""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType

import msgspec
import numpy as np
import zmq


class _Place(msgspec.Struct):
    """The fields of a result that say which one it is; the rest is skipped."""

    camera: str
    epoch: int
    seq: int


class Tap:
    """Subscribes to `results/v1/` at `endpoint`; `rows(camera)` is `[n, 3]`: epoch, seq, received (monotonic ns)."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._rows: dict[str, list[tuple[int, int, int]]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._take, name="tap", daemon=True)

    def __enter__(self) -> Tap:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def rows(self, camera: str) -> np.ndarray:
        """What came for one camera, in order."""
        return np.array(self._rows.get(camera, []), np.int64).reshape(-1, 3)

    def _take(self) -> None:
        decode = msgspec.json.Decoder(_Place).decode
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
                place = decode(body)
                self._rows.setdefault(place.camera, []).append((place.epoch, place.seq, now_ns))


def free_endpoint() -> str:
    """An address on this machine that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"
