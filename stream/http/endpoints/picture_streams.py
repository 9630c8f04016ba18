"""Live pictures as `multipart/x-mixed-replace`: of one camera, for an `<img>`, or of several cameras in one response.

Browsers open only six connections to a server, so the live page reads all cameras from one response, in which each part
names its camera. At most one picture per camera waits for a client, which gets the next one when that has been written.
A slow client therefore misses pictures, and is disconnected if it reads nothing for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Container, Mapping, Sequence
from typing import Any

from aiohttp import web

from stream.cameras.changes import no_such_camera
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem
from stream.http.server.routes import CAMERA_ID_SCHEMA, Answer, Parameter, Route, read_query
from stream.http.server.streaming import send
from stream.live.live_pictures import LivePicture, LivePictures
from stream.pictures.jpeg import WIDTHS

ONE = "/api/v1/cameras/{camera}/pictures"
SEVERAL = "/api/v1/pictures"
BOUNDARY = "partstream-picture"
CONTENT_TYPE = "multipart/x-mixed-replace"

DEFAULT_WIDTH, DEFAULT_FPS, MAX_FPS = 640, 12.5, 60.0

MAX_CAMERAS = 256
"""Maximum number of cameras in one response."""

POLL_S = 1.0
"""Maximum time until a disconnected client or a deleted camera is noticed."""

SIZE = (
    Parameter(
        "width",
        "Maximum width in pixels. Pictures are never wider than the model's input.",
        {"type": "integer", "minimum": 1, "maximum": WIDTHS[-1], "default": DEFAULT_WIDTH},
    ),
    Parameter(
        "max_fps",
        "Maximum number of pictures per second per camera.",
        {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_FPS, "default": DEFAULT_FPS},
    ),
)
SEVERAL_QUERY = (
    Parameter(
        "camera",
        "A camera, which need not exist yet; can be repeated.",
        {"type": "array", "items": CAMERA_ID_SCHEMA, "minItems": 1, "maxItems": MAX_CAMERAS},
    ),
    *SIZE,
)

_BEGIN = f"--{BOUNDARY}\r\n".encode()


class PictureStreams:
    """The picture streams of one engine. `cameras` are its present cameras. Used in the event loop."""

    def __init__(self, pictures: LivePictures, cameras: Container[str]) -> None:
        self._pictures = pictures
        self._cameras = cameras
        self._clients: set[_Client] = set()
        self._closed = False

    def close(self) -> None:
        """End all streams, and reject new ones."""
        self._closed = True
        for client in self._clients:
            client.changed.set()

    def routes(self) -> list[Route]:
        """Return the routes."""
        answer = (Answer(200, "One JPEG per part. Headers give its epoch and frame.", None, CONTENT_TYPE),)
        return [
            Route("GET", ONE, "view", self._one, answer, query=SIZE, long_lived=True),
            Route(
                "GET", SEVERAL, "view", self._several, answer, query=SEVERAL_QUERY, long_lived=True, scope="filtered"
            ),
        ]

    async def _one(self, request: web.Request) -> web.StreamResponse:
        """Stream live pictures of a camera."""
        camera = request.match_info["camera"]
        query = read_query(request, SIZE)
        if camera not in self._cameras:
            raise Problem(404, "no-such-camera", str(no_such_camera(camera)))
        return await self._follow(request, [camera], query, lambda: camera in self._cameras)

    async def _several(self, request: web.Request) -> web.StreamResponse:
        """Stream live pictures of several cameras. The header `X-Camera` names each part's camera."""
        query = read_query(request, SEVERAL_QUERY)
        seen = [camera for camera in query["camera"] if request[CALLER].sees(camera)]
        return await self._follow(request, seen, query, lambda: True)

    async def _follow(
        self, request: web.Request, cameras: Sequence[str], query: Mapping[str, Any], still_wanted: Callable[[], bool]
    ) -> web.StreamResponse:
        if self._closed:
            raise Problem(503, "not-now", "the engine is stopping")
        parts = self._parts(cameras, query["width"], query["max_fps"], still_wanted)
        return await send(request, f"{CONTENT_TYPE}; boundary={BOUNDARY}", parts)

    async def _parts(
        self, cameras: Sequence[str], width: int, max_fps: float, still_wanted: Callable[[], bool]
    ) -> AsyncGenerator[bytes]:
        client = _Client(self._pictures, cameras, width, max_fps)
        self._clients.add(client)
        try:
            yield _BEGIN
            while not self._closed and still_wanted():
                picture = await client.next(POLL_S)
                if picture is None:
                    yield b""
                else:
                    yield part(picture)
                    client.request_next(picture.camera)
        finally:
            client.end()
            self._clients.discard(client)


class _Client:
    """A client: it watches cameras, and at most one picture of each waits for it."""

    def __init__(self, pictures: LivePictures, cameras: Sequence[str], width: int, max_fps: float) -> None:
        self.changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, LivePicture] = {}
        self._pictures = pictures
        self._watches = {camera: pictures.watch(camera, width, max_fps, self._deliver) for camera in cameras}

    async def next(self, timeout_s: float) -> LivePicture | None:
        """Return the picture that has waited longest, or None after `timeout_s` or `close`."""
        if not self._waiting:
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self.changed.wait()
        return self._waiting.pop(next(iter(self._waiting))) if self._waiting else None

    def request_next(self, camera: str) -> None:
        """Ask for the camera's next picture."""
        self._watches[camera].request_next()

    def end(self) -> None:
        """Stop watching."""
        for watch in self._watches.values():
            self._pictures.unwatch(watch)

    def _deliver(self, picture: LivePicture) -> None:
        """Queue a picture. Called in the encoding thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._put, picture)

    def _put(self, picture: LivePicture) -> None:
        self._waiting[picture.camera] = picture
        self.changed.set()


def part(picture: LivePicture) -> bytes:
    """Return one part and the boundary after it, without which browsers would not show the picture yet."""
    head = (
        f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\nX-Camera: {picture.camera}\r\n"
        f"X-Epoch: {picture.epoch}\r\nX-Frame: {picture.frame}\r\nX-Capture-Us: {picture.capture_us}\r\n\r\n"
    )
    return head.encode() + picture.jpeg + b"\r\n" + _BEGIN
