"""Which cameras' data a request concerns, and whether its caller may have them. Checked before every handler."""

from __future__ import annotations

from collections.abc import Mapping

from stream.cameras.changes import no_such_camera
from stream.http.server.access_control.access import Caller
from stream.http.server.problems import Problem
from stream.http.server.routes import Route


class NotYourCameraError(Problem):
    """The request concerns cameras that the token is not for."""


async def check_scope(route: Route, caller: Caller, values: Mapping[str, str]) -> str | None:
    """Raise `NotYourCameraError` if the route gives or changes data of cameras that the caller does not see.

    `values`: of the parameters in the path. For one camera, the response is the same as if it did not exist. Return the
    camera that the request concerns, if that is known; it is looked up for audited routes even if the caller sees all.
    """
    if route.scope == "camera" and (caller.cameras is not None or route.audited):
        return await _one_camera(route, caller, values)
    if route.scope == "whole" and caller.cameras is not None:
        raise NotYourCameraError(
            403, "not-your-camera", "this concerns all cameras, and the token is for some: send one with `cameras: all`"
        )
    return None


async def _one_camera(route: Route, caller: Caller, values: Mapping[str, str]) -> str | None:
    if route.camera_of is None:
        camera = values["camera"]
        if not caller.sees(camera):
            raise NotYourCameraError(404, "no-such-camera", str(no_such_camera(camera)))
        return camera
    found = await route.camera_of.camera(values[route.camera_of.parameter])
    if caller.cameras is not None and (found is None or not caller.sees(found)):
        unknown = route.camera_of.unknown()
        raise NotYourCameraError(unknown.status, unknown.code, unknown.detail)
    return found
