"""Verdicts over HTTP: what people say of kept alerts and events, one or several at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, cast, get_args

import msgspec
from aiohttp import web

from stages.verdicts.verdict_file import ID, LONGEST_NAME, NEW_ACTION
from stream.http.endpoints import incident_picture
from stream.http.endpoints.incidents_api import PATH as INCIDENTS
from stream.http.endpoints.incidents_api import UNKNOWN, camera_of
from stream.http.server.bodies import json_object
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem, invalid
from stream.http.server.request_threads import RequestThreads
from stream.http.server.routes import Answer, CameraOf, Route
from stream.incidents.incident import Verdict
from stream.incidents.verdicts.verdict_desk import Outcome, Said, VerdictDesk, VerdictsUnwritableError
from stream.results import Count, about

PATH = "/api/v1/verdicts"
ACTIONS = "/api/v1/actions"
MOST_IDS = 500
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

_VERDICT: dict[str, Any] = {
    "verdict": {
        "type": "string",
        "enum": list(VERDICTS),
        "description": "`right`: the action is right. `wrong`: it is not, whatever it is. `really`: it is `truth`. "
        "`skip`: it cannot be told.",
    },
    "truth": {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_NAME,
        "description": f"The true action; for `really` only. An action of the model, a written one, or a new name that "
        f"matches {NEW_ACTION.pattern}.",
    },
}
BODY: dict[str, Any] = {
    "title": "SaidOfIncident",
    "description": "A verdict.",
    "type": "object",
    "properties": _VERDICT,
    "required": ["verdict"],
    "additionalProperties": False,
}
SEVERAL: dict[str, Any] = {
    "title": "SaidOfIncidents",
    "description": "A verdict on several alerts and events.",
    "type": "object",
    "properties": {
        "ids": {
            "type": "array",
            "items": {"type": "string", "pattern": f"^{ID.pattern}$"},
            "minItems": 1,
            "maxItems": MOST_IDS,
            "description": "The ids of the alerts and events.",
        },
        **_VERDICT,
        "verdict": {
            **_VERDICT["verdict"],
            "type": ["string", "null"],
            "enum": [*VERDICTS, None],
            "description": _VERDICT["verdict"]["description"] + " Null takes verdicts back.",
        },
    },
    "required": ["ids", "verdict"],
    "additionalProperties": False,
}


class Outcomes(msgspec.Struct, frozen=True):
    """What became of a verdict on several incidents."""

    outcomes: Annotated[list[Outcome], about("For each id, in the order of the request.")]


class ActionList(msgspec.Struct, frozen=True):
    """The actions that can be named."""

    actions: Annotated[list[str], about("Those of the model and the written ones, in alphabetical order.")]


class VerdictsState(msgspec.Struct, frozen=True):
    """The folder of verdicts."""

    state: Annotated[
        Literal["off", "reading", "ready", "unwritable"],
        about("`off`: no incidents are kept. `reading`: it is being read. `unwritable`: see the message."),
    ]
    message: Annotated[str, about("Why verdicts cannot be kept; empty if they can.")]
    verdicts: Annotated[int, about("The number of verdicts that training can learn from.", minimum=0)]
    clips: Count
    damaged: Annotated[
        list[str],
        about("Files that hold no valid verdict, and why, and clips without one. They are not used or changed."),
    ]


class ReviewApi:
    """Verdicts of one engine; without a `desk`, no incidents are kept. `actions` returns the known actions.

    Verdicts are written in the threads `writing`.
    """

    def __init__(
        self,
        desk: VerdictDesk | None,
        actions: Callable[[], Sequence[str]],
        reading: RequestThreads,
        writing: RequestThreads,
    ) -> None:
        self._reading = reading
        self._writing = writing
        self._desk = desk
        self._actions = actions

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_incident = CameraOf("incident", self._camera_of, lambda: incident_picture.missing("unknown", UNKNOWN))
        return [
            Route(
                "PUT",
                INCIDENTS + "/{incident}/verdict",
                "review",
                self._put,
                "Say what an alert or event really was. Repeating a request changes nothing.",
                (Answer(200, "What became of it.", Outcome),),
                body=BODY,
                scope="camera",
                camera_of=of_incident,
            ),
            Route(
                "DELETE",
                INCIDENTS + "/{incident}/verdict",
                "review",
                self._delete,
                "Take back the verdict on an alert or event.",
                (Answer(200, "What became of it.", Outcome),),
                scope="camera",
                camera_of=of_incident,
            ),
            Route(
                "POST",
                PATH,
                "review",
                self._post,
                "Say what several alerts and events really were. Repeating a request changes nothing.",
                (Answer(200, "What became of each.", Outcomes),),
                body=SEVERAL,
                scope="filtered",
            ),
            Route(
                "GET",
                PATH,
                "read",
                self._state,
                "Get the state of the folder of verdicts.",
                (Answer(200, "The state.", VerdictsState),),
                scope="whole",
            ),
            Route(
                "GET",
                ACTIONS,
                "read",
                self._list_actions,
                "List the actions of the model and of the rules file.",
                (Answer(200, "The actions.", ActionList),),
                scope="none",
            ),
        ]

    # -- handlers -----------------------------------------------------------------------------------------------
    async def _put(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        verdict, truth = self._verdict(body, (), null=False)
        return _json(await self._say_one(request, verdict, truth))

    async def _delete(self, request: web.Request) -> web.Response:
        return _json(await self._say_one(request, None, None))

    async def _post(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        given = body.get("ids")
        ids = cast(list[Any], given) if isinstance(given, list) else []
        wrong = not 0 < len(ids) <= MOST_IDS or not all(isinstance(one, str) and ID.fullmatch(one) for one in ids)
        errors = [("ids", f"must be a list of 1 to {MOST_IDS} ids of alerts and events")] if wrong else []
        verdict, truth = self._verdict(body, errors, null=True)
        return _json(Outcomes(await self._say(request, ids, verdict, truth)))

    async def _state(self, request: web.Request) -> web.Response:
        if self._desk is None:
            return _json(VerdictsState("off", "incidents.directory is not set", 0, 0, []))
        folder = self._desk.folder
        damaged = list(folder.damaged)
        if folder.counts is not None:
            return _json(VerdictsState("ready", "", *folder.counts, damaged))
        self._desk.read_folder()
        return _json(VerdictsState("unwritable" if folder.message else "reading", folder.message, 0, 0, damaged))

    async def _list_actions(self, request: web.Request) -> web.Response:
        return _json(ActionList(list(self._actions())))

    # -- helpers ------------------------------------------------------------------------------------------------
    async def _say_one(self, request: web.Request, verdict: Verdict | None, truth: str | None) -> Outcome:
        (outcome,) = await self._say(request, [request.match_info["incident"]], verdict, truth)
        if outcome.incident is None:
            raise incident_picture.missing("unknown", UNKNOWN)
        return outcome

    async def _say(
        self, request: web.Request, ids: Sequence[str], verdict: Verdict | None, truth: str | None
    ) -> list[Outcome]:
        caller = request[CALLER]
        if self._desk is None:
            return [Outcome(name, False, False, "no-such-incident", None) for name in dict.fromkeys(ids)]
        try:
            return await self._writing.run(self._desk.say, ids, Said(verdict, truth, caller.name), caller.sees)
        except VerdictsUnwritableError as error:
            saved = f"; {len(error.done)} of {len(ids)} were saved" if len(ids) > 1 else ""
            raise Problem(507, "verdict-not-kept", f"{error}{saved}: the others keep the verdict they had") from None

    def _verdict(
        self, body: dict[str, object], errors: Sequence[tuple[str, str]], *, null: bool
    ) -> tuple[Verdict | None, str | None]:
        """Return a request's verdict and truth. Raises `Problem` if they are invalid, or with these further errors."""
        errors = list(errors)
        known = ("ids", "verdict", "truth") if null else ("verdict", "truth")
        errors += [(name, "unknown field") for name in sorted(body.keys() - set(known))]
        verdict, truth = body.get("verdict", ""), body.get("truth")
        if verdict not in VERDICTS and not (null and verdict is None):
            errors.append(("verdict", f"must be one of {', '.join(VERDICTS)}{', or null' if null else ''}"))
        if (truth is None) is (verdict == "really"):
            errors.append(("truth", "give the true action with `really`, and only with it"))
        elif truth is not None and not (
            isinstance(truth, str) and (truth in self._actions() or NEW_ACTION.fullmatch(truth))
        ):
            errors.append(("truth", f"must be a known action (see GET {ACTIONS}) or match {NEW_ACTION.pattern}"))
        if errors:
            raise invalid(errors)
        return cast(Verdict | None, verdict), cast(str | None, truth)

    async def _camera_of(self, name: str) -> str | None:
        return await camera_of(None if self._desk is None else self._desk.store, self._reading, name)


def _json(answer: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
