"""The proxy of a fleet, in a process of its own, read by clients that know only plain ZeroMQ."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from typer.testing import CliRunner

from commands.keys import make_keys
from run_stream import app
from stream.messaging.curve.keys import KeyPair, read_pair, read_public
from support.fleet.proxy_process import PlainClient, ProxyProcess, plain_client, proxy_process
from support.fleet.published_fleet import Directory, PublishingEngine, directory, engine
from support.ports import reserved_port
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


async def metric(proxy: ProxyProcess, name: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(proxy.metrics) as answer:
        page = await answer.text()
    return sum(float(value) for value in re.findall(rf"^partstream_fleet_proxy_{name}(?:{{.*}})? (\S+)$", page, re.M))


async def joined(client: PlainClient, fleet: Directory, camera: str) -> None:
    """Wait until a client, with `directory/v1/` as its last subscription, receives messages."""
    await client.read_until(body_of(fleet, f"directory/v1/{camera}/"))


# -- what a client gets ---------------------------------------------------------------------------------------------
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
            old = [frame(north, "door", 1) for _ in range(20)]
            await client.read_until(old[-1])
            fleet.place("door", 2, south, previous=north)
            south.status("door", 2, "connecting")
            old += [frame(north, "door", 1) for _ in range(10)]
            await client.read_until(old[-1])
            new = [frame(south, "door", 2) for _ in range(10)]
            await client.read_until(new[-1])
            stale = [frame(north, "door", 1) for _ in range(5)]
            await client.read_until(frame(north, "hall", 1))  # so they have been read before it
            assert await metric(proxy, "stale_total") == len(stale)
            new += [frame(south, "door", 2) for _ in range(5)]
            yard = frame(south, "yard", 1)
            await client.read_until(yard)
            assert [body for topic, body in client.received if topic == b"results/v1/door/"] == [*old, *new]
            assert await metric(proxy, "messages_total") == len(client.received) + 1  # the status
            assert await metric(proxy, "moves_total") == 1
            assert await metric(proxy, "lost_total") == 0
            assert await metric(proxy, "engines") == 2
            assert await metric(proxy, "subscriptions") == 2


async def metric_is(proxy: ProxyProcess, name: str, value: float) -> bool:
    return await metric(proxy, name) == value


async def test_a_late_client_gets_the_last_values_but_none_of_an_earlier_placement() -> None:
    async with (
        directory() as fleet,
        engine("north") as north,
        engine("south") as south,
        proxy_process(fleet.fleet) as proxy,
        plain_client(proxy.endpoint, "") as early,
    ):
        fleet.place("door", 1, north)
        fleet.place("yard", 1, north)
        await followed(north)
        north.status("door", 1)
        north.event("door", 1)
        north.status("yard", 1)
        north.event("yard", 1)
        fleet.place("door", 2, south, previous=north)
        await followed(south)
        moved = frame(south, "door", 2)
        await early.read_until(moved)
        await early.read_until(body_of(north, "events/v1/yard/"))
        async with plain_client(proxy.endpoint, "") as late:
            for body in (
                body_of(fleet, "directory/v1/door/"),
                body_of(fleet, "directory/v1/yard/"),
                body_of(north, "status/v1/yard/"),
                body_of(north, "events/v1/yard/"),
                moved,
                frame(north, "yard", 1),
            ):
                await late.read_until(body)
            assert {topic.decode() for topic, _ in late.received if topic.split(b"/")[2] == b"door"} == {
                "directory/v1/door/",
                "results/v1/door/",
            }
            fleet.place("door", 3, None, state="removed")
            fleet.place("yard", 2, None, state="disabled")
            for camera, state in (("door", "removed"), ("yard", "disabled")):
                while late.messages(f"directory/v1/{camera}/")[-1]["state"] != state:
                    await late.read()
            await late.read_until(frame(south, "door", 2))  # the engine has not heard of it yet
            north.status("hall", 1)
            frame(north, "hall", 1)
            north.status("hall", 1, "removed")
            north.stats()
            await late.read_until(body_of(north, "stats/v1/"))
        async with plain_client(proxy.endpoint, "") as later:
            await later.read_until(body_of(fleet, "directory/v1/yard/"))
            await later.read_until(frame(north, "gate", 1))
            assert {topic for topic, _ in later.received} == {b"directory/v1/yard/", b"results/v1/gate/"}


async def test_statistics_of_every_engine_pass_and_only_selected_kinds_and_cameras_if_some_are() -> None:
    async with (
        directory() as fleet,
        engine("north") as north,
        proxy_process(fleet.fleet) as whole,
        proxy_process(fleet.fleet, "--camera", "door", "--kind", "results", "--kind", "stats") as part,
    ):
        fleet.place("door", 1, north)
        fleet.place("yard", 1, north)
        await until(lambda: north.publisher.subscriptions == PREFIXES + 3)  # results, status and stats
        async with plain_client(whole.endpoint, "") as all_of_it, plain_client(part.endpoint, "") as some:
            for proxy in (whole, part):
                await until(lambda proxy=proxy: metric_is(proxy, "subscriptions", 1))
            north.event("door", 1)
            frame(north, "yard", 1)
            north.stats()
            stats = body_of(north, "stats/v1/")
            last = frame(north, "door", 1)
            await all_of_it.read_until(last)
            await some.read_until(last)
            assert {topic for topic, _ in some.received} == {b"results/v1/door/", b"stats/v1/"}
            assert stats in some.bodies
            wanted = {"results/v1/door/", "results/v1/yard/", "events/v1/door/", "stats/v1/"}
            assert {topic.decode() for topic, _ in all_of_it.received} - wanted <= {
                "directory/v1/door/",
                "directory/v1/yard/",
            }


@pytest.mark.soak
# -- what fails -----------------------------------------------------------------------------------------------------
@pytest.mark.soak
async def test_a_proxy_waits_for_the_coordinator_and_goes_on_without_it_and_with_the_next_one() -> None:
    port = reserved_port()
    address = {"endpoint": f"tcp://127.0.0.1:{port}"}
    async with (
        engine("north") as north,
        engine("south") as south,
        proxy_process(f"fleet://127.0.0.1:{port}") as proxy,
        plain_client(proxy.endpoint, "results/v1/") as client,
    ):
        await proxy.logged(f"Nothing answers at fleet://127.0.0.1:{port} yet")
        async with directory(**address) as fleet:
            fleet.place("door", 1, north)
            await followed(north)
            sent = [frame(north, "door", 1)]
            await client.read_until(sent[-1])
        sent.append(frame(north, "door", 1))
        await client.read_until(sent[-1])
        async with directory(**address) as fleet:
            fleet.place("door", 2, south, previous=north)
            await followed(south)
            sent.append(frame(south, "door", 2))
            await client.read_until(sent[-1])
        assert client.bodies == sent


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda one: one.name)
async def test_a_proxy_stops_in_order_and_delivers_what_it_has(number: signal.Signals) -> None:
    async with directory() as fleet, engine("north") as north, proxy_process(fleet.fleet) as proxy:
        fleet.place("door", 1, north)
        await followed(north)
        async with plain_client(proxy.endpoint, "results/v1/", "directory/v1/") as client:
            await joined(client, fleet, "door")
            last = [frame(north, "door", 1) for _ in range(50)][-1]
            await until(lambda: metric_is(proxy, "messages_total", 51))
            proxy.process.send_signal(number)
            await client.read_until(last)
            assert await proxy.ended() == 128 + number
        assert "error" not in {one["level"].lower() for one in proxy.log}
        async with proxy_process(fleet.fleet, bind=proxy.endpoint) as again:
            assert again.endpoint == proxy.endpoint


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["tcp://127.0.0.1:5571"], "'tcp://127.0.0.1:5571' is not the address of a fleet's directory: use fleet://"),
        (["fleet://user:hidden@10.0.0.2:1/x"], "is not the address of a fleet's directory: use fleet://HOST:PORT"),
        (["--bind", "tcp://0.0.0.0:0"], "set --curve-secret-key-file and --curve-allowed-keys, or set --allow-"),
        (["--bind", "nonsense"], "--bind: can't listen on 'nonsense'"),
        (["--bind", "tcp://127.0.0.1:99999999"], "--bind: there is no port 99999999"),
        (["--bind", "inproc://x"], "--bind: no other program can connect to inproc addresses"),
        (["--camera", "No Such"], "camera id 'No Such': use a-z"),
        (["--bind", "tcp://127.0.0.1:0", "--metrics", "9096"], "--metrics: '9096' is not HOST:PORT"),
        (
            ["--bind", "tcp://127.0.0.1:0", "--metrics", "127.0.0.1:99999"],
            "--metrics: 127.0.0.1:99999: there is no port",
        ),
        (["--curve-allowed-keys", "keys"], "--curve-secret-key-file and --curve-allowed-keys go together"),
        (["--curve-secret-key-file", "no", "--curve-allowed-keys", "no"], "--curve-secret-key-file: no can't be read"),
        (["--server-key", "no"], "give both, or neither"),
    ],
)
def test_what_is_not_possible_is_a_usage_error_in_a_sentence(options: list[str], text: str) -> None:
    done = CliRunner().invoke(app, ["fleet", "proxy", *options])
    assert done.exit_code == 2
    assert text in done.output and "hidden" not in done.output
    assert done.output.count("partstream:") == 1


@pytest.mark.parametrize("option", ["--bind", "--metrics"])
def test_a_port_in_use_is_a_sentence_that_names_the_option(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        options = ["--bind", f"tcp://{address}"] if option == "--bind" else ["--bind", "tcp://127.0.0.1:0"]
        options += ["--metrics", address] if option == "--metrics" else []
        done = CliRunner().invoke(app, ["fleet", "proxy", *options])
    assert done.exit_code == 2
    assert re.search(rf"partstream: {option}: .*{re.escape(address)}.* in use", done.output)


# -- CURVE ----------------------------------------------------------------------------------------------------------
def curve(own: KeyPair, server: str) -> dict[str, Any]:
    """Return the socket options of a client."""
    return {
        "CURVE_SERVERKEY": server.encode(),
        "CURVE_PUBLICKEY": own.public.encode(),
        "CURVE_SECRETKEY": own.secret.encode(),
    }


async def test_with_keys_on_both_sides_only_listed_clients_read_an_encrypted_fleet(tmp_path: Path) -> None:
    of_fleet, own = tmp_path / "fleet", tmp_path / "proxy"
    make_keys(of_fleet, ["proxy"])
    make_keys(own, ["wall", "stranger"])
    (own / "allowed" / "stranger.key").unlink()
    serving = {
        "curve_secret_key_file": str(of_fleet / "server.key_secret"),
        "curve_allowed_keys": str(of_fleet / "allowed"),
    }
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
            await until(lambda: metric_is(proxy, "refused_total", 1))
            await proxy.logged("is not listed")
            await listed.read_until(frame(north, "door", 1))
            assert not await refused.socket.poll(0)
            assert not await without.socket.poll(0)
            assert await metric(proxy, "subscriptions") == 2
