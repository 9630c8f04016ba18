"""Files of trusted certificates: only regular ones are read, without waiting."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from stream.settings.engine import CameraConfig
from stream.sources.errors import SourceError
from stream.sources.rtsp.error_diagnosis import RtspErrorDiagnosis
from stream.sources.rtsp.ffmpeg_transport import FfmpegRtspTransport
from stream.sources.rtsp.trust import Trust, UnusableCertificatesError
from support.engines.own_authority import OwnAuthority


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe without a writer."""
    path = tmp_path / "pipe.pem"
    os.mkfifo(path)
    return path


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


def test_a_pipe_a_device_and_a_folder_are_refused_at_once(tmp_path: Path, pipe: Path) -> None:
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(UnusableCertificatesError, match=r"it is not a regular file"):
            Trust(path).context()
    with pytest.raises(UnusableCertificatesError, match="No such file"):
        Trust(tmp_path / "missing.pem").context()


def test_ffmpeg_is_given_no_pipe_of_certificates(pipe: Path) -> None:
    config = CameraConfig.model_validate(
        {"id": "a", "source": "rtsps://127.0.0.1:1/x", "transport": "ffmpeg", "tls_certificates": pipe}
    )
    transport = FfmpegRtspTransport(config, RtspErrorDiagnosis(config), threading.Event())
    with pytest.raises(SourceError, match=r"the file of tls_certificates cannot be used \(it is not a regular file\)"):
        transport.open()
