"""`partstream fleet status`, `drain`, `undrain` and `camera`, with a coordinator and simulated engines."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
import zmq
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner, Result

from fleet.settings import FleetHttpConfig
from run_stream import app
from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, READ, Client
from support.fleet.coordinators import cameras, configured, joined, serving
from support.ports import reserved_port
from support.waiting import until


async def fleet(client: Client, *arguments: str) -> Result:
    """Run `partstream fleet`, with the address of the client's coordinator."""
    command = ["fleet", *arguments, "--url", client.address]
    return await asyncio.to_thread(CliRunner().invoke, app, command, env={"COLUMNS": "200"})


def rows(shown: str) -> list[list[str]]:
    """Return the words of each line."""
    return [line.split() for line in shown.splitlines()]


async def test_the_engines_and_the_cameras_without_one_are_shown(tmp_path: Path) -> None:
    named = [*cameras(2), {"id": "dock", "source": "pattern:", "pin": "elsewhere"}]
    async with serving(configured(tmp_path, cameras=named)) as (coordinator, client):
        none = "no engine has joined: an engine joins when it has loaded its model\n3 cameras: 3 unplaced\n"
        assert none in (await fleet(client, "status")).output
        async with joined(coordinator.renewals.address, "a") as (a,):
            await until(lambda: set(a.generations) == {"c0", "c1"})
            shown = await fleet(client, "status")
            assert ["a", "node-a", "leased", "2"] in [row[:4] for row in rows(shown.output)]
            assert "dock has no engine: " in shown.output and "elsewhere" in shown.output
            assert shown.exit_code == 1  # a camera has no engine
            as_json = json.loads((await fleet(client, "status", "--json")).output)
            assert list(as_json["unplaced"]) == ["dock"]


@pytest.mark.soak
async def test_an_engine_that_its_agent_has_started_is_named_until_it_joins(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, cameras=cameras(1))) as (coordinator, client):
        started = {"engine": "a", "node": "node-a", "run": "a" * 32, "state": "started"}
        assert (await client.ask("POST", "/api/v1/fleet/engines", json=started))[0] == 204
        shown = await fleet(client, "status")
        assert "engine a of node node-a is starting: it loads its model\n" in shown.output
        as_json = json.loads((await fleet(client, "status", "--json")).output)
        assert [one["engine"] for one in as_json["starting"]] == ["a"] and as_json["engines"] == []
        async with joined(coordinator.renewals.address, "a", run="a" * 32) as (a,):
            await until(lambda: a.generations)
            assert (await client.ask("POST", "/api/v1/fleet/engines", json=started))[0] == 204  # told late
            assert "is starting" not in (await fleet(client, "status")).output


@pytest.mark.soak
async def test_engines_that_have_too_much_to_do_are_named(tmp_path: Path) -> None:
    busy = {"age_ms": 4500.0, "dropped": 85.2, "ease_level": 7, "max_ease_level": 7}
    async with (
        serving(configured(tmp_path, cameras=cameras(2))) as (coordinator, client),
        joined(coordinator.renewals.address, "a") as (a,),
    ):
        await until(lambda: len(a.generations) == 2)
        a.load, a.capacity = busy, 32.0

        async def told() -> str | None:
            shown = (await fleet(client, "status")).output
            return shown if "too much to do" in shown else None

        load = "its load of 40 Mpx/s is more than its capacity of 32 Mpx/s"
        late = "its results are up to 4.5 s late, it drops 85.2 frames per second"
        assert f"a has too much to do, {load}, {late}, it gives up detail (ease level 7 of 7)\n" in await until(told)
        a.load, a.capacity = {"ease_level": 2, "max_ease_level": 7}, 50.0
        reduced = "a: reduced detail: node-a is busy (ease level 2 of 7)\n"

        async def eased() -> bool:
            shown = await fleet(client, "status")
            return reduced in shown.output and shown.exit_code == 0

        await until(eased)
        assert reduced in (await fleet(client, "camera", "list")).output


