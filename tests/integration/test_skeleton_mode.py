"""Skeleton mode of a real engine: said wherever it applies, and kept up whatever is asked over HTTP."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL import Image

from stream import results
from stream.config import load
from support.engines.alerting import engine_with, with_rules
from support.engines.code_model import CodeModel
from support.engines.controlled_engine import PATTERN, configured, running
from support.waiting import until
from support.webrtc.live_page import shown, tile

CAMERA = "/api/v1/cameras/door"
RULES = "rules: {visitor: {zone: hall, clear_after: 200ms, cooldown: 0s, severity: critical}}"


async def test_the_mode_is_stated_in_messages_views_and_the_health_check() -> None:
    cameras = (
        {"id": "door", "source": PATTERN, "privacy": "skeleton"},
        {"id": "hall", "source": PATTERN, "masks": {"all": {"points": [[0, 0], [1, 0], [1, 1], [0, 1]]}}},
        {"id": "yard", "source": PATTERN},
    )
    wanted: dict[str, Any] = {"door": "skeleton", "hall": "masked", "yard": None}
    async with running(configured(*cameras)) as (engine, client):
        seen: list[results.Message] = []
        engine.publisher.on_message(lambda topic, message: seen.append(message))
        await until(lambda: {one.camera for one in seen if isinstance(one, results.Frame)} == set(wanted))
        for one in seen:
            if isinstance(one, (results.Frame, results.Status)):
                assert one.privacy == wanted[one.camera]
        for name, mode in wanted.items():
            assert engine.cameras.status(name).wire("", 0).privacy == mode
            view = await client.get(f"/api/v1/cameras/{name}")
            assert view["privacy"] == (mode or "off")
        assert (await client.get("/healthz"))["privacy"] == {"off": 1, "masked": 1, "skeleton": 1}
        page = await client.get("/metrics")
        for name, mode in wanted.items():
            for one in ("off", "masked", "skeleton"):
                value = float(one == (mode or "off"))
                assert f'partstream_camera_privacy{{camera="{name}",mode="{one}"}} {value}' in page


async def test_a_mode_for_all_cameras_holds_for_those_added_later(tmp_path: Path) -> None:
    file = tmp_path / "partstream.yaml"
    file.write_text("privacy: {mode: skeleton}\ncameras: [{id: door, source: 'pattern:', privacy: off}]\n")
    assert load(file).cameras[0].privacy_mode == "skeleton"
    config = configured({"id": "door", "source": PATTERN}, privacy={"mode": "skeleton"}, state_file=tmp_path / "state")
    async with running(config) as (engine, client):
        for method, body in (("PUT", {"source": PATTERN, "privacy": "off"}), ("PATCH", {"privacy": None})):
            status, made, _ = await client.ask(method, "/api/v1/cameras/late", json=body)
            assert status in (200, 201) and made["privacy"] == made["settings"]["privacy"] == "skeleton"
        engine.cameras.add(configured({"id": "own", "source": PATTERN}).cameras[0])
        assert {config.privacy_mode for config in engine.cameras.configs.values()} == {"skeleton"}
        assert (await client.get("/healthz"))["privacy"] == {"off": 0, "masked": 0, "skeleton": 3}


async def test_a_camera_becomes_private_over_http_at_once_and_for_good(tmp_path: Path) -> None:
    config = with_rules(tmp_path, RULES, source="pattern:320x180@25")
    config = type(config).model_validate(
        dict(config) | {"incidents": {"directory": tmp_path / "incidents", "least_free": 0}}
    )
    async with engine_with(config) as (_, client, _):

        async def pictured() -> list[str]:
            found = (await client.get("/api/v1/incidents?kind=alert"))["incidents"]
            return [one["id"] for one in found if one["picture"]]

        await until(pictured)
        (*_, before) = await pictured()
        path = f"/api/v1/incidents/{before}/picture"
        assert (await client.ask("HEAD", path))[0] == 200
        assert (await client.ask("PATCH", CAMERA, json={"privacy": "skeleton"}))[0] == 200
        status, problem, _ = await client.ask("GET", path)
        assert (status, problem["type"]) == (403, "urn:partstream:problem:private")
        for privacy in ("off", None):
            status, problem, _ = await client.ask("PATCH", CAMERA, json={"privacy": privacy})
            assert (status, problem["type"]) == (403, "urn:partstream:problem:private")

        async def newer() -> bool:
            return before != (await pictured())[0]

        await until(newer)
        (drawn, *_) = await pictured()
        assert (await client.get(f"/api/v1/incidents/{drawn}/result"))["privacy"] == "skeleton"
        status, _, headers = await client.ask("HEAD", f"/api/v1/incidents/{drawn}/picture")
        assert (status, headers["Cache-Control"]) == (200, "private, no-cache"), "a kept one may become private"
        assert (await client.ask("DELETE", CAMERA))[0] == 204
        assert (await client.ask("GET", path))[0] == 403, "also after the camera was removed"
        assert (await client.ask("PUT", CAMERA, json={"source": "pattern:320x180@25"}))[0] == 403


async def test_a_background_is_approved_in_the_file_only_and_a_changed_picture_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "door.png"
    Image.new("RGB", (64, 48), (200, 30, 30)).save(file)
    approved = {"file": str(file), "sha256": sha256(file.read_bytes()).hexdigest(), "approved_by": "Ann"}
    door = {"id": "door", "source": PATTERN, "privacy": "skeleton", "background": approved}
    hall = {"id": "hall", "source": PATTERN, "privacy": "skeleton", "background": approved | {"sha256": "0" * 64}}
    async with running(configured(door, hall)) as (engine, client):
        for camera in ("door", "hall"):
            await until(lambda camera=camera: engine.cameras.status(camera).state == "live")
        assert engine.cameras.status("door").message == "live"
        assert "background is grey" in engine.cameras.status("hall").message
        assert "SHA-256 differs" in engine.cameras.status("hall").message
        for background in (approved | {"file": "/etc/passwd"}, approved | {"sha256": "1" * 64}):
            status, problem, _ = await client.ask("PATCH", CAMERA, json={"background": background})
            assert (status, problem["type"]) == (403, "urn:partstream:problem:private")
        new = {"source": PATTERN, "background": approved}
        assert (await client.ask("PUT", "/api/v1/cameras/yard", json=new))[0] == 403
        for background in (None, approved):
            assert (await client.ask("PATCH", CAMERA, json={"background": background}))[0] == 200


async def test_the_page_says_it_on_each_picture() -> None:
    cameras = ({"id": "door", "source": PATTERN, "privacy": "skeleton"}, {"id": "yard", "source": PATTERN})
    async with shown(configured(*cameras), CodeModel()) as (_, page):
        for camera in ("door", "yard"):
            await page.wait_for(f"document.querySelector({json.dumps(tile(camera, 'canvas'))})?.drawn?.withResult")
        words = "document.querySelector({}).innerText"
        assert await page.evaluate(words.format(json.dumps(tile("door", ".privacy")))) == "Drawn, no pixels"
        assert await page.evaluate(f"document.querySelector({json.dumps(tile('yard', '.privacy'))}).hidden")
