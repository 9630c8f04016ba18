"""Sealed messages: only the engine that they are for can read them, and Ray, which carries them, cannot.

A message is encrypted with ChaCha20-Poly1305 under a key that is used once: HKDF-SHA256 of the X25519 secret between a
new key pair and that of the recipient (the construction of RFC 9180's base mode, in one piece).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_NONCE = bytes(12)
"""Each key encrypts one message."""


class SealError(ValueError):
    """A message was not sealed for this key, or was changed."""


def seal(message: bytes, recipient: bytes) -> bytes:
    """Return the message, readable only by the owner of this public key (32 bytes)."""
    own = X25519PrivateKey.generate()
    public = own.public_key().public_bytes_raw()
    secret = own.exchange(X25519PublicKey.from_public_bytes(recipient))
    return public + ChaCha20Poly1305(_key(secret, public, recipient)).encrypt(_NONCE, message, None)


class Opener:
    """A key pair that never leaves the process. `public_key` has 32 bytes."""

    def __init__(self) -> None:
        self._own = X25519PrivateKey.generate()
        self.public_key = self._own.public_key().public_bytes_raw()

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed. Raises `SealError`."""
        public, rest = sealed[:KEY_BYTES], sealed[KEY_BYTES:]
        try:
            secret = self._own.exchange(X25519PublicKey.from_public_bytes(public))
            return ChaCha20Poly1305(_key(secret, public, self.public_key)).decrypt(_NONCE, rest, None)
        except (InvalidTag, ValueError):
            raise SealError("this message was not sealed for this engine, or was changed") from None


def _key(secret: bytes, sender: bytes, recipient: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, None, b"partstream fleet 1" + sender + recipient).derive(secret)