@pytest.mark.soak
async def test_an_engine_that_ends_again_and_again_is_named_with_its_error_until_it_joins(tmp_path: Path) -> None:
    async with serving(configured(tmp_path)) as (coordinator, client):
        engine = {"engine": "a", "node": "vm"}
        for run in ("a" * 32, "b" * 32):
            end = {"how": "exit code 2", "error": "tcp://127.0.0.1:5555 is in use", "log": "/fleet/a.log"}
            assert (await client.ask("POST", "/api/v1/fleet/engines", json={**engine, "run": run, **end}))[0] == 204
        started = {**engine, "run": "c" * 32, "state": "started"}
        assert (await client.ask("POST", "/api/v1/fleet/engines", json=started))[0] == 204
        shown = await fleet(client, "status")
        assert re.search(
            r"engine a of node vm has ended 2 times since [\d:]{8}: exit code 2: tcp://127.0.0.1:5555 is in "
            r"use; log: /fleet/a.log\n",
            shown.output,
        )
        assert "is starting" not in shown.output
        await until(lambda: coordinator.placement.settled)
        assert (await fleet(client, "status")).exit_code == 1
        async with joined(coordinator.renewals.address, "a", run="c" * 32):
            await until(lambda: "a" in coordinator.placement.engines)
            shown = await fleet(client, "status")
            assert "has ended" not in shown.output and shown.exit_code == 0


@pytest.mark.soak
async def test_cameras_that_an_engine_cannot_read_are_counted_apart_and_named_with_the_reason(tmp_path: Path) -> None:
    failing = {"state": "ended", "reason": "bad_address", "message": "camera c0: it is no address. Write another"}
    async with (
        serving(configured(tmp_path, cameras=cameras(1))) as (coordinator, client),
        joined(coordinator.renewals.address, "a", pixels=0.576, **failing) as (a,),
    ):
        await until(lambda: a.generations)
        sentence = "c0 has failed on a (bad_address): it is no address. Write another\n"

        async def told() -> Result | None:
            shown = await fleet(client, "status")
            return shown if sentence in shown.output else None

        shown = await until(told)
        assert "1 camera: 1 failed\n" in shown.output and shown.exit_code == 1
        assert "0.58 Mpx/s" in shown.output
        as_json = await fleet(client, "status", "--json")
        assert json.loads(as_json.output)["cameras"]["placed"] == 0 and as_json.exit_code == 1
        listed = (await fleet(client, "camera", "list")).output
        assert ["c0", "failed", "a", "node-a"] in [row[:4] for row in rows(listed)] and sentence in listed


@pytest.mark.soak
async def test_an_engine_that_hides_all_pictures_is_named(tmp_path: Path) -> None:
    async with (
        serving(configured(tmp_path, cameras=cameras(1))) as (coordinator, client),
        joined(coordinator.renewals.address, "a", privacy="skeleton") as (a,),
    ):
        await until(lambda: a.generations)
        assert "a: all cameras are in skeleton mode there\n" in (await fleet(client, "status")).output


