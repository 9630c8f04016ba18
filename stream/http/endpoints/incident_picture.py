"""The picture of an alert or event as a response."""

from __future__ import annotations

from aiohttp import web

from stream.http.server.problems import Problem
from stream.http.server.queries import read_query
from stream.http.server.request_threads import RequestThreads
from stream.http.server.routes import Parameter
from stream.incidents.incident import Missing
from stream.incidents.overlay_picture import with_overlay
from stream.incidents.pictures import FramePictures
from stream.incidents.store import StoreUnavailableError

QUERY = (
    Parameter(
        "overlay",
        "Whether people, parts and actions are drawn over the picture; false by default.",
        {"type": "string", "enum": ["true", "false"]},
    ),
)


async def picture_answer(
    request: web.Request, reading: RequestThreads, pictures: FramePictures, name: str, unknown: str
) -> web.Response:
    """Return the JPEG of an incident, which is read in the threads `reading`.

    `unknown`: the problem's code if there is no such incident. Raises `Problem`.
    """
    overlay = read_query(request, QUERY)["overlay"] == "true"
    try:
        found = await reading.run(pictures.picture, name)
    except StoreUnavailableError as error:
        raise unavailable(error) from None
    if isinstance(found, str):
        raise missing(found, unknown)
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
