"""Clips over HTTP: the list, and each clip's video and results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
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
        found: list[Clip] = []
        for clip in library.clips() if library is not None else []:
            if (before is None or clip.name < before) and sees(clip.camera) and _matches(clip, query):
                found.append(clip)
                if len(found) == limit:
                    break
        answer = ClipList(
            state=library.state if library is not None else "off",
            message=library.message if library is not None else "recording.directory is not set",
            bytes=library.bytes_kept if library is not None and request[CALLER].cameras is None else 0,
            budget=library.budget if library is not None else 0,
            clips=found,
        )
        return json_response(answer)

    async def _video(self, request: web.Request) -> web.StreamResponse:
        """Get a clip's video. Range requests are supported."""
        # A browser that opens the video directly wraps it in a page, which must be allowed to load it.
        path = self._file(request, VIDEO)
        clip = self._library.clip(request.match_info["clip"]) if self._library is not None else None
        if clip is None or not self._privacy.permits(clip.camera, clip.privacy, clip.start_us):
            raise Problem(403, "private", "the clip was recorded when less of the camera was hidden than now")
        policy = {"Content-Security-Policy": "default-src 'none'; media-src 'self'"}
        response = FileAnswer(path, headers={"Content-Type": "video/mp4", **policy})
        await response.prepare(request)
        return response

    async def _metadata(self, request: web.Request) -> web.Response:
        """Get a clip's description, as in the list."""
        clip = None if self._library is None else self._library.clip(request.match_info["clip"])
        if clip is None:
            raise _unknown()
        return json_response(clip)

    async def _results(self, request: web.Request) -> web.StreamResponse:
        """Get the results of a clip's frames, one per line, as published."""
        response = FileAnswer(self._file(request, RESULTS), headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        return response

    async def _camera_of(self, name: str) -> str | None:
        clip = self._library.clip(name) if self._library is not None else None
        return clip.camera if clip is not None else None

    def _file(self, request: web.Request, ending: str) -> Path:
        """Return the path of a clip's file. Only names in the library are looked up on the disk."""
        name = request.match_info["clip"]
        if self._library is None or self._library.clip(name) is None:
            raise _unknown()
        return self._library.directory / (name + ending)


def _unknown() -> Problem:
    return Problem(404, "no-such-clip", f"unknown clip, or it was deleted to make room: see GET {PATH}")


def _matches(clip: Clip, query: Mapping[str, Any]) -> bool:
    return query["camera"] in (None, clip.camera) and (
        query["action"] is None or any(event.action == query["action"] for event in clip.events)
    )
