"""Checks of the engine's sockets: each is bound as the engine binds it, and closed again."""

from __future__ import annotations

import asyncio
import http.client
import re
import ssl
from collections.abc import Mapping
from time import monotonic

import zmq

from commands.doctor.finding import Finding, fault, ok, warning
from commands.doctor.port_owner import Owner, owner_of, process
from stream.http.server.app import HttpServer
from stream.messaging import endpoints
from stream.messaging.curve.allow_list import AllowList
from stream.messaging.curve.keys import KeyFileError, read_pair
from stream.messaging.endpoints import EndpointError
from stream.settings.config_error import ConfigError
from stream.settings.engine import PublishConfig
from stream.settings.network import HttpConfig

ASK_WITHIN_S = 2.0
ADVICE = re.compile(r"(?::|;) (?=(?:make|set|use|choose|lower) )")
"""Separates the problem from the remedy in a message."""
ANOTHER_PORT = "Stop that program, or choose another port (0 picks a free one)"
ANOTHER_PATH = "Stop that program, or choose another path"


def engine_at(config: HttpConfig) -> Owner | None:
    """Return the process of the partstream engine that answers at this address; None if there is none."""
    if config.bind is None:
        return None
    host, _, port = config.bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection: http.client.HTTPConnection
    if config.tls_certificate is not None:
        # The certificate does not matter: nothing secret is sent.
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, int(port), timeout=ASK_WITHIN_S, context=unverified)
    else:
        connection = http.client.HTTPConnection(host, int(port), timeout=ASK_WITHIN_S)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        if answer.getheader("Server") != "partstream":
            return None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return owner_of(int(port)) or Owner(0, "an engine")


def zeromq(
    field: str,
    endpoint: str,
    config: PublishConfig,
    engine: Owner | None = None,
    others: Mapping[str, str] | None = None,
) -> Finding:
    """Check whether `publish.endpoint` or `publish.replay` can be bound, and is protected if others can reach it.

    `engine` is the engine that runs here with this configuration, if any: its ports are in use, as they should be.
    `others`: the settings and endpoints that the engine binds before.
    """
    context = zmq.Context()
    try:
        with context.socket(zmq.XPUB) as socket:
            address = endpoints.bind(socket, endpoint, field)
    except EndpointError as error:
        return _not_bound(field, endpoint, str(error), engine)
    finally:
        context.term()
    try:
        if config.curve_secret_key_file is None:
            endpoints.check_reach(address, field, allow_plaintext=config.allow_plaintext)
    except EndpointError as error:
        return fault(field, *_split(field, str(error)))
    for other, with_it in (others or {}).items():
        if _same_port(endpoint, with_it) and not _binds_beside(endpoint, with_it):
            return fault(field, f"{endpoint} has the port of {other}, {with_it}", "Choose another port (0: any free)")
    return ok(field, f"{endpoint} is free")


def _same_port(first: str, second: str) -> bool:
    port = first.rpartition(":")[2]
    return port == second.rpartition(":")[2] and port not in ("0", "*")


def _binds_beside(endpoint: str, other: str) -> bool:
    """Return whether an endpoint that is free can be bound after the other; also if the other cannot be bound."""
    context = zmq.Context()
    try:
        with context.socket(zmq.XPUB) as before, context.socket(zmq.XPUB) as socket:
            try:
                endpoints.bind(before, other, "other")
            except EndpointError:
                return True
            try:
                endpoints.bind(socket, endpoint, "this")
            except EndpointError:
                return False
            return True
    finally:
        context.term()


def encryption(config: PublishConfig) -> Finding:
    """Check whether the CURVE keys can be read, if CURVE is configured."""
    if config.curve_secret_key_file is None:
        return ok("publish keys", "CURVE is not configured")
    assert config.curve_allowed_keys is not None
    try:
        read_pair(config.curve_secret_key_file)
        AllowList(config.curve_allowed_keys, monotonic())
    except KeyFileError as error:
        return fault("publish keys", str(error), "Make keys with `partstream keys new` (docs/security.md)")
    return ok("publish keys", "CURVE: the keys of the engine and its clients are readable")


def http_server(config: HttpConfig, engine: Owner | None = None, others: Mapping[str, str] | None = None) -> Finding:
    """Check whether the HTTP server can start, with its address, tokens and certificate.

    `others`: the settings and endpoints that the engine binds before.
    """
    if config.bind is None:
        return ok("http.bind", "the HTTP server is switched off")

    async def start_and_stop() -> None:
        server = HttpServer(config, metrics=lambda accept: (b"", ""), ready=_always_ready, alive=_always_ready)
        try:
            await server.start()
        finally:
            await server.stop()

    try:
        asyncio.run(start_and_stop())
    except ConfigError as error:
        return _not_bound("http.bind", config.bind, str(error), engine)
    for other, with_it in (others or {}).items():
        if _same_port(config.bind, with_it) and not _binds_beside(f"tcp://{config.bind}", with_it):
            return fault("http.bind", f"{config.bind} has the port of {other}, {with_it}", ANOTHER_PORT)
    return ok("http.bind", f"{config.bind} is free")


def _not_bound(field: str, address: str, message: str, engine: Owner | None) -> Finding:
    """Return why a socket could not be bound: if its port is in use, by which process."""
    if "in use" not in message:
        return fault(field, *_split(field, message))
    of_path = re.search(r"in use by process (\d+)", message)
    owner = process(int(of_path[1])) if of_path is not None else owner_of(int(address.rpartition(":")[2]))
    if engine is not None and (owner is None or owner.pid == engine.pid):
        return warning(
            field, f"{address} is in use by the engine that runs here, {engine}", "Only one engine can use it at a time"
        )
    taken_by = str(owner) if owner is not None else "a program of another user"
    remedy = ANOTHER_PATH if of_path is not None else ANOTHER_PORT
    return fault(field, f"{address} is in use by {taken_by}", remedy)


def _split(field: str, message: str) -> tuple[str, str]:
    """Split the message of a `ConfigError` about a field into the problem and the remedy."""
    seen, *remedy = ADVICE.split(message.removeprefix(f"{field}: "), maxsplit=1)
    return seen, remedy[0][:1].upper() + remedy[0][1:] if remedy else "Correct this setting"


def _always_ready() -> tuple[bool, list[str]]:
    return True, []