async def test_a_node_is_drained_and_undrained(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fleet.coordinator.coordinator")
    async with (
        serving(configured(tmp_path, cameras=cameras(4))) as (coordinator, client),
        joined(coordinator.renewals.address, "a", "b") as (a, b),
    ):
        await until(lambda: len(a.generations) == len(b.generations) == 2)
        assert (await fleet(client, "drain", "node-a")).output == "node-a is being drained\n"
        await until(lambda: not a.generations and len(b.generations) == 4)

        async def drained() -> bool:
            shown = await fleet(client, "status")
            return shown.exit_code == 0 and ["a", "node-a", "drained", "0"] in [row[:4] for row in rows(shown.output)]

        await until(drained)
        await fleet(client, "drain", "node-a")
        assert await drained(), "once more changes nothing"
        assert (await fleet(client, "undrain", "node-a")).output == "node-a may have cameras\n"
        assert [line for line in caplog.messages if line.startswith("node-a ")] == [
            "node-a is being drained: its cameras are moved away, and it gets no more",
            "node-a is drained: it has no cameras",
            "node-a is not drained any more: it may have cameras",
        ]
        assert not coordinator.placement.drains
        unknown = await fleet(client, "drain", "node-z")
        assert unknown.exit_code == 1
        assert "no engine or node has this name" in unknown.output


@pytest.mark.soak
async def test_ending_a_drain_that_there_is_not_or_that_does_not_help_is_an_error(tmp_path: Path) -> None:
    async with (
        serving(configured(tmp_path)) as (coordinator, client),
        joined(coordinator.renewals.address, "a", "b"),
    ):
        await until(lambda: len(coordinator.placement.engines) == 2)

        async def undrained(name: str) -> tuple[int, str]:
            done = await fleet(client, "undrain", name)
            return done.exit_code, done.output.removeprefix("partstream: ").strip()

        assert await undrained("sout") == (1, "sout is not drained; nothing is")
        for name in ("a", "node-a"):
            assert (await fleet(client, "drain", name)).exit_code == 0
        assert await undrained("sout") == (1, "sout is not drained; drained are: a, node-a")
        because = "because its node node-a is: run `partstream fleet undrain node-a`"
        assert await undrained("a") == (1, f"a stays drained, {because}")
        itself = "a is not drained itself, but its node node-a is: run `partstream fleet undrain node-a`"
        assert await undrained("a") == (1, itself)
        await fleet(client, "drain", "a")
        assert await undrained("node-a") == (1, "a stays drained: run `partstream fleet undrain a`")
        assert await undrained("a") == (0, "a may have cameras")
        assert not coordinator.placement.drains


@pytest.mark.soak
async def test_cameras_that_cannot_leave_a_drained_engine_are_shown_and_logged_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(configured(tmp_path, cameras=cameras(1))) as (coordinator, client),
        joined(coordinator.renewals.address, "a") as (a,),
    ):
        await until(lambda: a.generations)
        await fleet(client, "drain", "a")

        async def told() -> bool:
            shown = await fleet(client, "status")
            return "c0 has not moved: a is being drained, but no other engine has room\n" in shown.output

        await until(told)
        stuck = "c0: a is being drained, but no other engine has room"
        logged = f"engine a can't be drained; cameras left there: 1; {stuck}"
        await until(lambda: logged in caplog.messages)
        async with joined(coordinator.renewals.address, "b") as (b,):
            await until(lambda: b.generations and not a.generations and "a" in coordinator.drained)
            assert coordinator.placement.engines["a"].stuck == ""
        assert caplog.messages.count(logged) == 1


async def test_cameras_are_added_listed_and_removed(tmp_path: Path) -> None:
    async with (
        serving(configured(tmp_path)) as (coordinator, client),
        joined(coordinator.renewals.address, "a") as (a,),
    ):
        added = await fleet(
            client,
            "camera",
            "add",
            "door=rtsp://u:secret@10.0.0.7/1",
            "yard=pattern:",
            "--pin",
            "node-a",
            "--max-fps",
            "5",
        )
        assert (added.exit_code, added.output) == (0, "door is added\nyard is added\n")
        await until(lambda: set(a.generations) == {"door", "yard"})
        assert a.settings["door"] == {"source": "rtsp://u:secret@10.0.0.7/1", "max_fps": 5.0}
        assert coordinator.cameras.all["yard"].pin == "node-a"

        async def live() -> bool:
            listed = await fleet(client, "camera", "list")
            return ["door", "live", "a", "node-a"] in [row[:4] for row in rows(listed.output)]

        await until(live)
        as_json = await fleet(client, "camera", "list", "--json")
        assert [camera["id"] for camera in json.loads(as_json.output)] == ["door", "yard"]
        assert "secret" not in as_json.output
        assert (await fleet(client, "camera", "add", "door=pattern:")).output == "door is changed\n"
        assert (await fleet(client, "camera", "remove", "door")).output == "door is removed\n"
        await until(lambda: set(a.generations) == {"yard"})


@pytest.mark.soak
async def test_a_camera_is_pinned_to_what_is_not_there_with_a_warning(tmp_path: Path) -> None:
    async with serving(configured(tmp_path)) as (coordinator, client), joined(coordinator.renewals.address, "a"):
        await until(lambda: coordinator.placement.settled and "a" in coordinator.placement.engines)
        added = await fleet(client, "camera", "add", "door=pattern:", "--pin", "nosuch")
        warning = "partstream: nothing of the name nosuch is there: until it is, no engine has door"
        assert (added.exit_code, added.output.splitlines()) == (0, ["door is added", warning])
        moved = await fleet(client, "camera", "add", "door=pattern:", "--pin", "a")
        assert moved.output == "door is changed\n"


