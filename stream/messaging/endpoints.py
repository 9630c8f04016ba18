"""Binding of the engine's ZeroMQ sockets, and the check whether other hosts can reach them."""

from __future__ import annotations

import errno
import ipaddress
import logging
import re
import socket as sockets
from pathlib import Path

import zmq

from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

KEEPALIVE_IDLE_S, KEEPALIVE_S, KEEPALIVE_COUNT = 10, 5, 3
"""The kernel asks after this silence whether a client is still there, again at this interval, and so often at most."""


class EndpointError(ConfigError):
    """A configured endpoint cannot be bound; the message names the field and says what to do."""


def bind(socket: zmq.Socket[bytes], endpoint: str, field: str) -> str:
    """Bind the socket and return the bound address, with a real port. Raises `EndpointError` naming `field`."""
    # libzmq 4.3.5 aborts the process if a connection with a full queue ends abruptly. At 1, three subscriptions, a ping
    # and a reset do that; at 1000, 1,500 subscriptions; at 0, 5,000 subscriptions and 9,000 requests did not.
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT)
    if "[" in endpoint:
        socket.setsockopt(zmq.IPV6, 1)
    if why := _why_not_free(endpoint):
        raise EndpointError(f"{field}: {endpoint} {why}: choose another path")
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        port = re.search(r":([0-9]+)$", endpoint)
        if error.errno == zmq.EADDRINUSE:
            raise EndpointError(
                f"{field}: {endpoint} is in use by another program (another engine?): "
                "choose another port, or 0 for any free one"
            ) from None
        raise EndpointError(
            f"{field}: can't listen on {endpoint!r} ({error.strerror}): "
            "use tcp://ADDRESS:PORT with an address of this machine, "
            f"for example tcp://127.0.0.1:{port[1] if port is not None else 5555}"
        ) from None
    return str(socket.getsockopt_string(zmq.LAST_ENDPOINT))


def check_reach(address: str, field: str, *, allow_plaintext: bool) -> None:
    """Refuse a bound address that other hosts can reach without CURVE, or log a warning if that is allowed.

    Raises `EndpointError` naming `field`.
    """
    if _only_this_machine(address):
        return
    if not allow_plaintext:
        raise EndpointError(
            f"{field}: anyone who can reach {address} could read all results: make keys with `partstream keys new` and "
            "set publish.curve_secret_key_file and publish.curve_allowed_keys, or set publish.allow_plaintext: true "
            "on a trusted network"
        )
    text = "%s: anyone who can reach %s can read all results, unencrypted (allow_plaintext)"
    logger.warning(text, field, address)


def _only_this_machine(address: str) -> bool:
    """Whether a bound endpoint, with a literal address, is only reachable from this machine."""
    transport, _, place = address.partition("://")
    if transport != "tcp":
        return transport in ("ipc", "inproc")
    host = place.rpartition(":")[0].removeprefix("[").removesuffix("]").partition("%")[0]
    return ipaddress.ip_address(host).is_loopback


# -- paths of `ipc://` --------------------------------------------------------------------------------------------
def _why_not_free(endpoint: str) -> str:
    """Return why the path of an `ipc://` endpoint must not be bound, as the end of a sentence; empty if it is free.

    libzmq removes whatever is at the path before it binds: any file, or the socket of another engine. A socket on
    which no process listens is free.
    """
    scheme, _, place = endpoint.partition("://")
    if scheme != "ipc" or place in ("", "*") or place.startswith("@"):  # without a file, or with a new one
        return ""
    path = Path(place)
    if path.exists() and not path.is_socket():
        return "is a file, which would be lost"
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as trial:
        trial.setblocking(False)
        try:
            code = trial.connect_ex(place)
        except OSError:  # too long a path, as binding will say
            return ""
    if code in (errno.ECONNREFUSED, errno.ENOENT):
        return ""
    return "belongs to another user" if code == errno.EACCES else "is in use by another program (another engine?)"
