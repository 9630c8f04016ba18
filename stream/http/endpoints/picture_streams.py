"""Live pictures over HTTP: `multipart/x-mixed-replace`, of one camera for an `<img>`, or of several in one answer.

Browsers open six connections to a server, and a wall has more cameras than that: the page reads all that it shows from
one answer, in which each part names its camera. A client has at most one picture of each camera waiting, and is offered
the next once that one is written: what is slow misses pictures, and is cut if it takes nothing for long.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Container, Sequence
from typing import Any

from aiohttp import web

from stream.cameras.control import no_such_camera
from stream.http.server.connections import STREAM_LIFE_S
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Parameter, Route
from stream.http.server.slow_clients import bound_buffers, cut, has_gone, write
from stream.live.live_jpeg import WIDTHS
from stream.live.live_pictures import LivePicture, LivePictures
from stream.settings.section import CAMERA_ID

ONE = "/api/v1/cameras/{camera}/pictures"
SEVERAL = "/api/v1/pictures"
BOUNDARY = "partstream-picture"
CONTENT_TYPE = "multipart/x-mixed-replace"

WIDTH, FPS, FASTEST = 640, 12.5, 60.0
"""What is sent if nothing else is asked for, and the most."""

MOST_CAMERAS = 256
"""In one answer."""

LOOK_S = 1.0
"""How soon it is seen that a client or the camera has gone, or that the server stops."""

_BEGIN = f"--{BOUNDARY}\r\n".encode()


class PictureStreams:
    """Every client of one engine. Lives in the event loop; `close` ends every stream. `cameras`: those there are."""

    def __init__(self, pictures: LivePictures, cameras: Container[str]) -> None:
        self._pictures = pictures
        self._cameras = cameras
        self._clients: set[_Client] = set()
        self._closed = False

    def close(self) -> None:
        """End every stream, and begin none any more."""
        self._closed = True
        for client in self._clients:
            client.news.set()

    def routes(self) -> list[Route]:
        """What it answers."""
        answer = (Answer(200, "JPEGs, one a part, each named by its epoch and frame.", None, CONTENT_TYPE),)
        size = (
            Parameter(
                "width",
                "The most pixels across that are wanted. Never more than the model's own picture has.",
                {"type": "integer", "minimum": 1, "maximum": WIDTHS[-1], "default": WIDTH},
            ),
            Parameter(
                "max_fps",
                "Pictures a second of a camera, at most.",
                {"type": "number", "exclusiveMinimum": 0, "maximum": FASTEST, "default": FPS},
            ),
        )
        cameras = Parameter(
            "camera",
            "A camera to show, whether or not it is there yet; to be repeated.",
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_CAMERAS},
        )
        return [
            Route("GET", ONE, "read", self._one, "Live pictures.", answer, query=size, long_lived=True),
            Route(
                "GET",
                SEVERAL,
                "read",
                self._several,
                "Live pictures of several cameras, each part with the header X-Camera.",
                answer,
                query=(cameras, *size),
                long_lived=True,
            ),
        ]

    async def _one(self, request: web.Request) -> web.StreamResponse:
        camera = request.match_info["camera"]
        width, max_fps = _wanted(request, {"width", "max_fps"})
        if camera not in self._cameras:
            raise Problem(404, "no-such-camera", str(no_such_camera(camera)))
        return await self._follow(request, [camera], width, max_fps, lambda: camera in self._cameras)

    async def _several(self, request: web.Request) -> web.StreamResponse:
        width, max_fps = _wanted(request, {"width", "max_fps", "camera"})
        cameras = list(dict.fromkeys(request.query.getall("camera", [])))
        if not 1 <= len(cameras) <= MOST_CAMERAS or not all(map(CAMERA_ID.fullmatch, cameras)):
            fault = f"name 1 to {MOST_CAMERAS} cameras by their ids"
            raise Problem(422, "invalid", "the query asks for what can't be", errors=[("camera", fault)])
        return await self._follow(request, cameras, width, max_fps, lambda: True)

    async def _follow(
        self, request: web.Request, cameras: Sequence[str], width: int, max_fps: float, goes_on: Callable[[], bool]
    ) -> web.StreamResponse:
        if self._closed:
            raise Problem(503, "not-now", "the engine is stopping")
        response = web.StreamResponse(
            headers={"Content-Type": f"{CONTENT_TYPE}; boundary={BOUNDARY}", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        bound_buffers(request)
        client = _Client(self._pictures, cameras, width, max_fps)
        self._clients.add(client)
        try:
            await write(response, _BEGIN)
            until = asyncio.get_running_loop().time() + STREAM_LIFE_S
            while not self._closed and goes_on() and asyncio.get_running_loop().time() < until:
                picture = await client.next(LOOK_S)
                if has_gone(request):
                    break
                if picture is not None:
                    await write(response, part(picture))
                    client.again(picture.camera)
        except (TimeoutError, ConnectionError):
            cut(request)
        finally:
            client.end()
            self._clients.discard(client)
        return response


class _Client:
    """One who reads: a watch a camera, and at most one picture of each that waits."""

    def __init__(self, pictures: LivePictures, cameras: Sequence[str], width: int, max_fps: float) -> None:
        self.news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, LivePicture] = {}
        self._pictures = pictures
        self._watches = {camera: pictures.watch(camera, width, max_fps, self._deliver) for camera in cameras}

    async def next(self, timeout_s: float) -> LivePicture | None:
        """The picture that has waited longest, or None after `timeout_s` or a ring without one."""
        if not self._waiting:
            self.news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self.news.wait()
        return self._waiting.pop(next(iter(self._waiting))) if self._waiting else None

    def again(self, camera: str) -> None:
        """The camera's next picture may come."""
        self._watches[camera].again()

    def end(self) -> None:
        """Nothing is wanted any more."""
        for watch in self._watches.values():
            self._pictures.unwatch(watch)

    def _deliver(self, picture: LivePicture) -> None:
        """In the encoding thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self._put, picture)

    def _put(self, picture: LivePicture) -> None:
        self._waiting[picture.camera] = picture
        self.news.set()


def part(picture: LivePicture) -> bytes:
    """One part, and the boundary after it: browsers show a picture when they see that it is over."""
    head = (
        f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\nX-Camera: {picture.camera}\r\n"
        f"X-Epoch: {picture.epoch}\r\nX-Frame: {picture.frame}\r\nX-Capture-Us: {picture.capture_us}\r\n\r\n"
    )
    return head.encode() + picture.jpeg + b"\r\n" + _BEGIN


def _wanted(request: web.Request, known: set[str]) -> tuple[int, float]:
    """Width and pictures a second. Raises `Problem` where the query asks for what can't be."""
    faults: list[tuple[str, str]] = []
    if not set(request.query) <= known:
        faults.append(("query", f"only {', '.join(sorted(known))} are known here"))
    width = _number(request.query, "width", WIDTH, WIDTHS[-1], faults)
    max_fps = _number(request.query, "max_fps", FPS, FASTEST, faults)
    if not width.is_integer():
        faults.append(("width", "must be a whole number"))
    if faults:
        raise Problem(422, "invalid", "the query asks for what can't be", errors=faults)
    return int(width), max_fps


def _number(query: Any, name: str, usual: float, most: float, faults: list[tuple[str, str]]) -> float:
    try:
        number = float(query.get(name, usual))
    except ValueError:
        number = 0.0
    if not 0 < number <= most:  # also not a number
        faults.append((name, f"must be a number above 0, at most {most:g}"))
        return float(usual)
    return number
