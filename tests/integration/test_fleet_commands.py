"""`partstream fleet status`, `drain`, `undrain`, `restart` and `camera`, with a controller and simulated engines."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner, Result

from commands.fleet import control
from fleet import engines as engines_module
from run_stream import app
from stream.membership.messages import CameraReport
from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, READ, Client
from support.fleet.local_cluster import LocalCluster, SimulatedEngine, cameras, configured, serving
from support.ports import reserved_port
from support.repository import REPOSITORY
from support.waiting import until

TWO: dict[str, Any] = {"least": 2, "reserve": 0}


async def fleet(client: Client, *arguments: str) -> Result:
    """Run `partstream fleet`, with the address of the client's controller."""
    url = client.address.replace("0.0.0.0", "127.0.0.1")
    return await asyncio.to_thread(CliRunner().invoke, app, ["fleet", *arguments, "--url", url], env={"COLUMNS": "200"})


async def shows(client: Client, text: str, *arguments: str) -> Result:
    """Run the command until its output contains this text."""
    while text not in (found := await fleet(client, *(arguments or ("status",)))).output:
        pass
    return found


def rows(shown: Result) -> list[list[str]]:
    """Return the first words of each line."""
    return [line.split()[:4] for line in shown.output.splitlines()]


async def test_engines_cameras_without_one_and_what_engines_wait_for_are_shown(tmp_path: Path) -> None:
    named = [*cameras(2), {"id": "dock", "source": "pattern:", "pin": "zone=7"}]
    async with serving(configured(tmp_path, cameras=named), LocalCluster(nodes=0)) as (_, client, cluster):
        shown = await shows(client, "engine-1 waits for a Ray node")
        assert "cameras: 3 unplaced" in shown.output and shown.exit_code == 1
        cluster.nodes = 1
        shown = await shows(client, "cameras: 2 live, 1 unplaced")
        assert ["engine-1", "node-1", "running", "2"] in rows(shown)
        for command in (("status",), ("camera", "list")):
            await shows(client, "dock has no engine: it is pinned to zone=7", *command)
        assert json.loads((await fleet(client, "status", "--json")).output)["cameras"]["unplaced"] == 1


async def test_engines_and_cameras_that_need_attention_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    config = configured(tmp_path, cameras=cameras(2), engines={"most": 1})
    async with serving(config) as (_, client, cluster):
        await shows(client, "cameras: 2 live")
        engine = cluster["engine-1"]
        plain = engine.report
        for report, shown in (
            ({"age_ms": 4500.0, "dropped": 85.2, "capacity": 32.0}, "engine-1 has too much to do"),
            ({"ease_level": 2, "max_ease_level": 7}, "engine-1 shows reduced detail"),
            ({"privacy": "skeleton"}, "engine-1 has all cameras in skeleton mode"),
        ):
            engine.report = msgspec.structs.replace(plain, **report)
            assert (await shows(client, shown)).exit_code == 0
        assert "`partstream fleet status` shows when it is empty" in (await fleet(client, "drain", "engine-1")).output
        await shows(client, "engine-1 keeps c0: engine-1 is being drained, but all engines are being drained")
        engine.camera = CameraReport(0, "ended", reason="bad_address", message="it is no address")
        for command in (("status",), ("camera", "list")):
            await shows(client, "c0 has failed on engine-1 (bad_address): it is no address", *command)
        assert (await shows(client, "cameras: 2 failed")).exit_code == 1


async def test_a_node_is_drained_and_engines_are_started_again_until_one_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "POLL_S", 0.02)
    broken = False

    class Breaking(SimulatedEngine):
        async def run(self, sealed: bytes) -> None:
            if broken:
                raise ValueError("no such checkpoint")
            await super().run(sealed)

    config = configured(tmp_path, cameras=cameras(4), engines=TWO)
    async with serving(config, LocalCluster(Breaking)) as (controller, client, cluster):
        await shows(client, "cameras: 4 live")
        assert (await fleet(client, "drain", "node-1")).exit_code == 0
        assert ["engine-1", "node-1", "drained", "0"] in rows(await shows(client, "drained"))
        assert (await fleet(client, "undrain", "node-1")).exit_code == 0
        assert (await fleet(client, "drain", "node-z")).exit_code == 1 and not controller.placement.drains
        before = dict(cluster.handles)
        done = await fleet(client, "restart")
        assert done.exit_code == 0 and [row[0] for row in rows(done)] == [*["engine-1"] * 2, *["engine-2"] * 2]
        assert all(handle.dead.done() and cluster.handles[name] is not handle for name, handle in before.items())
        assert controller.engines.lost == 0 and not controller.placement.drains
        broken = True
        with mock.patch.object(engines_module, "AGAIN_S", 60.0):  # it stays lost
            done = await fleet(client, "restart")
        assert done.exit_code == 1 and "engine-1 does not start: no such checkpoint" in done.output


