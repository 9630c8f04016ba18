"""A receiver of webhooks that answers as a script says: it may fail, hang, reset the connection, or answer twice."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from standardwebhooks import Webhook

from support.ports import reserved_port

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Answer = Literal["ok", "500", "410", "429", "redirect", "hang", "reset", "twice", "lost"]
"""`lost`: the message is taken, and the connection reset before the answer."""
OK: Answer = "ok"
TAKEN = ("ok", "twice", "lost")


@dataclass(frozen=True)
class Post:
    """A request: its headers, its body, and how it was answered."""

    headers: dict[str, str]
    body: dict[str, Any]
    answer: Answer

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def attempt(self) -> int:
        return int(self.headers["webhook-attempt"])

    @property
    def camera(self) -> str:
        return self.body["data"]["alert"]["camera"]


def hook(folder: Path, url: str = "http://127.0.0.1:9/", **more: Any) -> dict[str, Any]:
    """Return the target `hook` of notify, with its secret in a folder."""
    file = folder / "secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    return {"hook": {"kind": "webhook", "url": url, "secret_files": [str(file)], **more}}


class Receiver:
    """Answers with `answers` one after the other, then with ok. Signatures are verified."""

    def __init__(self, answers: Iterator[Answer]) -> None:
        self.port = reserved_port()
        self.posts: list[Post] = []
        self._answers = answers
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[Post]:
        """The posts that it has taken."""
        return [post for post in self.posts if post.answer in TAKEN]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        pairs = (line.split(": ", 1) for line in head.splitlines()[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers["content-length"]))
        Webhook(SECRET).verify(body.decode(), headers)
        answer = next(self._answers, None) or OK
        self.posts.append(Post(headers, json.loads(body), answer))
        if answer == "hang":
            await reader.read()  # until the sender gives up
            return False
        if answer in ("reset", "lost"):
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        status = {"ok": "200 OK", "twice": "200 OK", "500": "500 Error", "410": "410 Gone"}.get(answer, "429 Slow down")
        more = "Location: /elsewhere\r\n" if answer == "redirect" else ""
        status = "302 Found" if answer == "redirect" else status
        text = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n{more}\r\n".encode()
        writer.write(text * 2 if answer == "twice" else text)
        await writer.drain()
        return True


@asynccontextmanager
async def receiver(*answers: Answer) -> AsyncIterator[Receiver]:
    """Run a receiver."""
    made = Receiver(iter(answers))
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
