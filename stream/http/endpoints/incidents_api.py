"""Kept alerts and events over HTTP: listed by time, each with its picture and result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from aiohttp import web

from stream.http.server.bodies import json_response
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem, invalid
from stream.http.server.request_threads import RequestThreads
from stream.http.server.routes import CAMERA_ID_SCHEMA, Answer, CameraOf, Parameter, Route, limit_of, read_query
from stream.incidents.incident import Incident, IncidentList, IncidentQuery, Kind, Missing, Picture, Timeline, Verdict
from stream.incidents.overlay_picture import with_overlay
from stream.incidents.pictures import FramePictures
from stream.incidents.store import IncidentStore, StoreUnavailableError
from stream.results import Frame

PATH = "/api/v1/incidents"
LONGEST_TEXT = 200
UNKNOWN = "no-such-incident"
LATEST_US = 2**53
"""The largest time that JavaScript represents exactly."""

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
_TIME: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": LATEST_US}
FILTERS = (
    Parameter(
        "camera", "Only incidents of this camera; can be repeated.", {"type": "array", "items": CAMERA_ID_SCHEMA}
    ),
    Parameter("kind", "Only alerts or only events.", {"type": "string", "enum": list(get_args(Kind))}),
    Parameter("rule", "Only alerts of this rule.", _TEXT),
    Parameter("action", "Only incidents with this action.", _TEXT),
    Parameter(
        "verdict",
        "Only incidents with this verdict; `none`: without one.",
        {"type": "string", "enum": ["none", *get_args(Verdict)]},
    ),
    Parameter("from", "Only what began at this time or later, microseconds since 1970, UTC.", _TIME),
    Parameter("to", "Only what began before this time, microseconds since 1970, UTC.", _TIME),
)
PAGING = (
    Parameter(
        "before",
        "Only what follows in the list: `before` of the previous page.",
        {"type": "string", "pattern": f"^[0-9]{{1,16}}:.{{1,{LONGEST_TEXT}}}$"},
    ),
    limit_of("incidents", 50, 200),
)
BUCKETS = Parameter(
    "buckets", "Number of parts, at most.", {"type": "integer", "minimum": 1, "maximum": 500, "default": 96}
)
OVERLAY = (
    Parameter(
        "overlay",
        "Whether people, parts and actions are drawn over the picture.",
        {"type": "boolean", "default": False},
    ),
)
JPEG = (Answer(200, "JPEG.", None, "image/jpeg"),)

Found = TypeVar("Found")


class IncidentsApi:
    """Kept alerts and events of one engine. There are none without a `store`, which means that none are kept.

    The store is read in the threads `reading`.
    """

    def __init__(self, store: IncidentStore | None, pictures: FramePictures, reading: RequestThreads) -> None:
        self._store = store
        self._reading = reading
        self._pictures = pictures

    def routes(self) -> list[Route]:
        """Return the routes."""
        one, camera_of = PATH + "/{incident}", of_incident(self._store, self._reading)
        listed, counted = (*FILTERS, *PAGING), (*FILTERS, BUCKETS)
        return [
            Route("GET", PATH, "read", self._list, IncidentList, query=listed, scope="filtered"),
            Route("GET", PATH + "/timeline", "read", self._timeline, Timeline, query=counted, scope="filtered"),
            Route("GET", one, "read", self._show, Incident, camera_of=camera_of),
            Route("GET", one + "/picture", "read", self._picture, JPEG, query=OVERLAY, camera_of=camera_of),
            Route("GET", one + "/result", "read", self._result, Frame, camera_of=camera_of),
        ]

    # -- handlers -----------------------------------------------------------------------------------------------
    async def _list(self, request: web.Request) -> web.Response:
        """List kept alerts and events, the latest first."""
        query = _query(request, read_query(request, (*FILTERS, *PAGING)))
        store = self._store
        if store is None:
            return json_response(IncidentList("off", "incidents.directory is not set", 0, 0, [], None))
        try:
            found = await self._reading.run(store.find, query)
        except StoreUnavailableError as error:
            if store.condition.state != "unwritable":
                raise unavailable(error) from None
            found = []
        last = found[-1] if len(found) == query.limit else None
        condition = store.condition
        return json_response(
            IncidentList(
                condition.state,
                condition.message,
                store.bytes_kept if request[CALLER].cameras is None else 0,  # of others, it tells when people come
                store.budget,
                found,
                None if last is None else f"{last.began_us}:{last.id}",
            )
        )

    async def _timeline(self, request: web.Request) -> web.Response:
        """Count kept alerts and events by time. `from` and `to` are required."""
        given = read_query(request, (*FILTERS, BUCKETS))
        query = _query(request, given)
        if query.from_us is None or query.to_us is None or query.from_us >= query.to_us:
            raise invalid([("from", "give from and to, the later one as to")])
        store, buckets = self._store, given["buckets"]
        counts = [] if store is None else await _read(self._reading, store.timeline, query, buckets)
        return json_response(Timeline(counts))

    async def _show(self, request: web.Request) -> web.Response:
        """Get a kept alert or event."""
        store, name = self._store, request.match_info["incident"]
        found = None if store is None else await _read(self._reading, store.get, name)
        if found is None:
            deleted = store is not None and await _read(self._reading, store.was_deleted, name)
            raise missing("gone" if deleted else "unknown", UNKNOWN)
        return json_response(found)

    async def _picture(self, request: web.Request) -> web.Response:
        """Get the picture of the frame that began an alert or event."""
        name = request.match_info["incident"]
        return await picture_answer(request, self._reading, self._pictures, name, UNKNOWN)

    async def _result(self, request: web.Request) -> web.Response:
        """Get the result of the frame that began an alert or event, as published."""
        found = await _kept_picture(self._reading, self._pictures, request.match_info["incident"], UNKNOWN)
        if found.result is None:
            raise Problem(410, "no-longer-kept", "the result was lost when the engine crashed")
        return json_response(found.result)


def of_incident(store: IncidentStore | None, reading: RequestThreads) -> CameraOf:
    """Return how to find an incident's camera: not at all if it cannot be read now, or if too many requests wait."""

    async def camera(name: str) -> str | None:
        try:
            found = None if store is None else await reading.run(store.get, name)
        except StoreUnavailableError:
            return None
        return None if found is None else found.camera

    return CameraOf("incident", camera, lambda: missing("unknown", UNKNOWN))


