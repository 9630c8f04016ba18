"""`partstream fleet status`, `drain`, `undrain`, `restart` and `camera`, with a controller and simulated engines."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner, Result

from commands.fleet import command as command_module
from commands.fleet import control
from fleet import engines as engines_module
from fleet.settings import ControllerConfig
from run_stream import app
from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, READ, Client
from support.fleet.local_cluster import LocalCluster, SimulatedEngine, cameras, configured, serving
from support.ports import reserved_port
from support.waiting import until

TWO: dict[str, Any] = {"least": 2, "reserve": 0}


async def fleet(client: Client, *arguments: str) -> Result:
    """Run `partstream fleet`, with the address of the client's controller."""
    url = client.address.replace("0.0.0.0", "127.0.0.1")
    return await asyncio.to_thread(CliRunner().invoke, app, ["fleet", *arguments, "--url", url], env={"COLUMNS": "200"})


async def shows(client: Client, text: str, *arguments: str) -> Result:
    """Run the command until its output contains this text."""

    async def shown() -> Result | None:
        found = await fleet(client, *(arguments or ("status",)))
        return found if text in found.output else None

    return await until(shown)


def rows(shown: Result) -> list[list[str]]:
    """Return the words of each line."""
    return [line.split() for line in shown.output.splitlines()]


async def test_engines_cameras_without_one_and_what_engines_wait_for_are_shown(tmp_path: Path) -> None:
    named = [*cameras(2), {"id": "dock", "source": "pattern:", "pin": "zone=7"}]
    async with serving(configured(tmp_path, cameras=named), LocalCluster(nodes=0)) as (_, client, cluster):
        shown = await shows(client, "engine-1 waits for a Ray node with room for it\n")
        assert "cameras: 3 unplaced; engines needed: 1\n" in shown.output and shown.exit_code == 1
        cluster.nodes = 1
        shown = await shows(client, "cameras: 2 live, 1 unplaced; engines needed: 1\n")
        assert ["engine-1", "node-1", "running", "2"] in [row[:4] for row in rows(shown)]
        for command in (("status",), ("camera", "list")):
            await shows(client, "dock has no engine: it is pinned to zone=7, which no engine has\n", *command)
        assert json.loads((await fleet(client, "status", "--json")).output)["cameras"]["unplaced"] == 1
        await cluster.close()


async def test_engines_that_need_attention_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, cameras=cameras(2))) as (_, client, cluster):
        await shows(client, "cameras: 2 live")
        engine = cluster["engine-1"]
        plain = engine.report
        busy = {"age_ms": 4500.0, "dropped": 85.2, "ease_level": 7, "max_ease_level": 7, "capacity": 32.0}
        engine.report = msgspec.structs.replace(plain, **busy)
        load = "its load of 40 Mpx/s is more than its capacity of 32 Mpx/s"
        late = "its results are up to 4.5 s late, it drops 85.2 frames per second"
        await shows(client, f"engine-1 has too much to do, {load}, {late}, it gives up detail (ease level 7 of 7)\n")
        engine.report = msgspec.structs.replace(plain, ease_level=2, max_ease_level=7)
        shown = await shows(client, "engine-1 shows reduced detail: node-1 is busy (ease level 2 of 7)\n")
        assert shown.exit_code == 0
        engine.report = msgspec.structs.replace(plain, privacy="skeleton")
        await shows(client, "engine-1 has all cameras in skeleton mode\n")
        engine.state, engine.reason, engine.message = (
            "ended",
            "bad_address",
            "camera c0: it is no address. Write another",
        )
        sentence = "c0 has failed on engine-1 (bad_address): it is no address. Write another\n"
        shown = await shows(client, sentence)
        assert "cameras: 2 failed" in shown.output and shown.exit_code == 1
        listed = await shows(client, sentence, "camera", "list")
        assert ["c0", "failed", "engine-1", "node-1"] in [row[:4] for row in rows(listed)]
        cluster.nodes = 0
        engine.ends("tcp://127.0.0.1:5555 is in use")
        await shows(client, "engine-1 waits for a Ray node")


