"""Binding of the engine's ZeroMQ sockets, and the check whether other hosts can reach them."""

from __future__ import annotations

import ipaddress
import logging

import zmq

from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)


class EndpointError(ConfigError):
    """A configured endpoint cannot be bound; the message names the field and says what to do."""


def bind(socket: zmq.Socket[bytes], endpoint: str, field: str) -> str:
    """Bind the socket and return the bound address, with a real port. Raises `EndpointError` naming `field`."""
    if "[" in endpoint:
        socket.setsockopt(zmq.IPV6, 1)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            raise EndpointError(
                f"{field}: {endpoint} is in use by another program (another engine?): "
                "choose another port, or 0 for any free one"
            ) from None
        raise EndpointError(
            f"{field}: can't listen on {endpoint!r} ({error.strerror}): "
            "use tcp://ADDRESS:PORT with an address of this machine, for example tcp://127.0.0.1:5555"
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
