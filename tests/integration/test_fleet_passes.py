"""Passes of a fleet's live page at real engines: what they permit, from where, and for how long."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stream.membership import passes
from stream.membership.passes import Passes
from support.fleet.watched_fleet import CAMERAS, FIRST, SECOND, UNPLACED, WatchedFleet, watched_fleet
from support.listed_tokens import bearer, secret_of

VIEWS = "/api/v1/fleet/views"
PAGE = "5f" * 16
EVIL = "https://evil.example"
MANY_LINES = 100
"""More than arrive before the engine checks again what was begun, which it does twice a second."""


async def views(fleet: WatchedFleet, token: str, *cameras: str, **headers: str) -> tuple[int, Any]:
    """Ask the controller for passes as the page does. Return the status and the body."""
    body = {"page": PAGE, "cameras": cameras}
    status, answer, _ = await fleet.client.ask("POST", VIEWS, json=body, headers=bearer(token) | headers)
    return status, answer


async def pass_for(fleet: WatchedFleet, token: str, camera: str) -> dict[str, str]:
    """Return the headers that send a pass for this camera."""
    _, found = await views(fleet, token, camera)
    (engine,) = found["engines"]
    return {"Authorization": f"Bearer {engine['token']}"}


async def test_a_pass_permits_to_watch_its_cameras_at_its_engine_and_nothing_else(tmp_path: Path) -> None:
    async with watched_fleet(tmp_path) as fleet:
        status, found = await views(fleet, "guard", *CAMERAS, UNPLACED, "unknown")
        assert (status, found["life_s"]) == (200, passes.LIFE_S)
        assert [place["id"] for place in found["cameras"]] == ["hall"]
        (one,) = found["engines"]
        here, there = sorted((FIRST, SECOND), key=lambda name: "hall" not in fleet.of(name))
        assert (one["engine"], one["origin"], one["cameras"]) == (here, fleet.address(here), ["hall"])
        neighbour = (fleet.of(here) - {"hall"}).pop()

        async def ask(method: str, path: str, at: str = fleet.address(here), token: str = one["token"]) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            async with fleet.client.session.request(method, at + path, headers=headers) as answer:
                return answer.status

        for path in ("cameras/hall", "cameras/hall/pictures", "events", "session"):
            assert await ask("GET", f"/api/v1/{path}") == 200, path
        for path in (f"cameras/{neighbour}", f"cameras/{neighbour}/pictures"):
            assert await ask("GET", f"/api/v1/{path}") == 404, path
        assert await ask("POST", f"/whep/{neighbour}") == 404
        for path in ("cameras", "cameras/hall/result", "status", "config", "alerts", "incidents", "clips"):
            assert await ask("GET", f"/api/v1/{path}") == 403, path
        for method in ("PUT", "PATCH", "DELETE"):
            assert await ask(method, "/api/v1/cameras/hall") == 403, method
        for path in ("/api/v1/alerts/x/acknowledge", "/api/v1/verdicts", "/whip/hall"):
            assert await ask("POST", path) == 403, path
        assert await ask("GET", "/metrics") == 403
        hall = "/api/v1/cameras/hall"
        assert await ask("GET", hall, at=fleet.address(there)) == 401
        assert await ask("GET", hall, token=one["token"][:-1]) == 401
        assert await ask("GET", hall, token=secret_of("guard")) == 401, "engines do not know the controller's tokens"
        assert await ask("GET", "/api/v1/cameras", at=fleet.page) == 401, "the controller accepts no pass"


@pytest.mark.soak
async def test_engines_answer_browsers_from_the_fleets_page_only(tmp_path: Path) -> None:
    async with watched_fleet(tmp_path) as fleet:
        token = await pass_for(fleet, "wall", "hall")
        here = next(name for name in (FIRST, SECOND) if "hall" in fleet.of(name))
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        for origin, status in ((fleet.page, 204), (EVIL, 401), ("null", 401), (fleet.page + "0", 401)):
            for method, headers, expected in (("OPTIONS", asked, status), ("GET", token, 200)):
                address, headers = f"{fleet.address(here)}/api/v1/cameras/hall", {**headers, "Origin": origin}
                async with fleet.client.session.request(method, address, headers=headers) as answer:
                    allowed = answer.headers.get("Access-Control-Allow-Origin")
                    assert (answer.status, allowed) == (expected, fleet.page if status == 204 else None)
                    assert "Access-Control-Allow-Credentials" not in answer.headers
        status, problem = await views(fleet, "wall", "hall", Origin=fleet.page.replace("127.0.0.1", "localhost"))
        assert status == 403 and "page_origins" in problem["detail"]
        assert (await views(fleet, "wall", "hall", Origin=fleet.page))[0] == 200
        assert (await fleet.client.ask("POST", VIEWS, json={"page": PAGE, "cameras": ["hall"]}))[0] == 401
        for body in ({}, {"page": "x", "cameras": []}, {"page": PAGE, "cameras": ["c"] * 257}, {"page": PAGE}):
            assert (await fleet.client.ask("POST", VIEWS, json=body, headers=bearer("wall")))[0] == 422


@pytest.mark.soak
async def test_what_a_pass_began_ends_with_it_unless_it_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched_fleet(tmp_path) as fleet:
        here = next(name for name in (FIRST, SECOND) if "hall" in fleet.of(name))
        address = fleet.address(here)

        async def refused(headers: dict[str, str]) -> bool:
            async with fleet.client.session.get(f"{address}/api/v1/session", headers=headers) as answer:
                return answer.status == 401

        told_time = fleet.engine(here).member.passes.told_time

        def at(seconds: float) -> None:
            """Have so much time pass for the engine."""
            monkeypatch.setattr(Passes, "told_time", lambda passes, ms: told_time(ms + 1000 * seconds))
            told_time(time.monotonic_ns() / 1e6 + 1000 * seconds)

        first = await pass_for(fleet, "guard", "hall")
        async with fleet.client.session.get(f"{address}/api/v1/events", headers=first) as stream:
            assert stream.status == 200
            monkeypatch.setattr(passes, "LIFE_S", 20 * passes.LIFE_S)
            renewed = await pass_for(fleet, "guard", "hall")
            assert not await refused(renewed)
            at(passes.LIFE_S / 2)
            assert await refused(first)
            lines = [await stream.content.readline() for _ in range(MANY_LINES)]
            messages = [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: ")]
            assert all(lines) and {message["camera"] for message in messages} == {"hall"}, "no other camera's"
            at(passes.LIFE_S)
            assert await refused(renewed)
            with pytest.raises(aiohttp.ClientError):
                while await stream.content.readline():
                    pass
                raise aiohttp.ServerDisconnectedError