async def test_cameras_are_added_listed_and_removed_and_refusals_are_explained(tmp_path: Path) -> None:
    async with serving(configured(tmp_path)) as (controller, client, cluster):
        settings = ("--pin", "zone=1", "--max-fps", "5")
        added = await fleet(client, "camera", "add", "door=rtsp://u:secret@10.0.0.7/1", "yard=pattern:", *settings)
        assert added.exit_code == 0
        await until(lambda: cluster.having() == dict.fromkeys(("door", "yard"), "engine-1"))
        told = cluster["engine-1"].cameras["door"].settings
        assert told == {"source": "rtsp://u:secret@10.0.0.7/1", "max_fps": 5.0}
        assert controller.cameras.all["yard"].pin == "zone=1"
        listed = await shows(client, "live", "camera", "list")
        assert ["door", "live", "engine-1", "node-1"] in rows(listed)
        as_json = await fleet(client, "camera", "list", "--json")
        assert [camera["id"] for camera in json.loads(as_json.output)] == ["door", "yard"]
        assert "secret" not in as_json.output
        refused = await fleet(client, "camera", "add", "door=/etc/passwd")
        assert refused.exit_code == 1 and "controller.http.camera_schemes" in refused.output
        assert (await fleet(client, "camera", "add", "pattern:")).exit_code == 2, "without an id"
        removed = await fleet(client, "camera", "remove", "door", "never", "yard")
        assert removed.exit_code == 1 and "there is no camera never" in removed.output
        await until(lambda: not cluster.having())


async def test_a_token_is_asked_for_used_and_refused_as_such(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, http=OFF_LOOPBACK)) as (_, client, _):
        without = await fleet(client, "status")
        assert without.exit_code == 1 and "PARTSTREAM_FLEET_TOKEN" in without.output
        wrong = await fleet(client, "status", "--token", "nonsense")
        assert wrong.exit_code == 1 and "refuses this token" in wrong.output and "nonsense" not in wrong.output
        assert "engines needed" in (await fleet(client, "status", "--token", READ)).output
        for token, code in ((READ, 1), (CONTROL, 0)):
            assert (await fleet(client, "camera", "add", "a=pattern:", "--token", token)).exit_code == code


async def test_a_controller_that_is_not_there_and_another_server_have_different_errors() -> None:
    async def engine(request: web.Request) -> web.Response:
        return web.json_response({"cameras": [{"id": "door"}]})

    async def status(url: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["fleet", "status", "--url", url])

    url = f"http://127.0.0.1:{reserved_port()}"
    absent = await status(url)
    assert absent.exit_code == 1 and f"no controller answers at {url}" in absent.output
    for address in ("ftp://x", "http://:secret@x:1", "http://x:y", "http://"):
        wrong = await status(address)
        assert wrong.exit_code == 2 and "secret" not in wrong.output
    other = web.Application()
    other.router.add_get("/{path:.*}", engine)
    async with TestServer(other) as server:
        assert "is not a controller of this version" in (await status(f"http://127.0.0.1:{server.port}")).output


async def test_a_fleet_that_cannot_be_started_is_refused_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"127.0.0.1:{reserved_port()}"
    monkeypatch.setenv("RAY_ADDRESS", nowhere)
    monkeypatch.chdir(tmp_path)
    Path("free.yaml").write_text("{}")

    async def refused(*command: str) -> str:
        done = await asyncio.to_thread(CliRunner().invoke, app, ["fleet", *command])
        (sentence,) = (line for line in done.output.splitlines() if " INFO " not in line)  # of the other controller
        assert done.exit_code in (1, 2)
        return sentence

    assert "fleet.yaml: can't be read" in await refused("up")
    for command in (("up", "--config", "free.yaml", "--address", "auto"), ("down",)):
        assert f"no Ray cluster at {nowhere}" in await refused(*command)
    async with serving(configured(tmp_path)) as (controller, _, _):
        taken = controller.directory.publisher.endpoint
        Path("fleet.yaml").write_text(f"controller: {{store: other.db, directory: '{taken}'}}")
        assert f"controller.directory: {taken}" in await refused("up")


def test_a_ray_that_does_not_answer_is_given_up() -> None:
    program = "from commands.fleet import command; command.JOINS_WITHIN_S = 1; import run_stream; run_stream.app()"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-c", program, "fleet", "down", "--address", address]
        done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 1 and f"the Ray at {address} does not answer" in done.stderr


async def test_what_a_controller_says_is_shown_without_control_characters_and_markup_and_read_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = "a\x1b]0;x\x07[red]b"
    place, status = {"engine": odd, "node": odd}, {"fps_out": 1.0, "reason": "", "state": odd}
    engine = {"engine": odd, "node": odd, "state": odd, "report": None}
    about = {"engines": [engine], "cameras": {"failed": 0, "unplaced": 0}, "reasons": [odd], "wanted_engines": 1}
    answers = {
        "cameras": {"cameras": [{"id": odd, "place": place, "status": status}]},
        "status": about | {"ready": True},
    }

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(answers[request.path.rpartition("/")[2]])

    other = web.Application()
    other.router.add_get("/{path:.*}", answer)
    async with TestServer(other) as server:
        client = mock.Mock(address=f"http://127.0.0.1:{server.port}")
        for command, times in ((("camera", "list"), 4), (("status",), 4)):
            shown = (await fleet(client, *command)).output
            assert shown.count(r"a\x1b]0;x\x07[red]b") == times and "\x1b" not in shown, shown
        monkeypatch.setattr("commands.fleet.client.ANSWER_BYTES", 100)
        assert "is not a controller of this version" in (await fleet(client, "status")).output
