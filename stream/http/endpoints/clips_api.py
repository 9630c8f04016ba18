"""Clips over HTTP: which there are, their video, their results. Nothing is written here."""

from __future__ import annotations

from pathlib import Path

import msgspec
from aiohttp import web

from stream.http.server.file_answer import FileAnswer
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Parameter, Route
from stream.recording.clips import NAME, Clip, ClipList
from stream.recording.library import RESULTS, VIDEO, ClipLibrary
from stream.settings.section import CAMERA_ID

PATH = "/api/v1/clips"

MOST = 200
"""Clips in one answer."""
USUAL = 50

NAME_SCHEMA = {"type": "string", "pattern": f"^{NAME.pattern}$"}
QUERY = (
    Parameter("camera", "Only of this camera.", {"type": "string", "pattern": f"^{CAMERA_ID.pattern}$"}),
    Parameter("action", "Only with an event of this action.", {"type": "string", "minLength": 1, "maxLength": 200}),
    Parameter("before", "Only older ones than this: the last name of the answer before.", NAME_SCHEMA),
    Parameter("limit", f"At most so many; {USUAL} if left out.", {"type": "integer", "minimum": 1, "maximum": MOST}),
)


class ClipsApi:
    """Answers from one engine's clips; without a `library` (recording is off) there are none."""

    def __init__(self, library: ClipLibrary | None) -> None:
        self._library = library

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route(
                "GET",
                PATH,
                "read",
                self._list,
                "Clips of events, newest first.",
                (Answer(200, "The clips.", ClipList),),
                query=QUERY,
            ),
            Route(
                "GET",
                PATH + "/{clip}",
                "read",
                self._video,
                "A clip's video, whole or in ranges.",
                (Answer(200, "MP4.", None, "video/mp4"), Answer(206, "A range of it.", None, "video/mp4")),
                long_lived=True,
            ),
            Route(
                "GET",
                PATH + "/{clip}/results",
                "read",
                self._results,
                "The results of a clip's pictures, one a line, as published.",
                (Answer(200, "JSON lines.", None, "application/x-ndjson"),),
                long_lived=True,
            ),
        ]

    # -- handlers -----------------------------------------------------------------------------------------------
    async def _list(self, request: web.Request) -> web.Response:
        camera, action, before, limit = _query(request)
        library = self._library
        found: list[Clip] = []
        for clip in library.clips() if library is not None else []:
            if (before is None or clip.name < before) and _matches(clip, camera, action):
                found.append(clip)
                if len(found) == limit:
                    break
        answer = ClipList(
            state=library.state if library is not None else "off",
            message=library.message if library is not None else "recording.directory is not set",
            bytes=library.bytes_kept if library is not None else 0,
            budget=library.budget if library is not None else 0,
            clips=found,
        )
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    async def _video(self, request: web.Request) -> web.StreamResponse:
        # A browser shows a video by itself as a page of its own, which has to be let load it.
        policy = {"Content-Security-Policy": "default-src 'none'; media-src 'self'"}
        response = FileAnswer(self._file(request, VIDEO), headers={"Content-Type": "video/mp4", **policy})
        await response.prepare(request)
        return response

    async def _results(self, request: web.Request) -> web.StreamResponse:
        response = FileAnswer(self._file(request, RESULTS), headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        return response

    def _file(self, request: web.Request, ending: str) -> Path:
        """Only names that the library knows are ever looked up on the disk."""
        name = request.match_info["clip"]
        if self._library is None or self._library.clip(name) is None:
            raise Problem(404, "no-such-clip", f"there is no such clip, or it had to make room: see GET {PATH}")
        return self._library.directory / (name + ending)


def _matches(clip: Clip, camera: str | None, action: str | None) -> bool:
    return (camera is None or clip.camera == camera) and (
        action is None or any(event.action == action for event in clip.events)
    )


def _query(request: web.Request) -> tuple[str | None, str | None, str | None, int]:
    """Camera, action, name to begin before, and limit. Raises `Problem` where one can't be."""
    query = request.query
    faults: list[tuple[str, str]] = []
    if not set(query) <= {one.name for one in QUERY}:
        faults.append(("query", f"only {', '.join(one.name for one in QUERY)} are known here"))
    camera, before, limit = query.get("camera"), query.get("before"), query.get("limit", str(USUAL))
    if camera is not None and not CAMERA_ID.fullmatch(camera):
        faults.append(("camera", "must be a camera's id: [a-z0-9][a-z0-9_-]{0,62}"))
    if before is not None and not NAME.fullmatch(before):
        faults.append(("before", "must be a clip's name"))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 6 and 1 <= int(limit) <= MOST):
        faults.append(("limit", f"must be a whole number from 1 to {MOST}"))
    if faults:
        raise Problem(422, "invalid", "the query asks for what can't be", errors=faults)
    return camera, query.get("action"), before, int(limit)
