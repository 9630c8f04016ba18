"""A server in a separate process, which ends with the thread that started it.

GStreamer's RTSP server is `benchmarks.cameras.rtsp_server.RtspServer`, with the same methods.
"""

from __future__ import annotations

import abc
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.cameras.rtsp_server import RtspServerError
from support.ports import reserved_port
from support.waiting import wait_until


class ServerProcess(abc.ABC):
    """`with SomeServer(…) as server: open(server.url())`.

    `folder`: deleted with the server, readable for other users. `port`: chosen at first, and kept by `restart`.
    `not_as_root`: run it as user nobody if the tests run as root.
    """

    not_as_root = False

    def __init__(self) -> None:
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    @abc.abstractmethod
    def command(self, folder: Path) -> Sequence[str]:
        """Return the command line of a server that listens on `port` of 127.0.0.1."""

    def prepare(self, folder: Path) -> None:  # noqa: B027 - most have nothing to prepare
        """Put into `folder` what the server plays."""

    @abc.abstractmethod
    def url(self) -> str:
        """Return the address of its stream, without credentials."""

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="server-")
        try:
            folder = Path(self._temporary.name)
            folder.chmod(0o755)  # a server may run as another user
            self.prepare(folder)
            self.port = reserved_port()
            self.start()
        except BaseException:
            self._temporary.cleanup()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._temporary is not None:
            self._temporary.cleanup()

    def start(self) -> None:
        """Start the process and wait until it serves. Raises `RtspServerError` with its output if it does not."""
        assert self._temporary is not None, "use the server as a context manager"
        folder = Path(self._temporary.name)
        command = self.command(folder)
        if shutil.which(command[0]) is None:
            raise RtspServerError(f"{command[0]} is missing: deploy/system-packages.sh test")
        as_nobody = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        identity = as_nobody if self.not_as_root and os.geteuid() == 0 else []
        log = folder / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *identity, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "HOME": str(folder)},
            )
        process = self._process
        wait_until(lambda: self.is_ready() or process.poll() is not None)
        if process.poll() is not None:
            self.kill()
            raise RtspServerError(f"{command[0]} does not serve: {log.read_text(errors='replace')[-2000:]}")

    def is_ready(self) -> bool:
        """Return whether a client would be served now."""
        return listens(self.port)

    def kill(self) -> None:
        """Kill the process, as when a camera loses its power."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Kill the process if it runs, and start it again on the same port."""
        self.kill()
        self.start()

    def suspend(self) -> None:
        """Stop the process (SIGSTOP): connections stay open without data, as with a frozen camera."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the process (SIGCONT) after `suspend`."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


def listens(port: int) -> bool:
    """Return whether a server accepts connections at this port."""
    try:
        with socket.create_connection(("127.0.0.1", port)):
            return True
    except OSError:
        return False
