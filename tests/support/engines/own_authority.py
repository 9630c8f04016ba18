"""A certificate authority for tests, and a server certificate signed by it."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_DAY = datetime.timedelta(days=1)


class OwnAuthority:
    """An authority. `ca` is the PEM file of its certificate."""

    def __init__(self, folder: Path) -> None:
        now = datetime.datetime.now(datetime.UTC)
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "partstream tests")])
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
        addresses = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]

        def builder(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
            certificate = x509.CertificateBuilder(ca_name, subject, public_key, x509.random_serial_number())
            return certificate.not_valid_before(now - _DAY).not_valid_after(now + _DAY)

        authority = builder(ca_name, ca_key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        server = builder(name, key.public_key()).add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        pem = serialization.Encoding.PEM
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(authority.sign(ca_key, hashes.SHA256()).public_bytes(pem))
        self._certificate = folder / "server.pem"
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self._certificate.write_bytes(private + server.sign(ca_key, hashes.SHA256()).public_bytes(pem))

    def server_context(self) -> ssl.SSLContext:
        """Return TLS settings for a server at 127.0.0.1 or localhost."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        return context
