"""Alerts and rules over HTTP: the open and the latest cleared alerts, their pictures, and the rules in force."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from aiohttp import web

from stream.alerts.alert_book import AlertBook
from stream.alerts.rules_in_force import RulesInForce, RulesView
from stream.http.endpoints.incidents_api import JPEG, OVERLAY, picture_answer
from stream.http.server.bodies import json_response
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem
from stream.http.server.request_threads import RequestThreads
from stream.http.server.routes import CAMERA_ID_SCHEMA, CameraOf, Parameter, Route, limit_of, read_query
from stream.incidents.pictures import FramePictures
from stream.results import ALERT_SCHEMA, Alert, about

PATH = "/api/v1/alerts"
RULES = "/api/v1/rules"

QUERY = (
    Parameter("camera", "Only alerts of this camera.", CAMERA_ID_SCHEMA),
    Parameter(
        "state",
        "`open`: only alerts that are on; `all` (the default): also the latest that were cleared.",
        {"type": "string", "enum": ["open", "all"]},
    ),
    limit_of("alerts", 100, 500),
)


class ListedAlert(Alert, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=ALERT_SCHEMA):
    """An alert's last message, and whether there is a picture of the frame that began it."""

    picture: Annotated[bool, about("Whether `GET /api/v1/alerts/{alert}/picture` has a picture.")]


class AlertList(msgspec.Struct, frozen=True):
    """Alerts: the open ones first, and of each group the latest first."""

    open: Annotated[int, about("The number of open alerts of all cameras that the caller sees.")]
    alerts: Annotated[list[ListedAlert], about("The alerts.")]


class AlertsApi:
    """Alerts and rules of one engine. Pictures are read in the threads `reading`."""

    def __init__(self, book: AlertBook, pictures: FramePictures, rules: RulesInForce, reading: RequestThreads) -> None:
        self._reading = reading
        self._book = book
        self._pictures = pictures
        self._rules = rules

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_alert = CameraOf("alert", self._camera_of, _unknown)
        return [
            Route("GET", PATH, "read", self._list, AlertList, query=QUERY, scope="filtered"),
            Route("GET", PATH + "/{alert}/picture", "read", self._picture, JPEG, query=OVERLAY, camera_of=of_alert),
            Route("POST", PATH + "/{alert}/acknowledge", "review", self._acknowledge, ListedAlert, camera_of=of_alert),
            Route("GET", RULES, "read", self._show_rules, RulesView, scope="filtered"),
        ]

    # -- handlers -----------------------------------------------------------------------------------------------
    async def _list(self, request: web.Request) -> web.Response:
        """List alerts: the open ones, then the latest that were cleared."""
        query, sees = read_query(request, QUERY), request[CALLER].sees
        only_open, limit = query["state"] == "open", query["limit"]
        alerts = self._book.entries(query["camera"], only_open=only_open, limit=limit, sees=sees)
        count = sum(count for (camera, _), count in self._book.open().items() if sees(camera))
        return json_response(AlertList(open=count, alerts=await self._listed(alerts)))

    async def _picture(self, request: web.Request) -> web.Response:
        """Get the picture of the frame that began an alert."""
        name = request.match_info["alert"]
        return await picture_answer(request, self._reading, self._pictures, name, "no-such-alert")

    async def _acknowledge(self, request: web.Request) -> web.Response:
        """Acknowledge an alert, which publishes it again. Repeating a request changes nothing."""
        alert = self._book.acknowledge(request.match_info["alert"])
        if alert is None:
            raise _unknown()
        (listed,) = await self._listed([alert])
        return json_response(listed)

    async def _show_rules(self, request: web.Request) -> web.Response:
        """Get the rules in force."""
        return json_response(seen_rules(self._rules.view(), request[CALLER].cameras))

    async def _camera_of(self, name: str) -> str | None:
        return self._book.camera_of(name)

    async def _listed(self, alerts: list[Alert]) -> list[ListedAlert]:
        try:
            shown = await self._reading.run(self._pictures.kept.with_pictures, [alert.alert for alert in alerts])
        except Problem:  # the alerts are known nevertheless
            shown = set[str]()
        return [
            ListedAlert(
                **{name: getattr(alert, name) for name in alert.__struct_fields__}, picture=alert.alert in shown
            )
            for alert in alerts
        ]


def seen_rules(view: RulesView, cameras: frozenset[str] | None) -> RulesView:
    """Return what a caller who sees these cameras may know: the rules for them, without the names of others.

    Warnings and errors of the file can name any camera, so they are not shown. None: the caller sees all cameras.
    """
    if cameras is None:
        return view
    rules: dict[str, dict[str, Any]] = {}
    for name, rule in view.rules.items():
        own = [camera for camera in rule["cameras"] if camera in cameras] if "cameras" in rule else None
        if own is None:
            rules[name] = rule
        elif own:
            rules[name] = {**rule, "cameras": own}
    error = None if view.error is None else "its details need a token for all cameras"
    return RulesView(None, view.loaded_us, error, [], view.actions, rules)


def _unknown() -> Problem:
    return Problem(404, "no-such-alert", f"unknown alert, or it is no longer listed: see GET {PATH}")
