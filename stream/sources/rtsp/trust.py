"""Trust: which certificates of an rtsps server are accepted."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path


class UntrustedCertificateError(Exception):
    """The server's certificate does not have the configured fingerprint."""


class UnusableCertificatesError(Exception):
    """The file of trusted certificates cannot be read, or contains none."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Trust settings of one camera. By default, the system's certificate authorities."""

    certificates: Path | None = None
    """PEM file of certificates to trust instead."""
    fingerprint: str | None = None
    """SHA-256 of the server's certificate, lower-case hex. If set, nothing else is checked."""

    def context(self) -> ssl.SSLContext:
        """Return the context for one connection. Raises `UnusableCertificatesError`."""
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
        """Raise `UntrustedCertificateError` if a redirect to a connection without TLS is not allowed."""
        if self.fingerprint is not None:
            raise UntrustedCertificateError("no certificate, and one is expected")

    def check(self, connection: ssl.SSLObject) -> None:
        """Check a new connection before its first request. Raises `UntrustedCertificateError`."""
        if self.fingerprint is None:
            return  # the TLS context has checked the certificate
        certificate = connection.getpeercert(binary_form=True) or b""
        if not hmac.compare_digest(hashlib.sha256(certificate).hexdigest(), self.fingerprint):
            raise UntrustedCertificateError("another certificate than the one expected")
