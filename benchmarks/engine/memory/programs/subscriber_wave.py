"""A wave of subscribers in one process: they connect, subscribe, receive, and leave or wait to be killed.

    python -m benchmarks.engine.memory.programs.subscriber_wave ENDPOINT REPLAY COUNT UNREAD

Of COUNT subscribers, UNREAD never read. When each of the others has a message, and one in ten an answer to a request
for replay, it prints a line. When it reads a line from standard input, all leave properly.
"""

from __future__ import annotations

import json
import sys
import time

import zmq

PREFIXES = ("results/v1/", "", "results/v1/cam0/", "status/v1/", "events/v1/", "stats/v1/")
REPLAYS_EACH = 10
WITHIN_S = 300.0
LINGER_MS = 0


def main() -> None:
    """Run the wave."""
    endpoint, replay, count, unread = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 2 * count + 16)
    poller = zmq.Poller()
    for number in range(count):
        socket = context.socket(zmq.SUB)
        socket.linger = LINGER_MS
        if number < unread:
            socket.rcvhwm, socket.rcvbuf = 1, 4096
        else:
            poller.register(socket, zmq.POLLIN)
        socket.connect(endpoint)
        socket.subscribe("" if number < unread else PREFIXES[number % len(PREFIXES)])
        if number % REPLAYS_EACH == 0:
            poller.register(_asks(context, replay, number), zmq.POLLIN)
    awaited = len(poller.sockets)
    until = time.monotonic() + WITHIN_S
    while awaited and time.monotonic() < until:
        for socket, _ in poller.poll(1000):
            socket.recv_multipart()
            poller.unregister(socket)
            awaited -= 1
    print(awaited, flush=True)
    sys.stdin.readline()
    context.destroy(LINGER_MS)


def _asks(context: zmq.Context[zmq.Socket[bytes]], replay: str, number: int) -> zmq.Socket[bytes]:
    """Return a socket that has requested a replay, which has at least one answer."""
    socket = context.socket(zmq.DEALER)
    socket.linger = LINGER_MS
    socket.connect(replay)
    question = {"id": number, "topic": "results/v1/cam0/", "run": "0" * 32, "epoch": 1, "from_seq": 0, "limit": 5}
    socket.send(json.dumps(question).encode())
    return socket


if __name__ == "__main__":
    main()
