"""Trust: which certificate of an rtsps server is good."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path


class UntrustedCertificateError(Exception):
    """The server's certificate isn't the one whose fingerprint was given."""


class UnusableCertificatesError(Exception):
    """The file of certificates to trust can't be read, or holds none."""


@dataclass(frozen=True, slots=True)
class Trust:
    """One camera's: the system's authorities unless something else is given."""

    certificates: Path | None = None
    """PEM file of what to trust instead."""
    fingerprint: str | None = None
    """SHA-256 of the server's certificate, hex in lower case: then nothing else counts."""

    def context(self) -> ssl.SSLContext:
        """For one connection. Raises `UnusableCertificatesError`."""
        try:
            context = ssl.create_default_context(cafile=self.certificates)
        except ssl.SSLError:
            raise UnusableCertificatesError("it holds no certificate in PEM") from None
        except OSError as error:
            raise UnusableCertificatesError(error.strerror or "it can't be read") from None
        if self.fingerprint is not None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def check_plain(self) -> None:
        """A redirect leads to a connection without TLS. Raises `UntrustedCertificateError`."""
        if self.fingerprint is not None:
            raise UntrustedCertificateError("no certificate, and one is expected")

    def check(self, connection: ssl.SSLObject) -> None:
        """Once connected, before anything is said. Raises `UntrustedCertificateError`."""
        if self.fingerprint is None:
            return  # the context has checked it
        certificate = connection.getpeercert(binary_form=True) or b""
        if not hmac.compare_digest(hashlib.sha256(certificate).hexdigest(), self.fingerprint):
            raise UntrustedCertificateError("another certificate than the one expected")
