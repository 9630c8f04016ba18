"""VLC as an RTSP server.

It supports UDP only (461 for TCP), and all clients share one playback. It writes `Cseq`, absolute control URLs, and
`sprop-parameter-sets` with an empty last one. It does not run as root.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from support.rtp.stream_corpus import CorpusStream
from support.rtsp_servers.server_process import ServerProcess

TURNS = 40


class VlcServer(ServerProcess):
    """Plays `stream` in a loop. `login`: user and password (Basic).

    `session_timeout_s`: time without a request after which a session is ended.
    """

    not_as_root = True

    def __init__(
        self, stream: CorpusStream, login: tuple[str, str] | None = None, session_timeout_s: int | None = None
    ) -> None:
        super().__init__()
        self._stream = stream
        self._login = login
        self._session_timeout_s = session_timeout_s

    def prepare(self, folder: Path) -> None:
        self._stream.write_container(folder / "stream.mkv", TURNS)

    def command(self, folder: Path) -> Sequence[str]:
        options = ["--intf", "dummy", "--no-dbus", "--no-audio", "--loop", "--sout-keep", "--rtsp-host=127.0.0.1"]
        if self._login is not None:
            options += [f"--sout-rtsp-user={self._login[0]}", f"--sout-rtsp-pwd={self._login[1]}"]
        if self._session_timeout_s is not None:
            options.append(f"--rtsp-timeout={self._session_timeout_s}")
        sout = f"#rtp{{sdp=rtsp://127.0.0.1:{self.port}/vlc}}"
        return ["vlc", *options, str(folder / "stream.mkv"), "--sout", sout]

    def is_ready(self) -> bool:
        """Return whether it can describe its stream: it listens before, and then answers with errors."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(f"DESCRIBE {self.url()} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
                answer = connection.recv(4096)
        except OSError:
            return False
        return b"m=video" in answer or answer.startswith(b"RTSP/1.0 401")

    def url(self, user: str | None = None, password: str | None = None) -> str:
        login = f"{user}:{password}@" if user is not None else ""
        return f"rtsp://{login}127.0.0.1:{self.port}/vlc"
