"""The control API of a real engine over real HTTP."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from stages.free_model import FreeModel
from stream import results
from stream.cameras import control
from stream.engine import Engine
from stream.messaging import results_file
from stream.settings.config_error import ConfigError
from support.engines.controlled_engine import PATIENT, PATTERN, UNHURRIED, configured, descriptors, running
from support.engines.small_clips import make_clip
from support.waiting import until

CAMERAS = "/api/v1/cameras"


async def test_a_camera_is_added_listed_changed_and_removed_and_others_lose_nothing() -> None:
    async with running(configured({"id": "stays", "source": PATTERN, **PATIENT})) as (engine, client):
        seen: list[results.Message] = []
        engine.publisher.on_message(lambda topic, message: seen.append(message))
        status, made, headers = await client.ask("PUT", f"{CAMERAS}/door", json={"source": PATTERN, "max_fps": 20})
        assert (status, headers["Location"]) == (201, f"{CAMERAS}/door")
        assert (made["id"], made["settings"]["max_fps"], made["settings"]["staleness_ms"]) == ("door", 20.0, 500)
        await until(lambda: engine.cameras.status("door").state == "live")
        assert [one["id"] for one in (await client.get(CAMERAS))["cameras"]] == ["stays", "door"]

        status, changed, _ = await client.ask("PATCH", f"{CAMERAS}/door", json={"staleness_ms": 300, "max_fps": None})
        assert (status, changed["settings"]["staleness_ms"], changed["settings"]["max_fps"]) == (200, 300, None)
        assert changed["status"]["epoch"] == 1, "a setting that applies at once keeps the epoch"

        status, changed, _ = await client.ask("PUT", f"{CAMERAS}/door", json={"source": "pattern:320x240@50"})
        assert (status, changed["settings"]["staleness_ms"]) == (200, 500), (
            "PUT resets missing settings to their defaults"
        )
        await until(lambda: engine.cameras.status("door").size == (320, 240))
        assert (await client.get(f"{CAMERAS}/door"))["status"]["epoch"] == 2

        for _ in range(2):
            assert (await client.ask("DELETE", f"{CAMERAS}/door"))[0] == 204
        assert (await client.ask("GET", f"{CAMERAS}/door"))[0] == 404
        assert b'camera="door"' not in engine.metrics.render()
        frames = [message for message in seen if isinstance(message, results.Frame)]
        numbers = [frame.frame for frame in frames if frame.camera == "stays"]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_the_same_put_again_changes_nothing() -> None:
    async with running(configured()) as (engine, client):
        body = {"source": "rtsp://u:hunter2@127.0.0.1:1/x", "ring_slots": 4}
        assert (await client.ask("PUT", f"{CAMERAS}/a", json=body))[0] == 201
        reader = engine.cameras.running["a"].reader
        assert (await client.ask("PUT", f"{CAMERAS}/a", json=body))[0] == 200
        shown = (await client.get(f"{CAMERAS}/a"))["settings"]
        assert shown["source"] == "rtsp://127.0.0.1:1/x"
        assert (await client.ask("PUT", f"{CAMERAS}/a", json=shown))[0] == 200
        assert engine.cameras.running["a"].reader is reader
        assert engine.cameras.configs["a"].source.reveal() == "rtsp://u:hunter2@127.0.0.1:1/x"
        other = {"source": "rtsp://u:other@127.0.0.1:1/x", "ring_slots": 4}
        assert (await client.ask("PUT", f"{CAMERAS}/a", json=other))[0] == 200
        assert engine.cameras.running["a"].reader is not reader, "another password is another source"


async def test_a_camera_is_switched_off_and_on() -> None:
    async with running(configured({"id": "a", "source": PATTERN})) as (engine, client):
        await until(lambda: engine.cameras.status("a").state == "live")
        status, off, _ = await client.ask("PATCH", f"{CAMERAS}/a", json={"enabled": False})
        assert (status, off["status"]["state"], off["status"]["reason"]) == (200, "ended", "disabled")
        assert (await client.get("/api/v1/status"))["ready"] is True
        await client.ask("PATCH", f"{CAMERAS}/a", json={"enabled": True})
        await until(lambda: engine.cameras.status("a").state == "live")
        assert engine.cameras.status("a").epoch == 2


async def test_status_and_metrics_tell_that_the_results_file_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(results_file, "_begun", lambda path: os.open("/dev/full", os.O_WRONLY))
    async with running(configured({"id": "a", "source": PATTERN}, results=tmp_path / "r.jsonl")) as (engine, client):
        await until(lambda: engine.cameras.running["a"].ring.processed > 0)
        file = (await client.get("/api/v1/status"))["results_file"]
        assert file["missing"] > 0 and file["message"] == "No space left on device"
        missing = re.search(rb"\npartstream_results_file_missing_total (\S+)", engine.metrics.render())
        assert missing is not None and float(missing[1]) > 0


INVALID_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"source": PATTERN, "max_fps": 0}, "max_fps"),
    ({"source": PATTERN, "detector_size": [0, -1]}, "detector_size.0"),
    ({"source": PATTERN, "nonsense": 1}, "nonsense"),
    ({"source": PATTERN, "id": "b"}, "id"),
    ({}, "source"),
    ({"source": "/etc/passwd"}, "source"),
    ({"source": "rtsps://h/x", "tls_certificates": "/etc/passwd"}, "tls_certificates"),
    ({"source": "http://u:hunter2@h/x"}, "source"),
    ({"source": "concat:/etc/passwd"}, "source"),
    ({"source": {"secret": "hunter2"}}, "source"),
    ({"source": PATTERN} | {f"x{number}": 1 for number in range(1000)}, "x0"),
]


async def test_an_invalid_setting_is_an_error_that_names_the_field() -> None:
    async with running(configured()) as (engine, client):
        for body, field in INVALID_SETTINGS:
            status, problem, headers = await client.ask("PUT", f"{CAMERAS}/a", json=body)
            assert (status, headers["Content-Type"].partition(";")[0]) == (422, "application/problem+json"), body
            assert field in [error["field"] for error in problem["errors"]]
            assert len(problem["errors"]) <= 20 and ("; and 980 more" in problem["detail"]) == (field == "x0")
            assert problem["type"] == "urn:partstream:problem:invalid" and problem["status"] == 422
            assert "hunter2" not in json.dumps(problem)
        assert not engine.cameras.configs


async def test_an_unreadable_body_is_an_error() -> None:
    as_json = {"Content-Type": "application/json"}
    async with running(configured()) as (_, client):
        for body, headers, expected in (
            (b"{", as_json, (400, "not-json")),
            (b"[" * 60_000, as_json, (400, "not-json")),
            (b"[1]", as_json, (400, "not-json")),
            (b"source=x", {"Content-Type": "text/plain"}, (415, "unsupported-body")),
            (b"x" * 66_000, as_json, (413, "body-too-large")),
            (b"x", {**as_json, "Content-Encoding": "gzip"}, (415, "unsupported-body")),
        ):
            options = {"data": body, "headers": headers, "skip_auto_headers": ["Content-Encoding"]}
            status, problem, _ = await client.ask("PUT", f"{CAMERAS}/a", **options)
            assert (status, problem["type"].rpartition(":")[2]) == expected


async def test_an_unknown_setting_cannot_be_reset_to_its_default() -> None:
    async with running(configured({"id": "a", "source": PATTERN, "max_fps": 5})) as (_, client):
        status, problem, _ = await client.ask("PATCH", f"{CAMERAS}/a", json={"max_fsp": None})
        assert (status, problem["errors"][0]["field"]) == (422, "max_fsp")
        status, changed, _ = await client.ask("PATCH", f"{CAMERAS}/a", json={"max_fps": None})
        assert (status, changed["settings"]["max_fps"]) == (200, None)


async def test_unknown_paths_cameras_and_methods_are_errors() -> None:
    async with running(configured()) as (_, client):
        for method, path, expected in (
            ("GET", "/api/v1/nothing", (404, "not-found")),
            ("GET", f"{CAMERAS}/nobody", (404, "no-such-camera")),
            ("GET", f"{CAMERAS}/Odd%2F..%2F", (404, "no-such-camera")),
            ("GET", f"{CAMERAS}/nobody/result", (404, "no-such-camera")),
            ("PATCH", f"{CAMERAS}/nobody", (404, "no-such-camera")),
            ("POST", CAMERAS, (405, "method-not-allowed")),
        ):
            status, problem, headers = await client.ask(method, path, json={})
            assert (status, problem["type"].rpartition(":")[2]) == expected, path
            assert headers["Content-Type"].startswith("application/problem+json")
        assert (await client.ask("POST", CAMERAS))[2]["Allow"] == "GET, HEAD"


async def test_the_number_of_cameras_and_their_memory_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(configured(http={"max_cameras": 2})) as (_, client):
        for name, expected in (("a", 201), ("b", 201), ("c", 409), ("a", 200)):
            assert (await client.ask("PUT", f"{CAMERAS}/{name}", json={"source": PATTERN}))[0] == expected
        await client.ask("DELETE", f"{CAMERAS}/b")
        monkeypatch.setattr(control.memory_budget, "available_bytes", lambda: 1 << 20)
        status, problem, _ = await client.ask("PUT", f"{CAMERAS}/c", json={"source": PATTERN})
        assert (status, "ring_slots" in problem["detail"]) == (409, True)


async def test_the_latest_result_is_the_published_one_in_either_encoding() -> None:
    for encoding in ("json", "msgpack"):
        publish = {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", "encoding": encoding}
        async with running(configured({"id": "a", "source": PATTERN}, publish=publish)) as (engine, client):
            await until(lambda engine=engine: engine.publisher.last("results/v1/a/") is not None)
            result = await client.get(f"{CAMERAS}/a/result")
            assert (result["schema"], result["camera"], result["run"]) == ("partstream.frame/1", "a", engine.run)
            await client.ask("PUT", f"{CAMERAS}/b", json={"source": "rtsp://127.0.0.1:1/x"})
            status, problem, _ = await client.ask("GET", f"{CAMERAS}/b/result")
            assert (status, problem["type"]) == (404, "urn:partstream:problem:no-result-yet")


async def test_the_effective_configuration_shows_the_present_cameras_and_no_secret() -> None:
    http = {"read_token": "hunter2-reads", "control_token": "hunter2-controls"}
    config = configured({"id": "a", "source": "rtsp://u:hunter2@127.0.0.1:1/x?t=hunter2"}, http=http)
    async with running(config) as (_, client):
        await client.ask("PUT", f"{CAMERAS}/b", json={"source": "rtsp://u:hunter2@127.0.0.1:1/y"})
        shown = await client.get("/api/v1/config")
        assert [camera["id"] for camera in shown["cameras"]] == ["a", "b"]
        assert shown["model"]["profile"] == "edge"
        for path in ("/api/v1/config", "/api/v1/status", CAMERAS, f"{CAMERAS}/a", "/metrics"):
            status, body, _ = await client.ask("GET", path)
            assert status == 200 and "hunter2" not in json.dumps(body), path


async def test_changes_survive_a_restart_and_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "cameras.json"
    cameras = [{"id": name, "source": PATTERN} for name in ("goes", "changes", "stays")]
    async with running(configured(*cameras, state_file=state)) as (_, client):
        await client.ask("DELETE", f"{CAMERAS}/goes")
        await client.ask("PATCH", f"{CAMERAS}/changes", json={"max_fps": 5})
        await client.ask("PUT", f"{CAMERAS}/comes", json={"source": "rtsp://u:hunter2@127.0.0.1:1/x"})
    assert state.stat().st_mode & 0o777 == 0o600
    assert "hunter2" in state.read_text(), "it is not encrypted, as docs/security.md says"
    assert {path.name for path in state.parent.iterdir()} == {"cameras.json", "cameras.json.lock"}
    later = {"id": "later", "source": PATTERN}
    async with running(configured(*cameras, later, state_file=state)) as (engine, client):
        assert list(engine.cameras.configs) == ["changes", "stays", "later", "comes"]
        assert engine.cameras.configs["changes"].max_fps == 5
        assert engine.cameras.configs["comes"].source.reveal() == "rtsp://u:hunter2@127.0.0.1:1/x"
        await client.ask("PUT", f"{CAMERAS}/goes", json={"source": PATTERN, **UNHURRIED})
        await client.ask("PATCH", f"{CAMERAS}/changes", json={"max_fps": None})
        await client.ask("DELETE", f"{CAMERAS}/comes")
    assert json.loads(state.read_text()) == {"version": 1, "cameras": [], "removed": []}


@pytest.mark.parametrize("content", ["{", '{"version": 1, "cameras": [{"id": "Bad", "source": "hunter2:"}]}'])
async def test_a_damaged_state_file_is_named_before_anything_starts(tmp_path: Path, content: str) -> None:
    state = tmp_path / "cameras.json"
    state.write_text(content)
    with pytest.raises(ConfigError, match=r"state_file: .*cameras\.json is damaged .* delete it") as caught:
        async with Engine(configured(state_file=state)):
            pass
    assert "hunter2" not in str(caught.value)
    assert state.read_text() == content


async def test_a_change_that_cannot_be_saved_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    state = tmp_path / "cameras.json"
    async with running(configured(state_file=state)) as (engine, client):
        assert (await client.ask("PUT", f"{CAMERAS}/a", json={"source": PATTERN}))[0] == 201
        before = state.read_text()
        monkeypatch.setattr("stream.cameras.state_file.os.fsync", full)
        status, problem, _ = await client.ask("PUT", f"{CAMERAS}/b", json={"source": PATTERN})
        assert (status, problem["type"], "No space left" in problem["detail"]) == (
            507,
            "urn:partstream:problem:not-kept",
            True,
        )
        hidden = {"source": PATTERN, "privacy": "skeleton"}
        for name in "ab":
            assert (await client.ask("PUT", f"{CAMERAS}/{name}", json=hidden))[0] == 507
            assert engine.cameras.privacy.mode_of(name) == "off", "nor is more hidden than before"
        assert list(engine.cameras.configs) == ["a"] and state.read_text() == before
        assert {path.name for path in tmp_path.iterdir()} == {"cameras.json", "cameras.json.lock"}


async def test_an_rtsp_camera_with_a_password_added_at_run_time_gives_results(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=100)
    with RtspServer(files={"/clip": clip}, users={"bob": "geheim"}) as server:
        async with running(configured()) as (engine, client):
            body = {"source": server.url("/clip", "bob", "wrong"), "reconnect_max_s": 0.5}
            assert (await client.ask("PUT", f"{CAMERAS}/door", json=body))[0] == 201
            await until(lambda: engine.cameras.status("door").reason == "unauthorised")
            right = {"source": server.url("/clip", "bob", "geheim")}
            assert (await client.ask("PATCH", f"{CAMERAS}/door", json=right))[0] == 200
            await until(lambda: engine.publisher.last("results/v1/door/") is not None)
            assert (await client.get(f"{CAMERAS}/door/result"))["size"] == [320, 180]
            assert "geheim" not in json.dumps(await client.get(f"{CAMERAS}/door"))
            assert (await client.ask("DELETE", f"{CAMERAS}/door"))[0] == 204


async def test_adding_and_removing_many_cameras_leaves_nothing_behind() -> None:
    async with running(configured({"id": "stays", "source": PATTERN})) as (engine, client):

        async def visit(name: str) -> None:
            assert (await client.ask("PUT", f"{CAMERAS}/{name}", json={"source": "pattern:64x64@25"}))[0] == 201
            assert (await client.ask("DELETE", f"{CAMERAS}/{name}"))[0] == 204

        for number in range(20):
            await visit(f"warm{number}")
        tasks, files = len(asyncio.all_tasks()), descriptors()
        for number in range(120):
            await visit(f"c{number % 40}")
        await until(lambda: len(asyncio.all_tasks()) <= tasks + 1 and descriptors() <= files + 2)
        assert list(engine.cameras.configs) == list(engine.cameras.running) == ["stays"]
        page = engine.metrics.render()
        assert b'camera="c1"' not in page and b'camera="stays"' in page
        assert engine.cameras.status("stays").epoch == 1


async def test_changes_are_refused_before_the_model_is_loaded_and_while_the_engine_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine(configured({"id": "a", "source": PATTERN}), model=FreeModel())
    with pytest.raises(control.NotNowError, match="starting or stopping"):
        await engine.control.put("b", {"source": PATTERN})
    await engine.start()
    reader = engine.cameras.running["a"].reader
    join = reader.join

    joins = itertools.count()
    joining = threading.Event()

    def join_late(timeout_s: float) -> bool:
        joining.set()
        return next(joins) >= 50 and join(timeout_s)

    monkeypatch.setattr(reader, "join", join_late)
    removing = asyncio.create_task(engine.control.remove("a"))
    await until(joining.is_set)
    await engine.stop()
    with pytest.raises(control.NotNowError, match="the engine is stopping"):
        await removing
    with pytest.raises(control.NotNowError):
        await engine.control.patch("a", {"max_fps": 3})


async def test_concurrent_changes_of_one_camera_are_made_one_after_another() -> None:
    async with running(configured()) as (engine, client):
        sizes = ["64x64", "96x64", "128x64", "160x64"]
        asked = [client.ask("PUT", f"{CAMERAS}/a", json={"source": f"pattern:{size}@25"}) for size in sizes * 5]
        asked += [client.ask("DELETE", f"{CAMERAS}/a") for _ in range(5)]
        statuses = {status for status, _, _ in await asyncio.gather(*asked)}
        assert statuses <= {200, 201, 204}
        await client.ask("DELETE", f"{CAMERAS}/a")
        assert not engine.cameras.configs and not engine.cameras.running
