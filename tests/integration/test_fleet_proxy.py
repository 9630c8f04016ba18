"""The proxy of a fleet, in a process of its own, read by clients that know only plain ZeroMQ."""

from __future__ import annotations

import re
import signal
import socket
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from commands.keys import make_keys
from run_stream import app
from stream.messaging.curve.keys import KeyPair, read_pair, read_public
from support.fleet.proxy_process import PlainClient, ProxyProcess, plain_client, proxy_process
from support.fleet.published_fleet import Directory, PublishingEngine, directory, engine
from support.waiting import until

PREFIXES = 6
"""Subscriptions of a proxy at each engine: one for each kind of message."""


def frame(source: PublishingEngine, camera: str, generation: int) -> bytes:
    """Publish a result, and return its body."""
    source.frame(camera, generation)
    return body_of(source, f"results/v1/{camera}/")


def body_of(source: PublishingEngine | Directory, topic: str) -> bytes:
    body = source.publisher.last(topic)
    assert body is not None
    return body


async def followed(*engines: PublishingEngine) -> None:
    await until(lambda: all(one.publisher.subscriptions >= PREFIXES for one in engines))


def metric(proxy: ProxyProcess, name: str) -> float:
    with urllib.request.urlopen(proxy.metrics) as answer:
        page = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^partstream_fleet_proxy_{name}(?:{{.*}})? (\S+)$", page, re.M))


async def joined(client: PlainClient, fleet: Directory, camera: str) -> None:
    """Wait until a client, with `directory/v1/` as its last subscription, receives messages."""
    await client.read_until(body_of(fleet, f"directory/v1/{camera}/"))


async def test_a_plain_client_reads_a_camera_that_moves_in_order() -> None:
    async with (
        directory() as fleet,
        engine("north") as north,
        engine("south") as south,
        proxy_process(fleet.fleet) as proxy,
    ):
        fleet.place("door", 1, north)
        fleet.place("yard", 1, south)
        await followed(north, south)
        async with plain_client(proxy.endpoint, "results/v1/", "directory/v1/") as client:
            await joined(client, fleet, "door")
            sent = [frame(north, "door", 1) for _ in range(20)]
            await client.read_until(sent[-1])
            fleet.place("door", 2, south, previous=north)
            south.status("door", 2, "connecting")
            sent += [frame(north, "door", 1) for _ in range(10)]
            await client.read_until(sent[-1])
            sent += [frame(south, "door", 2) for _ in range(10)]
            await client.read_until(sent[-1])
            stale = [frame(north, "door", 1) for _ in range(5)]
            await client.read_until(frame(north, "hall", 1))  # so they have been read before it
            sent += [frame(south, "door", 2) for _ in range(5)]
            await client.read_until(sent[-1])
            assert [body for topic, body in client.received if topic == "results/v1/door/"] == sent
            names = ("stale_total", "moves_total", "lost_total", "engines", "subscriptions")
            assert [metric(proxy, name) for name in names] == [len(stale), 1, 0, 2, 2]


async def test_a_late_client_gets_the_last_values_but_none_of_an_earlier_placement() -> None:
    async with (
        directory() as fleet,
        engine("north") as north,
        engine("south") as south,
        proxy_process(fleet.fleet) as proxy,
        plain_client(proxy.endpoint, "") as early,
    ):
        for camera in ("door", "yard"):
            fleet.place(camera, 1, north)
        await followed(north)
        for camera in ("door", "yard"):
            north.status(camera, 1)
            north.event(camera, 1)
        fleet.place("door", 2, south, previous=north)
        await followed(south)
        moved = frame(south, "door", 2)
        await early.read_until(moved)
        kept = [body_of(fleet, f"directory/v1/{camera}/") for camera in ("door", "yard")]
        kept += [moved, *(body_of(north, f"{kind}/v1/yard/") for kind in ("status", "events"))]
        await early.read_until(kept[-1])
        async with plain_client(proxy.endpoint, "") as late:
            for body in kept:
                await late.read_until(body)
            await late.read_until(frame(north, "yard", 1))
            assert {topic for topic in late.topics() if "/door/" in topic} == {"directory/v1/door/", "results/v1/door/"}
            fleet.place("door", 3, None, state="removed")
            fleet.place("yard", 2, None, state="disabled")
            await late.read_until(body_of(fleet, "directory/v1/yard/"))
            await late.read_until(frame(south, "door", 2))  # the engine does not know it yet
        async with plain_client(proxy.endpoint, "") as later:
            await later.read_until(body_of(fleet, "directory/v1/yard/"))
            await later.read_until(frame(north, "gate", 1))
            assert later.topics() == {"directory/v1/yard/", "results/v1/gate/"}


