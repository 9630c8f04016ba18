"""Verdicts over HTTP: what people say of kept alerts and events, one or several at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from stages.verdicts.verdict_file import ID, LONGEST_NAME, NEW_ACTION
from stream.http.endpoints.incidents_api import PATH as INCIDENTS
from stream.http.endpoints.incidents_api import UNKNOWN, missing, of_incident
from stream.http.server.bodies import json_model, json_response
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem, invalid
from stream.http.server.request_threads import RequestThreads
from stream.http.server.routes import Route
from stream.incidents.incident import Verdict
from stream.incidents.verdicts.verdict_desk import Outcome, Said, VerdictDesk, VerdictsUnwritableError
from stream.results import Count, about

PATH = "/api/v1/verdicts"
ACTIONS = "/api/v1/actions"
MOST_IDS = 500


class SaidOfIncident(BaseModel):
    """A verdict."""

    model_config = ConfigDict(extra="forbid")
    verdict: Verdict = Field(
        description="`right`: the action is right. `wrong`: it is not, whatever it is. `really`: it is `truth`. "
        "`skip`: it cannot be told."
    )
    truth: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_NAME,
        description="The true action; for `really` only. An action of the model, a written one, or a new name that "
        f"matches {NEW_ACTION.pattern}.",
    )


class SaidOfIncidents(BaseModel):
    """A verdict on several alerts and events."""

    model_config = ConfigDict(extra="forbid")
    ids: list[Annotated[str, Field(pattern=f"^{ID.pattern}$")]] = Field(
        min_length=1, max_length=MOST_IDS, description="The ids of the alerts and events."
    )
    verdict: Verdict | None = Field(description="As for one; null takes verdicts back.")
    truth: str | None = Field(None, min_length=1, max_length=LONGEST_NAME, description="As for one.")


GivenVerdict = TypeVar("GivenVerdict", SaidOfIncident, SaidOfIncidents)


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
        one, camera_of = INCIDENTS + "/{incident}/verdict", of_incident(self._desk and self._desk.store, self._reading)
        return [
            Route("PUT", one, "review", self._put, Outcome, body=SaidOfIncident, camera_of=camera_of),
            Route("DELETE", one, "review", self._delete, Outcome, camera_of=camera_of),
            Route("POST", PATH, "review", self._post, Outcomes, body=SaidOfIncidents, scope="filtered"),
            Route("GET", PATH, "read", self._state, VerdictsState, scope="whole"),
            Route("GET", ACTIONS, "read", self._list_actions, ActionList, scope="none"),
        ]

    # -- handlers -----------------------------------------------------------------------------------------------
    async def _put(self, request: web.Request) -> web.Response:
        """Give a verdict on an alert or event. Repeating a request changes nothing."""
        said = self._checked(await json_model(request, SaidOfIncident))
        return json_response(await self._say_one(request, said.verdict, said.truth))

    async def _delete(self, request: web.Request) -> web.Response:
        """Take back the verdict on an alert or event."""
        return json_response(await self._say_one(request, None, None))

    async def _post(self, request: web.Request) -> web.Response:
        """Give a verdict on several alerts and events. Repeating a request changes nothing."""
        said = self._checked(await json_model(request, SaidOfIncidents))
        return json_response(Outcomes(await self._say(request, said.ids, said.verdict, said.truth)))

    async def _state(self, request: web.Request) -> web.Response:
        """Get the state of the folder of verdicts."""
        if self._desk is None:
            return json_response(VerdictsState("off", "incidents.directory is not set", 0, 0, []))
        folder = self._desk.folder
        damaged = list(folder.damaged)
        if folder.counts is not None:
            return json_response(VerdictsState("ready", "", *folder.counts, damaged))
        self._desk.read_folder()
        return json_response(
            VerdictsState("unwritable" if folder.message else "reading", folder.message, 0, 0, damaged)
        )

    async def _list_actions(self, request: web.Request) -> web.Response:
        """List the actions of the model and of the rules file."""
        return json_response(ActionList(list(self._actions())))

    # -- helpers ------------------------------------------------------------------------------------------------
    async def _say_one(self, request: web.Request, verdict: Verdict | None, truth: str | None) -> Outcome:
        (outcome,) = await self._say(request, [request.match_info["incident"]], verdict, truth)
        if outcome.incident is None:
            raise missing("unknown", UNKNOWN)
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

    def _checked(self, said: GivenVerdict) -> GivenVerdict:
        """Return what was said if its truth fits. Raises `Problem`."""
        truth = said.truth
        if (truth is None) is (said.verdict == "really"):
            raise invalid([("truth", "give the true action with `really`, and only with it")])
        if truth is not None and truth not in self._actions() and not NEW_ACTION.fullmatch(truth):
            raise invalid([("truth", f"must be a known action (see GET {ACTIONS}) or match {NEW_ACTION.pattern}")])
        return said
