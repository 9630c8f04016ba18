"""The FFmpeg of PyAV publishes H.264 over WHIP with the control token, and disconnects."""

from __future__ import annotations

import asyncio
import datetime
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, configured, running
from support.repository import REPOSITORY
from support.waiting import until

SCRIPT = REPOSITORY / "tests" / "support" / "webrtc" / "ffmpeg_publisher.py"
CAMERA = {"id": "cam", "source": "whip"}


def ecdsa_certificate(folder: Path) -> tuple[Path, Path]:
    """Write an ECDSA certificate and its key, as DTLS requires, and return their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "publisher")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return files


async def test_ffmpeg_publishes_h264_and_disconnects(tmp_path: Path) -> None:
    files = [str(file) for file in ecdsa_certificate(tmp_path)]
    async with running(configured(CAMERA, http=OFF_LOOPBACK), CONTROL) as (engine, client):
        publisher = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            f"{client.address}/whip/cam",
            CONTROL,
            *files,
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            await until(lambda: engine.cameras.status("cam").state == "live" or publisher.returncode is not None)
            await until(lambda: engine._cameras["cam"].ring.processed > 25 or publisher.returncode is not None)
            assert engine.cameras.status("cam").size == (320, 180)
            assert publisher.stdin is not None
            publisher.stdin.close()
            await until(lambda: engine.cameras.status("cam").reason == "no_publisher")
            _, log = await publisher.communicate()
            assert publisher.returncode == 0, log.decode()
        finally:
            if publisher.returncode is None:
                publisher.kill()
                await publisher.wait()
