"""Trust: which certificate of an rtsps server is good."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path


class UntrustedCertificateError(Exception):
    """The server's certificate isn't the one whose fingerprint was given."""


@dataclass(frozen=True, slots=True)
class Trust:
    """One camera's: the system's authorities unless something else is given."""

    certificates: Path | None = None
    """PEM file of what to trust instead."""
    fingerprint: str | None = None
    """SHA-256 of the server's certificate, hex in lower case: then nothing else counts."""

    def context(self) -> ssl.SSLContext:
        """For one connection. Raises OSError if the file can't be read, `ssl.SSLError` if it holds no certificate."""
        context = ssl.create_default_context(cafile=self.certificates)
        if self.fingerprint is not None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def check(self, connection: ssl.SSLObject) -> None:
        """Once connected, before anything is said. Raises `UntrustedCertificateError`."""
        if self.fingerprint is None:
            return  # the context has checked it
        certificate = connection.getpeercert(binary_form=True) or b""
        if not hmac.compare_digest(hashlib.sha256(certificate).hexdigest(), self.fingerprint):
            raise UntrustedCertificateError("another certificate than the one expected")
