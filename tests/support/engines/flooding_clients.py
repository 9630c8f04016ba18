"""Clients of a publisher that send subscriptions without a pause, until each is disconnected.

Run as `python -m support.engines.flooding_clients HOST PORT CLIENTS`.
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys

from support.engines.raw_zmtp import GREETING

READY = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", 3) + b"SUB"
MANY = b"\x00\x02\x01z" * 500


def flood(host: str, port: int, clients: int) -> None:
    """Connect, and send."""
    with selectors.DefaultSelector() as writable:
        for _ in range(clients):
            client = socket.create_connection((host, port))
            client.sendall(GREETING + b"\x04" + bytes([len(READY)]) + READY)
            client.setblocking(False)
            writable.register(client, selectors.EVENT_WRITE, b"")
        while writable.get_map():
            for key, _ in writable.select():
                client = key.fileobj
                assert isinstance(client, socket.socket)
                try:
                    unsent = key.data or MANY
                    writable.modify(client, selectors.EVENT_WRITE, unsent[client.send(unsent) :])
                except BlockingIOError:
                    pass
                except OSError:
                    writable.unregister(client)
                    client.close()


if __name__ == "__main__":
    flood(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
