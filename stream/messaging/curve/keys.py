"""CURVE keys and their files: ZeroMQ certificates in the format of pyzmq's `zmq.auth` and czmq.

A `*.key_secret` holds both keys of a pair and must be readable only by its owner; a `*.key` holds the public key. Keys
are 40 characters of Z85. Error messages name the file, never its content.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from stream.settings.config_error import ConfigError

_KEY = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")
_PUBLIC = re.compile(r"^[ \t]*public-key[ \t]*=[ \t]*[\"']?([^\s\"']*)", re.MULTILINE)
_SECRET = re.compile(r"^[ \t]*secret-key[ \t]*=[ \t]*[\"']?([^\s\"']*)", re.MULTILINE)


class KeyFileError(ConfigError):
    """A key or its file is unusable; the message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public and a secret key, each 40 characters of Z85. Its repr omits the secret."""

    public: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> KeyPair:
        """Generate a new pair."""
        public, secret = zmq.curve_keypair()
        return cls(public.decode(), secret.decode())

    def secret_certificate(self) -> str:
        """Return the text of a `*.key_secret`."""
        return (
            "#   ZeroMQ CURVE **Secret** Certificate\n"
            "#   Keep this file secret: it gives access under the name of its owner.\n\n"
            f'metadata\ncurve\n    public-key = "{self.public}"\n    secret-key = "{self.secret}"\n'
        )

    def public_certificate(self) -> str:
        """Return the text of a `*.key`."""
        return f'#   ZeroMQ CURVE Public Certificate\n\nmetadata\ncurve\n    public-key = "{self.public}"\n'


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """A client's keys: the server's public key, to identify the server, and its own pair."""

    server: str
    own: KeyPair

    def protect(self, socket: zmq.Socket[Any]) -> None:
        """Make this socket's later connections encrypted and authenticated."""
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server.encode())
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.own.public.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.own.secret.encode())


def client_keys(server_key: str | None, key_file: str | Path | None) -> ClientKeys | None:
    """Return a client's keys, or None if neither is given. `server_key` is the key itself or a file that holds it.

    Raises `KeyFileError` if only one is given, or one is invalid.
    """
    if server_key is None and key_file is None:
        return None
    if server_key is None or key_file is None:
        raise KeyFileError("the server's public key and the client's own key file go together: give both, or neither")
    return ClientKeys(_server_key(server_key), read_pair(Path(key_file)))


def _server_key(text: str) -> str:
    if is_key(text) and not Path(text).exists():
        return text
    return read_public(Path(text))


def is_key(text: str) -> bool:
    """Whether the text is a key in Z85."""
    if not _KEY.fullmatch(text):
        return False
    try:
        z85.decode(text.encode())
    except struct.error:  # five characters that encode more than 32 bits
        return False
    return True


def read_pair(path: Path) -> KeyPair:
    """Read the pair of a secret certificate. Raises `KeyFileError` if others can read the file, or it holds no pair."""
    text = _read(path, private=True)
    public, secret = _PUBLIC.findall(text), _SECRET.findall(text)
    if len(public) != 1 or len(secret) != 1 or not is_key(public[0]) or not is_key(secret[0]):
        raise KeyFileError(f"{path} is not a secret ZeroMQ certificate: it needs a public-key and a secret-key line")
    if zmq.curve_public(secret[0].encode()).decode() != public[0]:
        raise KeyFileError(f"{path} holds two keys that are not a pair")
    return KeyPair(public[0], secret[0])


def read_public(path: Path) -> str:
    """Read the only public key of a certificate, secret or not. Raises `KeyFileError`."""
    keys = read_public_keys(path)
    if len(keys) != 1:
        raise KeyFileError(f"{path} holds {len(keys)} public keys; one is needed")
    return keys.pop()


def read_public_keys(path: Path) -> set[str]:
    """Read every public key of one or several certificates in a file. Raises `KeyFileError` if there is none."""
    keys = set(_PUBLIC.findall(_read(path, private=False)))
    if not keys or not all(is_key(key) for key in keys):
        raise KeyFileError(
            f'{path} is not a ZeroMQ certificate: it needs a line `public-key = "…"` with 40 characters of Z85'
        )
    return keys


def _read(path: Path, *, private: bool) -> str:
    try:
        if private and path.stat().st_mode & 0o077:
            raise KeyFileError(f"{path} is readable by others: `chmod 600` it, if the key is still secret")
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise KeyFileError(f"{path} can't be read: {error.strerror}") from None
