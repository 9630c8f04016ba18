"""Profiling over HTTP: start a recording, list recordings, download a file. Needs the control role."""

from __future__ import annotations

import msgspec
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.settings_file import plain_message
from stream.http.server.bodies import json_object
from stream.http.server.problems import Problem, invalid
from stream.http.server.routes import Answer, Route
from stream.http.server.streaming import FileAnswer
from stream.inference.profiling import (
    DEFAULT_S,
    MAX_S,
    AlreadyProfilingError,
    Profiling,
    ProfilingError,
    ProfilingRecording,
    ProfilingRecordingList,
)

PATH = "/api/v1/profiling"
TRACE = "application/gzip"


class ProfilingRequest(BaseModel):
    """A profiling request."""

    model_config = ConfigDict(extra="forbid")
    seconds: float = Field(
        DEFAULT_S, gt=0, le=MAX_S, description="Maximum duration. The recording ends earlier after 100 batches."
    )


class ProfilingApi:
    """Profiling of one engine."""

    def __init__(self, profiling: Profiling) -> None:
        self._profiling = profiling

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "POST",
                PATH,
                "control",
                self._begin,
                "Record for a few seconds where the inference thread spends its time. One recording at a time.",
                (Answer(202, "The recording has started; `Location` is the path of its file.", ProfilingRecording),),
                body=ProfilingRequest,
                scope="whole",
            ),
            Route(
                "GET",
                PATH,
                "control",
                self._list,
                "List the profiling recordings of this run, newest first.",
                (Answer(200, "The recordings.", ProfilingRecordingList),),
                scope="whole",
            ),
            Route(
                "GET",
                PATH + "/{recording}",
                "control",
                self._file,
                "Download a profiling recording, a Chrome trace for https://ui.perfetto.dev.",
                (Answer(200, "The trace.", None, TRACE), Answer(206, "A range of the trace.", None, TRACE)),
                long_lived=True,
                scope="whole",
            ),
        ]

    async def _begin(self, request: web.Request) -> web.Response:
        try:
            wanted = ProfilingRequest.model_validate(await json_object(request))
        except ValidationError as error:
            errors = error.errors(include_url=False)
            raise invalid([(".".join(map(str, one["loc"])), plain_message(one)) for one in errors]) from None
        try:
            recording = self._profiling.begin(wanted.seconds)
        except AlreadyProfilingError as error:
            raise Problem(409, "profiling-already", str(error), headers={"Retry-After": "5"}) from None
        except ProfilingError as error:
            raise Problem(507, "not-profiled", str(error)) from None
        return _json(recording, 202, {"Location": f"{PATH}/{recording.name}"})

    async def _list(self, request: web.Request) -> web.Response:
        return _json(ProfilingRecordingList(self._profiling.recordings))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        file = self._profiling.file(request.match_info["recording"])
        if file is None or not file.is_file():
            raise Problem(404, "no-such-recording", f"unknown recording, or it is not complete yet: see GET {PATH}")
        name = f'attachment; filename="{file.name}"'
        response = FileAnswer(file, headers={"Content-Type": TRACE, "Content-Disposition": name})
        await response.prepare(request)
        return response


def _json(
    body: ProfilingRecording | ProfilingRecordingList, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", headers=headers)
