"""EngineClient: reads the state of a running engine over HTTP, from its API and its metrics page."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Annotated

import aiohttp
import msgspec

from commands.remote.http_client import HttpClient
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


class EngineClient(HttpClient):
    """Client of the engine at `address`, `http(s)://HOST:PORT`. Raises `ValueError` for any other address."""

    def __init__(self, address: str, token: str | None = None) -> None:
        super().__init__(address, token, "engine", within_s=ANSWER_WITHIN_S)

    async def snapshot(self) -> Snapshot:
        """Return the engine's state now. Raises `NoAnswerError`, or `UnauthorisedError` if a token is needed."""
        try:
            status, page = await asyncio.gather(self._get("/api/v1/status"), self._get("/metrics"))
            return Snapshot(monotonic(), _status.decode(status), parse(page.decode()))
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswerError(self.failure(error)) from None
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise NoAnswerError(f"{self.address} is not a partstream engine of this version") from None

    async def _get(self, path: str) -> bytes:
        async with self.session.get(self.address + path, allow_redirects=False) as answer:
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
