"""Kept alerts and events over HTTP: listed by time, each with its picture and result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

import msgspec
from aiohttp import web

from stream.http.endpoints import incident_picture
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem, invalid
from stream.http.server.queries import CAMERA_ID_SCHEMA, read_query
from stream.http.server.request_threads import RequestThreads
from stream.http.server.routes import Answer, CameraOf, Parameter, Route
from stream.incidents.incident import Incident, IncidentList, IncidentQuery, Kind, Timeline, Verdict
from stream.incidents.pictures import FramePictures
from stream.incidents.store import IncidentStore, StoreUnavailableError
from stream.results import Frame

PATH = "/api/v1/incidents"
MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_BUCKETS = 500
DEFAULT_BUCKETS = 96
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
    Parameter(
        "limit",
        f"Maximum number of incidents; {DEFAULT_LIMIT} by default.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
    ),
)
BUCKETS = (
    Parameter(
        "buckets",
        f"Number of parts, at most; {DEFAULT_BUCKETS} by default.",
        {"type": "integer", "minimum": 1, "maximum": MAX_BUCKETS},
    ),
)

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
        of_incident = CameraOf("incident", self._camera_of, lambda: incident_picture.missing("unknown", UNKNOWN))
        return [
            Route(
                "GET",
                PATH,
                "read",
                self._list,
                "List kept alerts and events, the latest first.",
                (Answer(200, "The incidents.", IncidentList),),
                query=(*FILTERS, *PAGING),
                scope="filtered",
            ),
            Route(
                "GET",
                PATH + "/timeline",
                "read",
                self._timeline,
                "Count kept alerts and events by time. `from` and `to` are required.",
                (Answer(200, "The counts.", Timeline),),
                query=(*FILTERS, *BUCKETS),
                scope="filtered",
            ),
            Route(
                "GET",
                PATH + "/{incident}",
                "read",
                self._show,
                "Get a kept alert or event.",
                (Answer(200, "The incident.", Incident),),
                scope="camera",
                camera_of=of_incident,
            ),
            Route(
                "GET",
                PATH + "/{incident}/picture",
                "read",
                self._picture,
                "Get the picture of the frame that began an alert or event.",
                (Answer(200, "JPEG.", None, "image/jpeg"),),
                query=incident_picture.QUERY,
                scope="camera",
                camera_of=of_incident,
            ),
            Route(
                "GET",
                PATH + "/{incident}/result",
                "read",
                self._result,
                "Get the result of the frame that began an alert or event, as published.",
                (Answer(200, "The result.", Frame),),
                scope="camera",
                camera_of=of_incident,
            ),
        ]

    # -- handlers -----------------------------------------------------------------------------------------------
    async def _list(self, request: web.Request) -> web.Response:
        query = _query(request, read_query(request, (*FILTERS, *PAGING)))
        store = self._store
        if store is None:
            return _json(IncidentList("off", "incidents.directory is not set", 0, 0, [], None))
        try:
            found = await self._reading.run(store.find, query)
        except StoreUnavailableError as error:
            if store.condition.state != "unwritable":
                raise incident_picture.unavailable(error) from None
            found = []
        last = found[-1] if len(found) == query.limit else None
        condition = store.condition
        return _json(
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
        given = read_query(request, (*FILTERS, *BUCKETS))
        query = _query(request, given)
        if query.from_us is None or query.to_us is None or query.from_us >= query.to_us:
            raise invalid([("from", "give from and to, the later one as to")])
        buckets = given["buckets"] or DEFAULT_BUCKETS
        return _json(Timeline([] if self._store is None else await self._read(self._store.timeline, query, buckets)))

    async def _show(self, request: web.Request) -> web.Response:
        return _json(await self._incident(request))

    async def _picture(self, request: web.Request) -> web.Response:
        name = request.match_info["incident"]
        return await incident_picture.picture_answer(request, self._reading, self._pictures, name, UNKNOWN)

    async def _result(self, request: web.Request) -> web.Response:
        name = request.match_info["incident"]
        found = await self._read(self._pictures.picture, name)
        if isinstance(found, str):
            raise incident_picture.missing(found, UNKNOWN)
        if found.result is None:
            raise Problem(410, "no-longer-kept", "the result was lost when the engine crashed")
        return _json(found.result)

    async def _camera_of(self, name: str) -> str | None:
        return await camera_of(self._store, self._reading, name)

    async def _incident(self, request: web.Request) -> Incident:
        store, name = self._store, request.match_info["incident"]
        found = None if store is None else await self._read(store.get, name)
        if found is None:
            deleted = store is not None and await self._read(store.was_deleted, name)
            raise incident_picture.missing("gone" if deleted else "unknown", UNKNOWN)
        return found

    async def _read(self, function: Callable[..., Found], *arguments: Any) -> Found:
        """Call a function of the store in a thread. Raises `Problem` if the store cannot be read."""
        try:
            return await self._reading.run(function, *arguments)
        except StoreUnavailableError as error:
            raise incident_picture.unavailable(error) from None


async def camera_of(store: IncidentStore | None, reading: RequestThreads, name: str) -> str | None:
    """Return the camera of an incident; None if it is unknown or cannot be read now.

    Raises `Problem` if too many requests wait.
    """
    try:
        found = None if store is None else await reading.run(store.get, name)
    except StoreUnavailableError:
        return None
    return None if found is None else found.camera


def _json(answer: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


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
        limit=query.get("limit") or DEFAULT_LIMIT,
    )


def _seen(wanted: list[str], visible: frozenset[str] | None) -> tuple[str, ...] | None:
    """Return the wanted cameras that the caller sees. Without wanted ones: all that the caller sees; None means all."""
    if visible is None:
        return tuple(dict.fromkeys(wanted)) or None
    return tuple(sorted(visible & set(wanted) if wanted else visible))
