"""CURVE keys and their files: ZeroMQ certificates, as pyzmq's `zmq.auth` and czmq write and read them.

A `*.key_secret` holds both keys of a pair and is its owner's only; a `*.key` holds the public one. Keys are written in
Z85, 40 characters. Faults name the file and never what it holds.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from stream.settings.section import ConfigError

LARGEST_FILE = 1 << 20
"""Bytes: a list of some ten thousand keys."""

_KEY = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")
_PUBLIC = re.compile(r"^[ \t]*public-key[ \t]*=[ \t]*[\"']?([^\s\"']*)", re.MULTILINE)
_SECRET = re.compile(r"^[ \t]*secret-key[ \t]*=[ \t]*[\"']?([^\s\"']*)", re.MULTILINE)


class KeyFileError(ConfigError):
    """A key or its file can't be used; the message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public key and its secret one, each 40 characters of Z85. Prints without the secret."""

    public: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> KeyPair:
        """A pair that nobody else has."""
        public, secret = zmq.curve_keypair()
        return cls(public.decode(), secret.decode())

    def secret_certificate(self) -> str:
        """The text of a `*.key_secret`."""
        return (
            "#   ZeroMQ CURVE **Secret** Certificate\n"
            "#   Only who it was made for may read this file: it lets its holder in as them.\n\n"
            f'metadata\ncurve\n    public-key = "{self.public}"\n    secret-key = "{self.secret}"\n'
        )

    def public_certificate(self) -> str:
        """The text of a `*.key`."""
        return f'#   ZeroMQ CURVE Public Certificate\n\nmetadata\ncurve\n    public-key = "{self.public}"\n'


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """What a client needs: the server's public key, by which it knows the server, and a pair of its own."""

    server: str
    own: KeyPair

    def protect(self, socket: zmq.Socket[Any]) -> None:
        """Encrypt the connections that this socket makes from now on, and prove to the server who asks."""
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server.encode())
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.own.public.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.own.secret.encode())


def client_keys(server_key: str | None, key_file: str | Path | None) -> ClientKeys | None:
    """Keys for a client, or None where neither is given. `server_key` is the key itself or the file that holds it.

    Raises `KeyFileError` if one is missing or no key.
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
    """Whether this is a key in Z85."""
    if not _KEY.fullmatch(text):
        return False
    try:
        z85.decode(text.encode())
    except struct.error:  # five characters that say more than 32 bits
        return False
    return True


def read_pair(path: Path) -> KeyPair:
    """The pair of a secret certificate. Raises `KeyFileError` if others may read the file, or it holds no pair."""
    text = _read(path, private=True)
    public, secret = _PUBLIC.findall(text), _SECRET.findall(text)
    if len(public) != 1 or len(secret) != 1 or not is_key(public[0]) or not is_key(secret[0]):
        raise KeyFileError(f"{path} is no secret ZeroMQ certificate: it needs one public-key and one secret-key line")
    if zmq.curve_public(secret[0].encode()).decode() != public[0]:
        raise KeyFileError(f"{path} holds two keys that aren't of one pair")
    return KeyPair(public[0], secret[0])


def read_public(path: Path) -> str:
    """The only public key of a certificate, secret or not. Raises `KeyFileError`."""
    keys = read_public_keys(path)
    if len(keys) != 1:
        raise KeyFileError(f"{path} holds {len(keys)} public keys, and one is needed")
    return keys.pop()


def read_public_keys(path: Path) -> set[str]:
    """Every public key of a certificate, or of several in one file. Raises `KeyFileError` if there is none."""
    keys = set(_PUBLIC.findall(_read(path, private=False)))
    if not keys or not all(is_key(key) for key in keys):
        raise KeyFileError(
            f'{path} is no ZeroMQ certificate: it needs a line `public-key = "…"` with 40 characters of Z85'
        )
    return keys


def _without_waiting(path: str, flags: int) -> int:
    """Opens a pipe at once too, instead of when somebody writes into it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read(path: Path, *, private: bool) -> str:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise KeyFileError(f"{path} isn't a file")
            if private and about.st_mode & 0o077:
                raise KeyFileError(f"{path} can be read by others than its owner: `chmod 600` it, if nobody has yet")
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise KeyFileError(f"{path} can't be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise KeyFileError(f"{path} is larger than {LARGEST_FILE} bytes: that is no file of keys")
    return content.decode("utf-8", "replace")