async def test_only_selected_kinds_and_cameras_are_passed_on() -> None:
    selected = ("--camera", "door", "--kind", "results", "--kind", "stats")
    async with directory() as fleet, engine("north") as north, proxy_process(fleet.fleet, *selected) as proxy:
        fleet.place("door", 1, north)
        fleet.place("yard", 1, north)
        await until(lambda: north.publisher.subscriptions == 3)  # results, status and stats
        async with plain_client(proxy.endpoint, "") as client:
            await until(lambda: metric(proxy, "subscriptions") == 1)
            north.event("door", 1)
            frame(north, "yard", 1)
            north.stats()
            await client.read_until(frame(north, "door", 1))
            assert client.topics() == {"results/v1/door/", "stats/v1/"}


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda one: one.name)
async def test_a_proxy_stops_in_order_and_delivers_what_it_has(number: signal.Signals) -> None:
    async with directory() as fleet, engine("north") as north, proxy_process(fleet.fleet) as proxy:
        fleet.place("door", 1, north)
        await followed(north)
        async with plain_client(proxy.endpoint, "results/v1/", "directory/v1/") as client:
            await joined(client, fleet, "door")
            last = [frame(north, "door", 1) for _ in range(50)][-1]
            await until(lambda: metric(proxy, "messages_total") == 51)
            proxy.process.send_signal(number)
            await client.read_until(last)
            assert await until(proxy.process.poll) == 128 + number
        assert "ERROR" not in proxy.log


def test_impossible_options_are_usage_errors_that_name_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = f"127.0.0.1:{taken.getsockname()[1]}"
        for options, text in (
            (["tcp://127.0.0.1:5571"], "fleet://HOST:PORT"),
            (["fleet://user:hidden@10.0.0.2:1/x"], "fleet://HOST:PORT"),
            (["--bind", "tcp://0.0.0.0:0"], "--allow-plaintext"),
            *((["--bind", wrong], "--bind: ") for wrong in ("nonsense", "tcp://127.0.0.1:70000")),
            (["--bind", f"tcp://{used}"], "--bind: "),
            (["--metrics", "9096"], "--metrics: "),
            (["--bind", "tcp://127.0.0.1:0", "--metrics", used], "--metrics: "),
            (["--camera", "No Such"], "camera id"),
            (["--curve-secret-key-file", "no", "--curve-allowed-keys", "no"], "--curve-secret-key-file: "),
            (["--curve-allowed-keys", "keys"], "--curve-secret-key-file"),
        ):
            done = CliRunner().invoke(app, ["fleet", "proxy", *options])
            assert done.exit_code == 2 and "hidden" not in done.output
            assert done.output.count("partstream:") == 1 and text in done.output, options


def curve(own: KeyPair, server: str) -> dict[str, Any]:
    """Return the socket options of a client."""
    keys = {"SERVER": server, "PUBLIC": own.public, "SECRET": own.secret}
    return {f"CURVE_{name}KEY": key.encode() for name, key in keys.items()}


async def test_with_keys_on_both_sides_only_listed_clients_read_an_encrypted_fleet(tmp_path: Path) -> None:
    of_fleet, own = tmp_path / "fleet", tmp_path / "proxy"
    make_keys(of_fleet, ["proxy"])
    make_keys(own, ["wall", "stranger"])
    (own / "allowed" / "stranger.key").unlink()
    serving = {"curve_secret_key_file": of_fleet / "server.key_secret", "curve_allowed_keys": of_fleet / "allowed"}
    options = [
        *("--server-key", str(of_fleet / "server.key"), "--key-file", str(of_fleet / "clients" / "proxy.key_secret")),
        *("--curve-secret-key-file", str(own / "server.key_secret"), "--curve-allowed-keys", str(own / "allowed")),
    ]
    server = read_public(own / "server.key")
    wall, stranger = (read_pair(own / "clients" / f"{name}.key_secret") for name in ("wall", "stranger"))
    async with (
        directory(**serving) as fleet,
        engine("north", **serving) as north,
        proxy_process(fleet.fleet, *options, bind="tcp://0.0.0.0:0") as proxy,
    ):
        address = proxy.endpoint.replace("0.0.0.0", "127.0.0.1")
        fleet.place("door", 1, msgspec.structs.replace(north.address, key=read_public(of_fleet / "server.key")))
        await followed(north)
        async with (
            plain_client(address, "", **curve(stranger, server)) as refused,
            plain_client(address, "") as without,
            plain_client(address, "results/v1/", "directory/v1/", **curve(wall, server)) as listed,
        ):
            await joined(listed, fleet, "door")
            await until(lambda: metric(proxy, "refused_total") == 1)
            await proxy.logged("is not listed")
            await listed.read_until(frame(north, "door", 1))
            assert not await refused.socket.poll(0)
            assert not await without.socket.poll(0)
            assert metric(proxy, "subscriptions") == 2
