"""A real mosquitto, with TLS and a password, that a test kills and starts again at the same port."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.engines.certificate import certificate
from support.ports import reserved_port
from support.waiting import until

USER, PASSWORD = "partstream", "correct horse"
PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


class Mosquitto:
    """The broker. It keeps nothing on disk: what it retains is lost when it is killed."""

    def __init__(self, folder: Path, *options: str, secure: bool = True) -> None:
        assert PROGRAM is not None, "mosquitto is missing: run deploy/system-packages.sh test"
        self.port = reserved_port()
        self.secure = secure
        self._file = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "user root", "max_queued_messages 100000"]
        lines += options
        if secure:
            self.ca_file, key = certificate(folder)
            passwords = folder / "passwords"
            made = ["mosquitto_passwd", "-b", "-c", str(passwords), USER, PASSWORD]
            subprocess.run(made, check=True, capture_output=True)
            lines += [f"certfile {self.ca_file}", f"keyfile {key}", f"password_file {passwords}"]
            self.password_file = folder / "password"
            self.password_file.write_text(PASSWORD + "\n")
            self.password_file.chmod(0o600)
        self._rights = folder / "rights"
        self._rights.write_text(f"topic readwrite #\nuser {USER}\ntopic readwrite #\n")
        self._rights.chmod(0o600)
        lines.append(f"acl_file {self._rights}")
        lines.append(f"allow_anonymous {'false' if secure else 'true'}")
        self._file.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> dict[str, Any]:
        """The settings of a target of notify."""
        if not self.secure:
            return {"kind": "mqtt", "broker": f"mqtt://127.0.0.1:{self.port}"}
        return {
            "kind": "mqtt",
            "broker": f"mqtts://localhost:{self.port}",
            "username": USER,
            "password_file": str(self.password_file),
            "ca_file": str(self.ca_file),
        }

    async def start(self) -> None:
        self._process = subprocess.Popen(
            [str(PROGRAM), "-c", str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await until(self._listens)

    def deny(self, *topics: str) -> None:
        """Refuse the messages of these topics from now on, and no others."""
        denied = "".join(f"topic deny {topic}\n" for topic in topics)
        self._rights.write_text(f"topic readwrite #\nuser {USER}\ntopic readwrite #\n{denied}")
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "mosquitto ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@asynccontextmanager
async def mosquitto(folder: Path, *options: str, secure: bool = True) -> AsyncIterator[Mosquitto]:
    """Run a broker, with further lines of its configuration."""
    broker = Mosquitto(folder, *options, secure=secure)
    await broker.start()
    try:
        yield broker
    finally:
        await asyncio.to_thread(broker.kill)
