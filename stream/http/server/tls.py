"""A TLS context from certificate files."""

from __future__ import annotations

import ssl
from pathlib import Path

from stream.settings.config_error import ConfigError


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context for TLS 1.2 or newer. Raises `ConfigError` naming the setting."""
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(f"http.{name}: cannot read {path}: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password callback, OpenSSL would ask on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError, OSError):
        raise ConfigError(
            f"http.tls_certificate, http.tls_key: {certificate} and {key} must be a certificate and its "
            "private key, both PEM, the key without a passphrase"
        ) from None
    return context
