"""The controller's HTTP API: cameras, places, engines, drains, metrics, and who may ask for what."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
from prometheus_client.parser import text_string_to_metric_families

from fleet.metrics import METRICS
from stream.http.server import openapi
from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, READ
from support.fleet.local_cluster import cameras, configured, serving
from support.listed_tokens import listed, secret_of, write_tokens
from support.repository import REPOSITORY
from support.waiting import until

CAMERAS = "/api/v1/cameras"
TWO: dict[str, Any] = {"least": 2, "reserve": 0}


async def test_cameras_are_changed_as_on_one_engine(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, cameras=cameras(1))) as (controller, client, cluster):
        settings = {"source": "rtsp://user:secret@10.0.0.7/1", "pin": "zone=1"}
        status, body, headers = await client.ask("PUT", f"{CAMERAS}/door", json=settings)
        assert (status, headers["Location"]) == (201, f"{CAMERAS}/door")
        assert body["settings"]["source"] == "rtsp://10.0.0.7/1" and body["settings"]["pin"] == "zone=1"
        assert (await client.ask("PUT", f"{CAMERAS}/door", json=settings))[0] == 200
        await until(lambda: controller.placement.cameras["door"].live)
        shown = await client.get(f"{CAMERAS}/door")
        engine = cluster["engine-1"]
        assert engine.cameras["door"].settings == {"source": settings["source"]}
        place = {"state": "placed", "engine": "engine-1", "node": "node-1", "previous": None}
        assert shown["place"] == place | {"generation": engine.generations["door"]}
        assert (shown["status"]["fps_out"], shown["status"]["megapixels_per_s"]) == (10.0, 20.0)
        status, body, _ = await client.ask("PATCH", f"{CAMERAS}/door", json={"max_fps": 5, "pin": None})
        assert status == 200 and (body["settings"]["max_fps"], body["settings"]["pin"]) == (5.0, None)
        await until(lambda: engine.cameras["door"].settings.get("max_fps") == 5)
        assert [camera["id"] for camera in (await client.get(CAMERAS))["cameras"]] == ["c0", "door"]
        for query, expected in (("", 204), ("?must_exist=true", 404)):
            assert (await client.ask("DELETE", f"{CAMERAS}/door{query}"))[0] == expected, query
        await until(lambda: set(engine.generations) == {"c0"})


async def test_a_wrong_request_is_answered_with_the_problem_and_its_setting(tmp_path: Path) -> None:
    named = [*cameras(1), {"id": "hidden", "source": "pattern:", "privacy": "skeleton"}]
    certificates = {"source": "rtsps://h/1", "tls_certificates": "/etc/passwd"}
    async with serving(configured(tmp_path, cameras=named, http={"max_cameras": 2})) as (controller, client, _):
        before = dict(controller.cameras.all)
        for method, path, body, status, code, field in (
            ("PUT", "/cameras/c0", {"source": "/etc/passwd"}, 422, "invalid", "source: "),
            ("PUT", "/cameras/c0", {"source": "pattern:nope"}, 422, "invalid", "source: "),
            ("PUT", "/cameras/c0", certificates, 422, "invalid", "tls_certificates: "),
            ("PUT", "/cameras/C0", {"source": "pattern:"}, 422, "invalid", "id: "),
            ("PATCH", "/cameras/hidden", {"privacy": "off"}, 403, "private", ""),
            ("PUT", "/cameras/c9", {"source": "pattern:"}, 409, "no-room", "controller.http.max_cameras"),
            ("PATCH", "/cameras/door", {"max_fps": 5}, 404, "no-such-camera", ""),
            ("GET", "/cameras/door", None, 404, "no-such-camera", ""),
            ("POST", "/fleet/drain/nowhere", None, 404, "no-such-engine", ""),
            ("POST", "/fleet/restart/node-1", None, 404, "no-such-engine", ""),
        ):
            answered, problem, _ = await client.ask(method, f"/api/v1{path}", json=body)
            assert (answered, problem["type"]) == (status, f"urn:partstream:problem:{code}"), path
            assert field in str(problem)
        assert controller.cameras.all == before


async def test_placements_engines_and_drains_are_shown(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, cameras=cameras(4), engines=TWO)) as (controller, client, cluster):

        async def counted(**cameras_at: int) -> Any:
            status = await client.get("/api/v1/status")
            found = {engine["engine"]: engine["cameras"] for engine in status["engines"]}
            return status if found == cameras_at and status["cameras"]["live"] == 4 else None

        await until(lambda: counted(**{"engine-1": 2, "engine-2": 2}))
        await until(lambda: [place.state for place in controller.directory.places.values()] == ["placed"] * 4)
        assert (await client.get("/readyz"))["ready"]
        shown = {camera["id"]: camera["place"] for camera in (await client.get(CAMERAS))["cameras"]}
        assert {name: place["engine"] for name, place in shown.items()} == cluster.having()
        labels = {"node": "node-1", "engine": "engine-1", "__scheme__": "http"}
        targets = await client.get("/api/v1/prometheus/targets")
        assert {"targets": ["127.0.0.1:91"], "labels": labels} in targets and len(targets) == 2
        assert (await client.ask("POST", "/api/v1/fleet/drain/node-1"))[0] == 204
        status = await until(lambda: counted(**{"engine-1": 0, "engine-2": 4}))
        assert (status["drains"], status["cameras"]["failed"], status["wanted_engines"]) == (["engine-1"], 0, 2)
        states = [(engine["state"], engine["load"], engine["report"]["capacity"]) for engine in status["engines"]]
        assert states == [("draining", 0.0, 100.0), ("running", 80.0, 100.0)]
        await client.ask("PUT", f"{CAMERAS}/huge", json={"source": "pattern:", "expected_mpx": 100_000})
        assert (await client.get("/api/v1/status"))["wanted_engines"] == 2, "however large, it needs one engine"


async def test_a_token_for_some_cameras_shows_only_these(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", listed("guard", cameras=["c1"]))
    config = configured(tmp_path, cameras=cameras(2), http=OFF_LOOPBACK | {"tokens_file": tokens})
    async with serving(config, token=secret_of("guard")) as (controller, client, _):
        client.address = client.address.replace(urlsplit(client.address).hostname or "", "127.0.0.1")
        await until(lambda: len(controller.directory.places) == 2)
        assert [camera["id"] for camera in (await client.get(CAMERAS))["cameras"]] == ["c1"]
        assert (await client.ask("GET", f"{CAMERAS}/c0"))[0] == 404
        assert (await client.ask("GET", "/metrics"))[0] == 403
        refused = "GET status", "GET prometheus/targets", "POST fleet/drain/engine-1", "POST fleet/restart/engine-1"
        for method, path in map(str.split, (*refused, "PUT cameras/c1", "DELETE cameras/c1")):
            assert (await client.ask(method, f"/api/v1/{path}"))[0] == 403, path
        for token, expected in ((READ, 403), ("", 401), (CONTROL, 204)):
            headers = {"Authorization": f"Bearer {token}"}
            assert (await client.ask("DELETE", f"{CAMERAS}/c1", headers=headers))[0] == expected


async def test_every_metric_is_on_the_page_and_in_the_documentation(tmp_path: Path) -> None:
    config = configured(tmp_path, cameras=[*cameras(3), *cameras(1, id="dock", pin="nowhere")], engines=TWO)
    async with serving(config) as (controller, client, cluster):
        await until(lambda: len(cluster.having()) == 3)
        other = cluster["engine-2"]
        await controller.drain("engine-1", True)
        await until(lambda: len(other.generations) == 3 and controller.placement.empty_since("engine-1") is not None)
        await until(lambda: controller.placement.missing() == {"nowhere"} and len(controller.engines.all) == 3)
        families = text_string_to_metric_families(await client.get("/metrics"))
        samples = {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
        documented = (REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8")
        for metric in METRICS:
            assert any(name == metric.full_name for name, *_ in samples), metric.full_name
            assert f"`{metric.full_name}`" in documented
        expected = {
            ("fleet_cameras", "placed"): 3,
            ("fleet_unplaced_cameras", "pin_absent"): 1,
            ("fleet_engine_cameras", "engine-2", "node-2"): 3,
            ("fleet_engine_load_mpx", "engine-2", "node-2"): 60,
            ("fleet_engines", "running"): 1,
            ("fleet_engines", "draining"): 1,
            ("fleet_assignments_total", "new"): 3,
            ("fleet_ready",): 1,
        }
        assert {name: samples[f"partstream_{name[0]}", *name[1:]] for name in expected} == expected
        assert samples["partstream_fleet_assignments_total", "drain"] >= 1


async def test_the_document_describes_every_answer(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, cameras=cameras(1))) as (controller, client, _):
        await until(lambda: "c0" in controller.directory.places)
        document = await client.get(openapi.PATH)
        for path, methods in document["paths"].items():
            if "get" not in methods or not path.startswith("/api/v1/") or path == openapi.PATH:
                continue
            schema = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            body = await client.get(path.replace("{camera}", "c0"))
            jsonschema.Draft202012Validator({**document, **schema}).validate(body)
