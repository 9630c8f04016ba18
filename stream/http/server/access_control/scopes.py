"""Which cameras' data a request concerns, and whether its caller may have them. Checked before every handler."""

from __future__ import annotations

from collections.abc import Mapping

from stream.cameras.control import no_such_camera
from stream.http.server.access_control.access import Caller
from stream.http.server.problems import Problem
from stream.http.server.routes import Route


class NotYourCameraError(Problem):
    """The request concerns cameras that the token is not for."""


def check_scope(route: Route, caller: Caller, values: Mapping[str, str]) -> None:
    """Raise `NotYourCameraError` if the route gives or changes data of cameras that the caller does not see.

    `values`: of the parameters in the path. For one camera, the response is the same as if it did not exist.
    """
    if caller.cameras is None or route.scope in ("none", "filtered"):
        return
    if route.scope == "whole":
        raise NotYourCameraError(
            403, "not-your-camera", "this concerns all cameras, and the token is for some: send one with `cameras: all`"
        )
    if route.camera_of is None:
        camera = values["camera"]
        if not caller.sees(camera):
            raise NotYourCameraError(404, "no-such-camera", str(no_such_camera(camera)))
        return
    found = route.camera_of.camera(values[route.camera_of.parameter])
    if found is None or not caller.sees(found):
        unknown = route.camera_of.unknown()
        raise NotYourCameraError(unknown.status, unknown.code, unknown.detail)
