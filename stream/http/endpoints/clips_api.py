"""Clips over HTTP: the list, and each clip's video and results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from stream.http.server.bodies import json_response
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem
from stream.http.server.routes import CAMERA_ID_SCHEMA, Answer, CameraOf, Parameter, Route, limit_of, read_query
from stream.http.server.streaming import FileAnswer
from stream.privacy.known_privacy import KnownPrivacy
from stream.recording.clips import NAME, Clip, ClipList
from stream.recording.library import RESULTS, VIDEO, ClipLibrary

PATH = "/api/v1/clips"

NAME_SCHEMA = {"type": "string", "pattern": f"^{NAME.pattern}$"}
QUERY = (
    Parameter("camera", "Only clips of this camera.", CAMERA_ID_SCHEMA),
    Parameter(
        "action", "Only clips with an event of this action.", {"type": "string", "minLength": 1, "maxLength": 200}
    ),
    Parameter(
        "before",
        "Only clips older than the one of this name, for example the last one of the previous page.",
        NAME_SCHEMA,
    ),
    limit_of("clips", 50, 200),
)


class ClipsApi:
    """Clips of one engine. There are none without a `library`, which means that recording is off."""

    def __init__(self, library: ClipLibrary | None, privacy: KnownPrivacy) -> None:
        """Clips that hide less than `privacy` knows to be hidden now are refused."""
        self._privacy = privacy
        self._library = library

    def routes(self) -> list[Route]:
        """Return the routes."""
        one, of_clip = PATH + "/{clip}", CameraOf("clip", self._camera_of, _unknown)
        video = Answer(200, "MP4.", None, "video/mp4"), Answer(206, "A range of the video.", None, "video/mp4")
        results = (Answer(200, "JSON lines.", None, "application/x-ndjson"),)
        return [
            Route("GET", PATH, "read", self._list, ClipList, query=QUERY, scope="filtered"),
            Route("GET", one, "read", self._video, video, long_lived=True, camera_of=of_clip),
            Route("GET", one + "/metadata", "read", self._metadata, Clip, camera_of=of_clip),
            Route("GET", one + "/results", "read", self._results, results, long_lived=True, camera_of=of_clip),
        ]

    # -- handlers -----------------------------------------------------------------------------------------------
    async def _list(self, request: web.Request) -> web.Response:
        """List clips of events, newest first."""
        query = read_query(request, QUERY)
        before, limit = query["before"], query["limit"]
        library, sees = self._library, request[CALLER].sees
        if library is None:
            return json_response(ClipList("off", "recording.directory is not set", 0, 0, []))
        found: list[Clip] = []
        for clip in library.clips():
            if (before is None or clip.name < before) and sees(clip.camera) and _matches(clip, query):
                found.append(clip)
                if len(found) == limit:
                    break
        size = library.bytes_kept if request[CALLER].cameras is None else 0
        condition = library.condition
        return json_response(ClipList(condition.state, condition.message, size, library.budget, found))

    async def _video(self, request: web.Request) -> web.StreamResponse:
        """Get a clip's video. Range requests are supported."""
        library, clip = self._found(request)
        if not self._privacy.permits(clip.camera, clip.privacy, clip.start_us):
            raise Problem(403, "private", "the clip was recorded when less of the camera was hidden than now")
        # A browser that opens the video directly wraps it in a page, which must be allowed to load it.
        policy = {"Content-Security-Policy": "default-src 'none'; media-src 'self'"}
        path = library.directory / (clip.name + VIDEO)
        response = FileAnswer(path, headers={"Content-Type": "video/mp4", **policy})
        await response.prepare(request)
        return response

    async def _metadata(self, request: web.Request) -> web.Response:
        """Get a clip's description, as in the list."""
        return json_response(self._found(request)[1])

    async def _results(self, request: web.Request) -> web.StreamResponse:
        """Get the results of a clip's frames, one per line, as published."""
        library, clip = self._found(request)
        path = library.directory / (clip.name + RESULTS)
        response = FileAnswer(path, headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        return response

    async def _camera_of(self, name: str) -> str | None:
        clip = self._library.clip(name) if self._library is not None else None
        return clip.camera if clip is not None else None

    def _found(self, request: web.Request) -> tuple[ClipLibrary, Clip]:
        """Return the library and the clip. Only names in the library are looked up on the disk."""
        library = self._library
        clip = library.clip(request.match_info["clip"]) if library is not None else None
        if library is None or clip is None:
            raise _unknown()
        return library, clip


def _unknown() -> Problem:
    return Problem(404, "no-such-clip", f"unknown clip, or it was deleted to make room: see GET {PATH}")


def _matches(clip: Clip, query: Mapping[str, Any]) -> bool:
    return query["camera"] in (None, clip.camera) and (
        query["action"] is None or any(event.action == query["action"] for event in clip.events)
    )
