"""EngineClient: reads the state of a running engine over HTTP, from its API and its metrics page."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Annotated
from urllib.parse import urlsplit

import aiohttp
import msgspec

from commands.top.measurements import Measurements, parse

ANSWER_WITHIN_S = 5.0
MOST_BYTES = 64 << 20
"""Largest answer that is read: several times the metrics of the most cameras."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class NoAnswerError(Exception):
    """The engine did not answer. The message gives the reason and a remedy, without secrets."""


class UnauthorisedError(NoAnswerError):
    """The engine rejects the token, or needs one: trying again does not help."""


class CameraStatus(msgspec.Struct, frozen=True):
    """The fields of a camera's status that are shown. Newer engines may send more."""

    state: str
    reason: str | None
    message: str
    epoch: Count
    decoded: Count
    processed: Count
    dropped: dict[str, Count]
    fps_in: float
    fps_out: float
    tracks: Count


class Camera(msgspec.Struct, frozen=True):
    """A camera's id and status."""

    id: str
    status: CameraStatus


class Model(msgspec.Struct, frozen=True):
    """The engine's model."""

    profile: str
    trained: bool


class Load(msgspec.Struct, frozen=True):
    """How much quality the model gives up."""

    ease_level: Count = 0
    max_ease_level: Count = 0
    overloaded: bool = False


class EngineStatus(msgspec.Struct, frozen=True):
    """The fields of an engine's status that are shown."""

    run: str
    uptime_s: float
    ready: bool
    ready_reason: str
    model: Model
    state_slots_used: Count
    state_slots: Count
    subscriptions: Count
    streams: Count
    cameras: list[Camera]
    load: Load = Load()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An engine at one moment, `at_s` in our monotonic seconds."""

    at_s: float
    status: EngineStatus
    measured: Measurements


_status = msgspec.json.Decoder(EngineStatus)


def http_address(text: str, what: str) -> str:
    """Return `http(s)://HOST:PORT` for this or for `HOST:PORT`. Raises `ValueError`, which names `what`."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        place = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
    except ValueError:
        raise ValueError(f"{what} must be http://HOST:PORT") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError(f"{what} must be http://HOST:PORT, without user, password or query")
    if ":" in parts.hostname:
        place = f"[{parts.hostname}]" + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{place}"


class EngineClient:
    """Client of the engine at `address`, `http(s)://HOST:PORT`. Raises `ValueError` for any other address."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self.address = http_address(address, "the engine's address")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("the token must consist of printable ASCII characters")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> EngineClient:
        self._session = aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def snapshot(self) -> Snapshot:
        """Return the engine's state now. Raises `NoAnswerError`, or `UnauthorisedError` if a token is needed."""
        try:
            status, page = await asyncio.gather(self._get("/api/v1/status"), self._get("/metrics"))
            return Snapshot(monotonic(), _status.decode(status), parse(page.decode()))
        except TimeoutError:
            raise NoAnswerError(f"{self.address} does not answer") from None
        except aiohttp.ClientConnectorCertificateError:
            raise NoAnswerError(
                f"the certificate of {self.address} is not trusted (set SSL_CERT_FILE to trust it)"
            ) from None
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno
            why = os.strerror(number).lower() if number is not None and number > 0 else "unknown host"
            raise NoAnswerError(f"no engine answers at {self.address} ({why})") from None
        except (aiohttp.ClientError, OSError):
            raise NoAnswerError(f"the connection to {self.address} broke") from None
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise NoAnswerError(f"{self.address} is not a partstream engine of this version") from None

    async def _get(self, path: str) -> bytes:
        assert self._session is not None
        async with self._session.get(self.address + path, allow_redirects=False) as answer:
            if answer.status in (401, 403):
                raise UnauthorisedError(f"{self.address} needs a valid token: --token or PARTSTREAM_HTTP__READ_TOKEN")
            if answer.status != 200:
                raise NoAnswerError(f"{self.address} answers {answer.status} to {path}")
            body = bytearray()
            async for part in answer.content.iter_any():
                body += part
                if len(body) > MOST_BYTES:
                    raise NoAnswerError(f"{self.address} is not a partstream engine: it answers {path} without end")
            return bytes(body)