def test_the_help_names_the_schemes_that_may_be_added_over_http() -> None:
    shown = CliRunner().invoke(app, ["fleet", "camera", "add", "--help"], env={"COLUMNS": "200"}).output
    assert all(scheme in shown for scheme in FleetHttpConfig().camera_schemes)
    assert "coordinator.http.camera_schemes" in shown


async def test_a_camera_that_is_not_there_cannot_be_removed_and_others_are(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, cameras=cameras(2))) as (coordinator, client):
        removed = await fleet(client, "camera", "remove", "c0", "never", "c1")
        assert removed.exit_code == 1
        assert "c0 is removed\n" in removed.output and "c1 is removed\n" in removed.output
        assert "there is no camera never: `partstream fleet camera list` shows those that there are" in removed.output
        assert "never is removed" not in removed.output
        assert not coordinator.cameras.all


async def test_what_the_coordinator_refuses_is_said(tmp_path: Path) -> None:
    async with serving(configured(tmp_path)) as (_, client):
        for source in ("/etc/passwd", "/dev/video0"):
            refused = await fleet(client, "camera", "add", f"door={source}")
            assert refused.exit_code == 1
            assert "must begin with rtsp: or rtsps: or whip: or pattern:" in refused.output
            assert "other addresses need coordinator.http.camera_schemes, or have to be written" in refused.output
            assert "pin" not in refused.output
        refused = await fleet(client, "camera", "add", "door=pattern:nope")
        assert refused.exit_code == 1
        sentence = "source: 'pattern:nope' is not a test pattern (at least 64x64, at most 240 fps)"
        assert refused.output.count(sentence) == 1
        assert "camera_schemes" in (await fleet(client, "camera", "add", "door=foo://10.0.0.7/1")).output
        assert (await fleet(client, "camera", "add", "pattern:")).exit_code == 2
        assert "a camera needs an id: write door=pattern:" in (await fleet(client, "camera", "add", "pattern:")).output


async def test_a_token_is_asked_for_and_used(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, coordinator={"http": OFF_LOOPBACK})) as (_, client):
        without = await fleet(client, "status")
        assert without.exit_code == 1
        assert "needs a token: give it by --token or PARTSTREAM_FLEET_TOKEN" in without.output
        assert (await fleet(client, "status", "--token", READ)).exit_code in (0, 1)
        assert "not sufficient" in (await fleet(client, "camera", "add", "a=pattern:", "--token", READ)).output
        assert (await fleet(client, "camera", "add", "a=pattern:", "--token", CONTROL)).exit_code == 0


async def test_a_wrong_token_is_refused_as_such_also_on_loopback_where_none_is_needed(tmp_path: Path) -> None:
    async with serving(configured(tmp_path)) as (_, client):
        for command in (("status",), ("camera", "list"), ("drain", "a")):
            wrong = await fleet(client, *command, "--token", "nonsense")
            assert wrong.exit_code == 1
            assert "refuses this token" in wrong.output and "coordinator.http.read_token" in wrong.output
            assert "use a loopback address" not in wrong.output and "nonsense" not in wrong.output


def test_an_address_that_is_no_http_server_is_said_to_be_none() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as engines:
        port = engines.bind_to_random_port("tcp://127.0.0.1")
        shown = CliRunner().invoke(app, ["fleet", "status", "--url", f"http://127.0.0.1:{port}"])
    assert shown.exit_code == 1 and "HTTP server of the coordinator" in " ".join(shown.output.split())


def test_a_coordinator_that_is_not_there_is_named() -> None:
    url = f"http://127.0.0.1:{reserved_port()}"
    shown = CliRunner().invoke(app, ["fleet", "status", "--url", url])
    assert (shown.exit_code, shown.output) == (
        1,
        f"partstream: no coordinator answers at {url} (connection refused)\n",
    )
    assert CliRunner().invoke(app, ["fleet", "status", "--url", "ftp://x"]).exit_code == 2
    assert "must be http://HOST:PORT" in CliRunner().invoke(app, ["fleet", "status", "--url", "ftp://x"]).output


async def test_another_server_is_not_taken_for_a_coordinator() -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>")

    other = web.Application()
    other.router.add_get("/{path:.*}", page)
    async with TestServer(other) as server:
        url = f"http://127.0.0.1:{server.port}"
        shown = await asyncio.to_thread(CliRunner().invoke, app, ["fleet", "status", "--url", url])
        assert "is not a coordinator of this version" in shown.output