async def test_a_node_is_drained_and_undrained(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, cameras=cameras(4), engines=TWO)) as (controller, client, cluster):
        await shows(client, "cameras: 4 live")
        assert (await fleet(client, "drain", "node-1")).output == "node-1 is being drained\n"
        await until(lambda: not cluster["engine-1"].generations and len(cluster["engine-2"].generations) == 4)
        shown = await shows(client, "drained")
        assert shown.exit_code == 0 and ["engine-1", "node-1", "drained", "0"] in [row[:4] for row in rows(shown)]
        assert (await fleet(client, "undrain", "node-1")).output == "node-1 may have cameras\n"
        assert not controller.placement.drains
        unknown = await fleet(client, "drain", "node-z")
        assert unknown.exit_code == 1 and "no engine or node has this name" in unknown.output


async def test_engines_are_started_again_one_after_the_other(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(control, "POLL_S", 0.02)
    async with serving(configured(tmp_path, cameras=cameras(4), engines=TWO)) as (controller, client, cluster):
        await shows(client, "cameras: 4 live")
        before = dict(cluster.handles)
        done = await fleet(client, "restart")
        assert done.exit_code == 0
        told = [" ".join(line.split()[:4]).rstrip(",") for line in done.output.splitlines()]
        assert told == [
            f"engine-{number} {what}" for number in (1, 2) for what in ("is started again", "has joined, run")
        ]
        assert all(handle.dead.done() and cluster.handles[name] is not handle for name, handle in before.items())
        assert controller.engines.lost == 0 and not controller.placement.drains


async def test_a_restart_ends_when_an_engine_does_not_start_again(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(control, "POLL_S", 0.02)
    made: list[Broken] = []

    class Broken(SimulatedEngine):
        async def run(self, sealed: bytes) -> None:
            made.append(self)
            if len(made) > 1:
                raise ValueError("no such checkpoint")
            await super().run(sealed)

    async with serving(configured(tmp_path), LocalCluster(Broken)) as (_, client, cluster):
        await shows(client, "running")
        with mock.patch.object(engines_module, "AGAIN_S", 60.0):  # it stays lost
            done = await fleet(client, "restart")
        assert done.exit_code == 1 and "engine-1 does not start: no such checkpoint" in done.output
        await cluster.close()


async def test_cameras_are_added_listed_and_removed(tmp_path: Path) -> None:
    async with serving(configured(tmp_path)) as (controller, client, cluster):
        settings = ("--pin", "zone=1", "--max-fps", "5")
        added = await fleet(client, "camera", "add", "door=rtsp://u:secret@10.0.0.7/1", "yard=pattern:", *settings)
        assert (added.exit_code, added.output) == (0, "door is added\nyard is added\n")
        await until(lambda: cluster.having() == dict.fromkeys(("door", "yard"), "engine-1"))
        told = cluster["engine-1"].cameras["door"].settings
        assert told == {"source": "rtsp://u:secret@10.0.0.7/1", "max_fps": 5.0}
        assert controller.cameras.all["yard"].pin == "zone=1"
        listed = await shows(client, "live", "camera", "list")
        assert ["door", "live", "engine-1", "node-1"] in [row[:4] for row in rows(listed)]
        as_json = await fleet(client, "camera", "list", "--json")
        assert [camera["id"] for camera in json.loads(as_json.output)] == ["door", "yard"]
        assert "secret" not in as_json.output
        assert (await fleet(client, "camera", "add", "door=pattern:")).output == "door is changed\n"
        removed = await fleet(client, "camera", "remove", "door", "never", "yard")
        assert removed.exit_code == 1
        assert "door is removed\n" in removed.output and "yard is removed\n" in removed.output
        assert "there is no camera never: `partstream fleet camera list` shows those that there are" in removed.output
        await until(lambda: not cluster.having())


async def test_what_the_controller_refuses_is_said(tmp_path: Path) -> None:
    async with serving(configured(tmp_path)) as (_, client, _):
        refused = await fleet(client, "camera", "add", "door=/etc/passwd")
        assert refused.exit_code == 1
        assert "must begin with rtsp: or rtsps: or whip: or pattern:" in refused.output
        assert "other addresses need controller.http.camera_schemes, or have to be written" in refused.output
        refused = await fleet(client, "camera", "add", "door=pattern:nope")
        sentence = "source: 'pattern:nope' is not a test pattern (at least 64x64, at most 240 fps)"
        assert refused.exit_code == 1 and refused.output.count(sentence) == 1
        unnamed = await fleet(client, "camera", "add", "pattern:")
        assert unnamed.exit_code == 2 and "a camera needs an id: write door=pattern:" in unnamed.output
    shown = CliRunner().invoke(app, ["fleet", "camera", "add", "--help"], env={"COLUMNS": "200"}).output
    assert all(
        scheme in shown
        for scheme in (*ControllerConfig.model_validate({}).http.camera_schemes, "controller.http.camera_schemes")
    )


async def test_a_token_is_asked_for_used_and_refused_as_such(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, http=OFF_LOOPBACK)) as (_, client, _):
        without = await fleet(client, "status")
        assert without.exit_code == 1
        assert "needs a token: give it by --token or PARTSTREAM_FLEET_TOKEN" in without.output
        assert "engines needed" in (await fleet(client, "status", "--token", READ)).output
        assert "not sufficient" in (await fleet(client, "camera", "add", "a=pattern:", "--token", READ)).output
        assert (await fleet(client, "camera", "add", "a=pattern:", "--token", CONTROL)).exit_code == 0
    (tmp_path / "loopback").mkdir()
    async with serving(configured(tmp_path / "loopback")) as (_, client, _):
        wrong = await fleet(client, "drain", "engine-1", "--token", "nonsense")
        assert wrong.exit_code == 1 and "refuses this token" in wrong.output
        assert "controller.http.read_token" in wrong.output and "nonsense" not in wrong.output


async def test_a_controller_that_is_not_there_and_another_server_are_told_apart() -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>")

    async def engine(request: web.Request) -> web.Response:
        return web.json_response({"cameras": [{"id": "door"}]})

    async def status(url: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["fleet", "status", "--url", url])

    url = f"http://127.0.0.1:{reserved_port()}"
    absent = await status(url)
    assert (absent.exit_code, absent.output.count("\n")) == (1, 1)
    assert f"partstream: no controller answers at {url} (connection refused): `partstream fleet up`" in absent.output
    for address in ("ftp://x", "http://a b:1", "http://:secret@x:1", "http://x:y", "http://"):
        wrong = await status(address)
        assert wrong.exit_code == 2 and "must be http://HOST:PORT" in wrong.output and "secret" not in wrong.output
    assert "no controller answers at http://[::1]" in (await status("http://[::1]")).output
    for answer in (page, engine):
        other = web.Application()
        other.router.add_get("/{path:.*}", answer)
        async with TestServer(other) as server:
            assert "is not a controller of this version" in (await status(f"http://127.0.0.1:{server.port}")).output


async def test_a_fleet_that_cannot_be_started_is_refused_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"127.0.0.1:{reserved_port()}"
    monkeypatch.setenv("RAY_ADDRESS", nowhere)
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text("cameras: [")
    Path("free.yaml").write_text("{}")

    async def refused(*command: str) -> str:
        done = await asyncio.to_thread(CliRunner().invoke, app, ["fleet", *command])
        (sentence,) = (line for line in done.output.splitlines() if " INFO " not in line)  # of the other controller
        assert done.exit_code in (1, 2)
        return sentence

    assert "fleet.yaml: can't be read: No such file" in await refused("up")
    assert "wrong.yaml, line 1: not valid YAML" in await refused("up", "--config", "wrong.yaml")
    for command in (("up", "--config", "free.yaml", "--address", "auto"), ("down",)):
        sentence = await refused(*command)
        assert f"no Ray cluster at {nowhere} (Connection refused): start one with `ray start --head`" in sentence
    async with serving(configured(tmp_path)) as (controller, _, _):
        Path("fleet.yaml").write_text("controller: {store: fleet.db}")
        sentence = await refused("up")
        assert "controller.store: fleet.db is in use" in sentence and "stop that one, or set another file" in sentence
        taken = controller.directory.publisher.endpoint
        Path("fleet.yaml").write_text(f"controller: {{store: other.db, directory: '{taken}'}}")
        assert f"controller.directory: {taken} is in use by another program" in await refused("up")
    monkeypatch.setattr(command_module, "_connect", lambda address: "head")
    monkeypatch.setattr(command_module, "_running", lambda: "actor")
    again = await refused("up", "--config", "free.yaml", "--address", "auto")
    assert "a fleet runs there: `partstream fleet down` stops it" in again
