"""The HTTP API of a fleet's coordinator, with simulated engines."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fleet.coordinator.metrics import LOSS_REASONS, METRICS
from stream.http.server import openapi
from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, READ, Client
from support.fleet.coordinators import cameras, configured, joined, serving
from support.fleet.watched_fleet import watched_fleet
from support.listed_tokens import listed, secret_of, write_tokens
from support.repository import REPOSITORY
from support.waiting import until

CAMERAS = "/api/v1/cameras"


async def test_cameras_are_changed_as_on_one_engine(tmp_path: Path) -> None:
    async with (
        serving(configured(tmp_path, cameras=cameras(1))) as (coordinator, client),
        joined(coordinator.renewals.address, "a") as (a,),
    ):
        settings = {"source": "rtsp://user:secret@10.0.0.7/1", "pin": "node-a"}
        status, body, headers = await client.ask("PUT", f"{CAMERAS}/door", json=settings)
        assert (status, headers["Location"]) == (201, f"{CAMERAS}/door")
        assert body["settings"]["source"] == "rtsp://10.0.0.7/1" and body["settings"]["pin"] == "node-a"
        assert (await client.ask("PUT", f"{CAMERAS}/door", json=settings))[0] == 200
        await until(lambda: set(a.generations) == {"c0", "door"})
        assert a.settings["door"]["source"] == settings["source"]

        async def live() -> Any:
            shown = await client.get(f"{CAMERAS}/door")
            return shown if shown["status"]["state"] == "live" else None

        shown = await until(live)
        assert shown["place"] == {
            "state": "placed",
            "generation": a.generations["door"],
            "engine": "a",
            "node": "node-a",
            "endpoint": "tcp://node-a:5555",
            "http": "http://node-a:9090",
            "previous": None,
        }
        assert (shown["status"]["fps_out"], shown["status"]["megapixels_per_s"]) == (25.0, 20.0)
        status, body, _ = await client.ask("PATCH", f"{CAMERAS}/door", json={"max_fps": 5, "pin": None})
        assert status == 200 and (body["settings"]["max_fps"], body["settings"]["pin"]) == (5.0, None)
        await until(lambda: a.settings["door"].get("max_fps") == 5)
        assert [camera["id"] for camera in (await client.get(CAMERAS))["cameras"]] == ["c0", "door"]
        assert (await client.ask("DELETE", f"{CAMERAS}/door"))[0] == 204
        assert (await client.ask("DELETE", f"{CAMERAS}/door"))[0] == 204
        assert (await client.ask("DELETE", f"{CAMERAS}/door?must_exist=false"))[0] == 204
        status, problem, _ = await client.ask("DELETE", f"{CAMERAS}/door?must_exist=true")
        assert (status, problem["type"]) == (404, "urn:partstream:problem:no-such-camera")
        assert (await client.ask("DELETE", f"{CAMERAS}/door?must_exist=1"))[0] == 422
        await until(lambda: set(a.generations) == {"c0"})
        assert all(grant.http == client.address for grant in a.grants[-1:])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", "/cameras/door", {"source": "pattern:", "max_fps": -1}, 422, "invalid"),
        ("PUT", "/cameras/door", {"source": "/etc/passwd"}, 422, "invalid"),
        ("PUT", "/cameras/c0", {"source": "pattern:nope"}, 422, "invalid"),
        ("PUT", "/cameras/c0", {"source": "rtsp:///1"}, 422, "invalid"),
        ("PATCH", "/cameras/c0", {"source": "pattern:8x8"}, 422, "invalid"),
        ("PUT", "/cameras/Door", {"source": "pattern:"}, 422, "invalid"),
        ("PUT", "/cameras/c1", {"source": "pattern:"}, 409, "no-room"),
        ("PATCH", "/cameras/door", {"max_fps": 5}, 404, "no-such-camera"),
        ("GET", "/cameras/door", None, 404, "no-such-camera"),
        ("GET", "/directory/door", None, 404, "no-such-camera"),
        ("POST", "/fleet/drain/nowhere", None, 404, "no-such-engine"),
        ("POST", "/fleet/engines", {"engine": "a"}, 422, "invalid"),
        ("POST", "/fleet/engines", {"engine": "a", "run": "x"}, 422, "invalid"),
        ("GET", "/", None, 404, "not-found"),
    ],
)
async def test_a_wrong_request_is_answered_with_the_problem(
    method: str, path: str, body: Any, status: int, code: str, tmp_path: Path
) -> None:
    config = configured(tmp_path, cameras=cameras(1), coordinator={"http": {"bind": "127.0.0.1:0", "max_cameras": 1}})
    async with serving(config) as (_, client):
        answered, problem, _ = await client.ask(method, f"/api/v1{path}".removesuffix("/"), json=body)
        assert (answered, problem["type"]) == (status, f"urn:partstream:problem:{code}")


async def test_the_directory_the_engines_and_drains_are_shown(tmp_path: Path) -> None:
    config = configured(tmp_path, cameras=cameras(4), nodes={"node-a": {"labels": {"gpu": "l4"}}, "spare": {}})
    async with (
        serving(config) as (coordinator, client),
        joined(coordinator.renewals.address, "a", "b") as (a, b),
    ):
        assert (await client.ask("GET", "/api/v1/directory/c0"))[0] == 503
        assert (await client.ask("GET", "/readyz"))[0] == 503
        await until(lambda: len(a.generations) == len(b.generations) == 2)
        assert (await client.ask("GET", "/readyz"))[0] == 200
        places = {place["camera"]: place for place in (await client.get("/api/v1/directory"))["places"]}
        assert set(places) == {"c0", "c1", "c2", "c3"}
        first = next(iter(a.generations))
        assert places[first] == await client.get(f"/api/v1/directory/{first}")
        assert places[first]["address"]["endpoint"] == "tcp://node-a:5555"
        targets = await client.get("/api/v1/prometheus/targets")
        labels = {"node": "node-a", "engine": "a", "gpu": "l4", "__scheme__": "http"}
        assert {"targets": ["node-a:9090"], "labels": labels} in targets and len(targets) == 2

        assert (await client.ask("POST", "/api/v1/fleet/drain/spare"))[0] == 204
        assert (await client.ask("POST", "/api/v1/fleet/drain/node-a"))[0] == 204
        await until(lambda: "node-a" in coordinator.drained)
        status = await client.get("/api/v1/status")
        assert status["drains"]["node-a"] is True
        nowhere = dict.fromkeys(("moving", "ended", "failed", "unplaced", "disabled"), 0)
        assert status["cameras"] == {"placed": 4, **nowhere} and status["failed"] == {}
        assert {engine["engine"]: (engine["state"], engine["cameras"]) for engine in status["engines"]} == {
            "a": ("draining", 0),
            "b": ("leased", 4),
        }
        assert (await client.ask("DELETE", "/api/v1/fleet/drain/node-a"))[0] == 204
        assert (await client.ask("DELETE", "/api/v1/fleet/drain/node-a"))[0] == 204

        await b.end()
        ended = {"engine": "b", "run": b.run}
        assert (await client.ask("POST", "/api/v1/fleet/engines", json=ended))[0] == 204
        await until(lambda: len(a.generations) == 4)
        engines = {engine["engine"]: engine for engine in (await client.get("/api/v1/fleet/engines"))["engines"]}
        assert (engines["b"]["state"], engines["b"]["message"]) == ("lost", "its process has ended")


@pytest.mark.soak
async def test_an_engine_that_hides_more_than_the_settings_is_shown_with_its_cameras(tmp_path: Path) -> None:
    async with (
        serving(configured(tmp_path, cameras=cameras(2))) as (coordinator, client),
        joined(coordinator.renewals.address, "a", privacy="skeleton") as (a,),
        joined(coordinator.renewals.address, "b") as (b,),
    ):
        await until(lambda: len(a.generations) == len(b.generations) == 1)
        shown = {one["id"]: one for one in (await client.get("/api/v1/cameras"))["cameras"]}
        assert {camera: shown[camera]["privacy"] for camera in (*a.generations, *b.generations)} == {
            **dict.fromkeys(a.generations, "skeleton"),
            **dict.fromkeys(b.generations, "off"),
        }
        assert {one["settings"]["privacy"] for one in shown.values()} == {"off"}
        engines = (await client.get("/api/v1/fleet/engines"))["engines"]
        assert {one["engine"]: one["privacy"] for one in engines} == {"a": "skeleton", "b": "off"}


async def test_a_token_for_some_cameras_shows_only_these(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", listed("guard", cameras=["c1"]))
    http = OFF_LOOPBACK | {"tokens_file": tokens}
    config = configured(tmp_path, cameras=cameras(2), coordinator={"http": http})
    async with (
        serving(config, secret_of("guard")) as (coordinator, client),
        joined(coordinator.renewals.address, "a") as (a,),
    ):
        await until(lambda: len(a.generations) == 2)
        await until(lambda: len(coordinator.directory.places) == 2)
        assert [camera["id"] for camera in (await client.get(CAMERAS))["cameras"]] == ["c1"]
        assert [place["camera"] for place in (await client.get("/api/v1/directory"))["places"]] == ["c1"]
        assert (await client.ask("GET", "/api/v1/directory/c0"))[0] == 404
        assert (await client.ask("GET", "/api/v1/status"))[0] == 403
        assert (await client.ask("DELETE", f"{CAMERAS}/c1"))[0] == 403
        for token, expected in ((READ, 403), (CONTROL, 204), ("", 401)):
            headers = {"Authorization": f"Bearer {token}"}
            assert (await client.ask("DELETE", f"{CAMERAS}/c1", headers=headers))[0] == expected


async def samples_of(client: Client) -> dict[tuple[str, ...], float]:
    """Return the samples of the metrics page, by name and label values."""
    page = await client.get("/metrics")
    families = text_string_to_metric_families(page)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


async def test_every_metric_is_on_the_page_and_in_the_documentation(tmp_path: Path) -> None:
    config = configured(tmp_path, cameras=[*cameras(3), {"id": "dock", "source": "pattern:", "pin": "nowhere"}])
    async with (
        serving(config) as (coordinator, client),
        joined(coordinator.renewals.address, "a", "b", capacity=100.0) as (a, b),
    ):
        await until(lambda: len(a.generations) + len(b.generations) == 3)
        for drained, other in (("a", b), ("b", a)):  # so that cameras move twice
            assert (await client.ask("POST", f"/api/v1/fleet/drain/{drained}"))[0] == 204
            await until(
                lambda other=other, drained=drained: len(other.generations) == 3 and drained in coordinator.drained
            )
            assert (await client.ask("DELETE", f"/api/v1/fleet/drain/{drained}"))[0] == 204
        samples = await samples_of(client)
        documented = (REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8")
        for metric in METRICS:
            assert any(name == metric.full_name for name, *_ in samples), metric.full_name
            assert f"`{metric.full_name}`" in documented
        assert samples["partstream_fleet_cameras", "placed"] == 3
        assert samples["partstream_fleet_unplaced_cameras", "pin_absent"] == 1
        assert samples["partstream_fleet_engine_cameras", "a", "node-a"] == 3
        assert samples["partstream_fleet_engine_room_mpx", "a", "node-a"] == pytest.approx(100 * 0.9 - 60)
        assert samples["partstream_fleet_engines", "leased"] == 2
        assert samples["partstream_fleet_assignments_total", "placed"] == 3
        moved = samples["partstream_fleet_assignments_total", "drained"]
        assert 3 < moved <= 6 and samples["partstream_fleet_ready",] == samples["partstream_fleet_settled",] == 1
        assert samples["partstream_fleet_store_writable",] == 1
        assert 2 in {samples.get(("partstream_fleet_camera_moves", f"c{number}")) for number in range(3)}


@pytest.mark.soak
async def test_losses_of_engines_and_the_moves_after_them_have_a_reason(tmp_path: Path) -> None:
    async with (
        serving(configured(tmp_path, cameras=cameras(4))) as (coordinator, client),
        joined(coordinator.renewals.address, "a", "b", "c", "d") as (a, b, c, d),
    ):
        await until(lambda: all(len(engine.generations) == 1 for engine in (a, b, c, d)))
        a.stopping = True
        await until(lambda: not a.generations)
        restarting = {"engine": "b", "run": b.run, "state": "restarting"}
        assert (await client.ask("POST", "/api/v1/fleet/engines", json=restarting))[0] == 204
        for engine in (a, b, c):
            await engine.end()
        for engine in (a, b):
            await client.ask("POST", "/api/v1/fleet/engines", json={"engine": engine.name, "run": engine.run})
        await until(lambda: len(d.generations) == 4)
        assert coordinator.engines.lost["b"].reason == "it is being restarted"
        samples = await samples_of(client)
        lost = {reason: samples["partstream_fleet_engines_lost_total", reason] for reason in LOSS_REASONS}
        assert lost == {"stopped": 1, "ended": 1, "silent": 1, "restarted": 0}
        assert (samples["partstream_fleet_engines", "lost"], samples["partstream_fleet_engines", "stopped"]) == (2, 1)
        assert samples["partstream_fleet_assignments_total", "stopped"] == 1
        assert samples["partstream_fleet_assignments_total", "engine_lost"] >= 2


async def test_the_document_describes_every_answer(tmp_path: Path) -> None:
    async with (
        serving(configured(tmp_path, cameras=cameras(1))) as (coordinator, client),
        joined(coordinator.renewals.address, "a"),
    ):
        await until(lambda: "c0" in coordinator.directory.places)
        document = await client.get(openapi.PATH)
        for path, methods in document["paths"].items():
            if "get" not in methods or not path.startswith("/api/v1/") or path == openapi.PATH:
                continue
            schema = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            body = await client.get(path.replace("{camera}", "c0"))
            jsonschema.Draft202012Validator({**document, **schema}).validate(body)
        assert "POST" in {method.upper() for method in document["paths"]["/api/v1/fleet/drain/{name}"]}


@pytest.mark.soak
async def test_cameras_that_an_engine_has_ended_do_not_count_as_placed(tmp_path: Path) -> None:
    problem = "camera c0: 'pattern:nope' is not a test pattern.\x1b Write pattern:"
    async with (
        serving(configured(tmp_path, cameras=cameras(1))) as (coordinator, client),
        joined(coordinator.renewals.address, "a", state="ended") as (a,),
    ):

        async def counted(state: str) -> Any:
            status = await client.get("/api/v1/status")
            return status if status["cameras"][state] == 1 else None

        shown = await until(lambda: counted("ended"))
        assert (sum(shown["cameras"].values()), shown["failed"]) == (1, {})
        assert (await client.get(f"{CAMERAS}/c0"))["status"]["reason"] is None
        a.reason, a.message = "bad_address", problem
        shown = await until(lambda: counted("failed"))
        told = "'pattern:nope' is not a test pattern.  Write pattern:"
        assert shown["failed"] == {"c0": {"engine": "a", "reason": "bad_address", "message": told}}
        assert sum(shown["cameras"].values()) == 1
        status = (await client.get(f"{CAMERAS}/c0"))["status"]
        assert (status["state"], status["reason"], status["problem"]) == ("ended", "bad_address", told)
        a.state = "live"
        assert (await until(lambda: counted("placed")))["failed"] == {}


@pytest.mark.soak
async def test_engines_tell_an_address_of_the_coordinator_that_others_can_reach(tmp_path: Path) -> None:
    http = {"bind": "0.0.0.0:0", "control_token": CONTROL}
    async with serving(configured(tmp_path, coordinator={"http": http}), CONTROL) as (coordinator, _):
        assert urlsplit(coordinator.assignments.http).hostname == socket.gethostname().lower()


@pytest.mark.soak
async def test_sessions_at_the_coordinator_and_at_an_engine_of_its_host_do_not_end_each_other(tmp_path: Path) -> None:
    async with (
        watched_fleet(tmp_path) as fleet,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser,
    ):

        async def ask(method: str, address: str, token: str = "") -> int:
            body, headers = {"token": token} if token else None, {"Origin": address}
            async with browser.request(method, f"{address}/api/v1/session", json=body, headers=headers) as answer:
                return answer.status

        engine = fleet.address("a")
        assert await ask("POST", fleet.page, secret_of("wall")) == 200
        assert await ask("POST", engine, READ) == 200
        assert (await ask("GET", fleet.page), await ask("GET", engine)) == (200, 200)
        assert await ask("DELETE", engine) == 204
        assert (await ask("GET", fleet.page), await ask("GET", engine)) == (200, 401)
        async with browser.get(f"{fleet.page}/api/v1/openapi.json") as answer:
            schemes = (await answer.json())["components"]["securitySchemes"]
        assert [cookie.key for cookie in browser.cookie_jar if cookie.value] == [schemes["session"]["name"]]
