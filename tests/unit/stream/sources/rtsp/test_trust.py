"""Files of trusted certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.sources.rtsp.trust import Trust, UnusableCertificatesError
from support.engines.own_authority import OwnAuthority


def test_an_authority_in_a_regular_file_is_trusted_instead_of_the_systems(tmp_path: Path) -> None:
    ca = OwnAuthority(tmp_path).ca
    ca.write_bytes("# Autorität\n".encode() + ca.read_bytes())
    (trusted,) = Trust(ca).context().get_ca_certs()
    assert trusted["subject"] == ((("commonName", "partstream tests"),),)


@pytest.mark.parametrize("content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----", b"\xff" * 100])
def test_a_file_without_a_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    with pytest.raises(UnusableCertificatesError, match="it holds no certificate in PEM"):
        Trust(path).context()