def _query(request: web.Request, query: Mapping[str, Any]) -> IncidentQuery:
    """Return what the request asks for."""
    before_us, _, before_id = (query.get("before") or "").partition(":")
    return IncidentQuery(
        cameras=_seen(query["camera"], request[CALLER].cameras),
        kind=query["kind"],
        rule=query["rule"],
        action=query["action"],
        verdict=query["verdict"],
        from_us=query["from"],
        to_us=query["to"],
        before=(int(before_us), before_id) if before_id else None,
        limit=query.get("limit", 1),
    )


def _seen(wanted: list[str], visible: frozenset[str] | None) -> tuple[str, ...] | None:
    """Return the wanted cameras that the caller sees. Without wanted ones: all that the caller sees; None means all."""
    if visible is None:
        return tuple(dict.fromkeys(wanted)) or None
    return tuple(sorted(visible & set(wanted) if wanted else visible))


async def _read(reading: RequestThreads, function: Callable[..., Found], *arguments: Any) -> Found:
    """Call a function of the store in a thread. Raises `Problem` if the store cannot be read."""
    try:
        return await reading.run(function, *arguments)
    except StoreUnavailableError as error:
        raise unavailable(error) from None


async def _kept_picture(reading: RequestThreads, pictures: FramePictures, name: str, unknown: str) -> Picture:
    found = await _read(reading, pictures.picture, name)
    if isinstance(found, str):
        raise missing(found, unknown)
    return found


async def picture_answer(
    request: web.Request, reading: RequestThreads, pictures: FramePictures, name: str, unknown: str
) -> web.Response:
    """Return the JPEG of an incident, which is read in the threads `reading`.

    `unknown`: the problem's code if there is no such incident. Raises `Problem`.
    """
    overlay = read_query(request, OVERLAY)["overlay"]
    found = await _kept_picture(reading, pictures, name, unknown)
    jpeg = found.jpeg
    if overlay:
        try:
            jpeg = await reading.run(with_overlay, found)
        except (OSError, ValueError) as error:
            raise Problem(410, "no-longer-kept", f"the picture cannot be drawn on: {error}") from None
    return web.Response(body=jpeg, content_type="image/jpeg", headers={"Cache-Control": "private, no-cache"})


def unavailable(error: StoreUnavailableError) -> Problem:
    """Return the problem that kept alerts and events cannot be read."""
    return Problem(503, "not-now", f"kept alerts and events cannot be read now: {error}; see GET /api/v1/incidents")


def missing(why: Missing, unknown: str) -> Problem:
    """Return the problem that there is no picture. `unknown`: its code if there is no such incident."""
    if why == "waiting":
        return Problem(425, "not-ready", "the picture is being encoded", headers={"Retry-After": "1"})
    if why == "gone":
        return Problem(410, "no-longer-kept", "it was deleted: see incidents.budget and incidents.keep_days")
    if why == "private":
        return Problem(403, "private", "it was taken when less of the camera was hidden than now")
    if why == "none":
        return Problem(404, "no-picture", "no picture was taken: too many began at once, or the disk was full")
    return Problem(404, unknown, "unknown, or no longer kept")
