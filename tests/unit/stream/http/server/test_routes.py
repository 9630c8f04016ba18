"""A route's scope fits its path and its right, and the gate finds the camera by it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from stream.http.server.auth import LOOPBACK, Caller
from stream.http.server.gate import check_scope
from stream.http.server.problems import Problem
from stream.http.server.routes import CameraOf, Route

HANDLER = cast(Any, None)


async def camera_of(clip: str) -> str | None:
    return {"1": "door", "2": "hall"}.get(clip)


OF_CLIP = CameraOf("clip", camera_of, lambda: Problem(404, "no-such-clip", "unknown clip"))
VIEWER = Caller("read", "token", "viewer", frozenset({"door"}))


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/cameras/{camera}", {"scope": "filtered"}),
        ("/cameras/{camera}", {"scope": "none"}),
        ("/cameras", {}),
        ("/clips/{clip}", {"scope": "whole", "camera_of": OF_CLIP}),
    ],
)
def test_a_scope_that_does_not_fit_the_path_is_refused(path: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has the scope `camera`"):
        Route("GET", path, "read", HANDLER, **options)


def test_an_open_route_gives_no_cameras_data() -> None:
    with pytest.raises(ValueError, match="open route"):
        Route("GET", "/all", "open", HANDLER, scope="filtered")


@pytest.mark.parametrize(("clip", "code"), [("1", None), ("2", "no-such-clip"), ("3", "no-such-clip")])
async def test_the_camera_of_what_a_path_names_is_looked_up(clip: str, code: str | None) -> None:
    route = Route("GET", "/clips/{clip}", "read", HANDLER, camera_of=OF_CLIP)
    await check_scope(route, LOOPBACK, {"clip": clip})
    if code is None:
        await check_scope(route, VIEWER, {"clip": clip})
    else:
        with pytest.raises(Problem) as caught:
            await check_scope(route, VIEWER, {"clip": clip})
        assert (caught.value.status, caught.value.code) == (404, code)


async def test_only_a_token_for_all_cameras_gets_what_concerns_all() -> None:
    route = Route("GET", "/all", "read", HANDLER, scope="whole")
    await check_scope(route, Caller("read", "token", "prometheus", None), {})
    with pytest.raises(Problem) as caught:
        await check_scope(route, VIEWER, {})
    assert (caught.value.status, caught.value.code) == (403, "not-your-camera")
