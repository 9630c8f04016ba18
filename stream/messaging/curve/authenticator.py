"""Access to the engine's ZeroMQ sockets: CURVE, and a ZAP handler (RFC 27) that accepts or refuses each client.

The handler's thread runs from `start()` until the context is terminated. libzmq asks it over `inproc://zeromq.zap.01`,
of which a context has one, so the engine's sockets need a context of their own. Without an answer, no client connects.

The public keys of clients that may connect: a directory of `*.key` certificates, or one file with several keys.

The list is read again when a client connects, at most once per `CHECK_INTERVAL_S`: clients are added and removed
without a restart.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import zmq
from zmq.utils import z85

from stream.messaging.curve.keys import KeyFileError, KeyPair, read_pair, read_public_keys
from stream.settings.config_error import ConfigError
from stream.settings.engine import PublishConfig
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0


class AllowList:
    """The keys that are listed now. For one thread at a time.

    Raises `KeyFileError` at first if any file cannot be read. Later, the keys of an unreadable file are rejected, and
    the error is logged.
    """

    def __init__(self, path: Path, now: float) -> None:
        self._path = path
        self._next_check = now + CHECK_INTERVAL_S
        self._keys, self._errors = _read(path)
        if self._errors:
            raise KeyFileError(self._errors[0])

    def __len__(self) -> int:
        return len(self._keys)

    def allows(self, key: str, now: float) -> bool:
        """Return whether this key may connect at `now` (monotonic seconds)."""
        if now >= self._next_check:
            self._next_check = now + CHECK_INTERVAL_S
            keys, errors = _read(self._path)
            for error in errors:
                if error not in self._errors:
                    logger.warning("allowed keys: %s; its clients are rejected until the file is fixed", error)
            if keys != self._keys:
                logger.info("allowed keys: now %d, before %d", len(keys), len(self._keys))
            self._keys, self._errors = keys, errors
        return key in self._keys


def _read(path: Path) -> tuple[set[str], list[str]]:
    """Return all keys, and the errors of files that could not be read."""
    keys: set[str] = set()
    errors: list[str] = []
    try:
        files = sorted(file for file in path.iterdir() if file.suffix == ".key") if path.is_dir() else [path]
    except OSError as error:
        return keys, [f"{path} can't be read: {error.strerror}"]
    for file in files:
        try:
            keys |= read_public_keys(file)
        except KeyFileError as error:
            errors.append(str(error))
    return keys, errors


DOMAIN = b"partstream"
HANDSHAKE_WITHIN_MS = 5000
"""Time after which libzmq disconnects a client that is not accepted. A refused client waits for this and then tries
again, so it connects soon after its key is listed and cannot try more often."""
TRY_AGAIN_LATER = b"300"
"""RFC 27's temporary refusal. After a 400, libzmq's client never tries again, even if its key is listed later."""


def make_authenticator(context: zmq.Context[zmq.Socket[bytes]], config: PublishConfig) -> CurveAuthenticator | None:
    """Return the configured authenticator, or None without CURVE. Raises `ConfigError` naming the wrong field."""
    if config.curve_secret_key_file is None or config.curve_allowed_keys is None:
        return None
    try:
        pair = read_pair(config.curve_secret_key_file)
    except KeyFileError as error:
        raise ConfigError(f"publish.curve_secret_key_file: {error}") from None
    try:
        allowed = AllowList(config.curve_allowed_keys, time.monotonic())
    except KeyFileError as error:
        raise ConfigError(f"publish.curve_allowed_keys: {error}") from None
    logger.info("results are encrypted, for the %d clients in %s", len(allowed), config.curve_allowed_keys)
    return CurveAuthenticator(context, pair, allowed)


class CurveAuthenticator:
    """Accepts clients with listed keys on the sockets that it protects; counts the refused ones."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], pair: KeyPair, allowed: AllowList) -> None:
        self.refused = 0
        self._pair = pair
        self._allowed = allowed
        self._same_key = RepeatLimiter(limit=1, per_s=60.0)
        self._any_key = RepeatLimiter(limit=5, per_s=10.0)
        self._socket = context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind("inproc://zeromq.zap.01")
        self._thread = threading.Thread(target=self._serve, name="curve auth", daemon=True)

    @property
    def public_key(self) -> str:
        """The engine's public key."""
        return self._pair.public

    def protect(self, socket: zmq.Socket[bytes]) -> None:
        """Make this socket, not yet bound, accept only encrypted connections of listed clients."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._pair.secret.encode())
        socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
        # Otherwise libzmq accepts everyone who knows the server's key while no handler answers.
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_WITHIN_MS)

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    def _serve(self) -> None:
        try:
            while True:
                request = self._socket.recv_multipart()
                try:
                    self._answer(request)
                except zmq.ContextTerminated:
                    raise
                except Exception:
                    # Without an answer, the client is not accepted.
                    logger.exception("a ZeroMQ client could not be checked and is refused")
        except zmq.ContextTerminated:
            pass
        finally:
            self._socket.close()

    def _answer(self, request: list[bytes]) -> None:
        identity, empty, version, request_id, domain, address, _routing, mechanism, *credentials = request
        key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" and domain == DOMAIN else ""
        if self._allowed.allows(key, time.monotonic()):
            status, text = b"200", b"OK"
        else:
            status, text = TRY_AGAIN_LATER, b"not listed"
            self._refuse(key, address.decode("ascii", "replace"))
        self._socket.send_multipart([identity, empty, version, request_id, status, text, b"", b""], zmq.NOBLOCK)

    def _refuse(self, key: str, address: str) -> None:
        self.refused += 1
        now = time.monotonic()
        if self._same_key.admit(key, now)[0] and self._any_key.admit("refused", now)[0]:
            logger.warning("a ZeroMQ client at %s was refused: its key %s is not listed", address, key)
