"""Cameras that are fetched over WHEP, from a server of the tests made with aiortc and aiohttp.

MediaMTX and go2rtc were not run; what is known of them (paths, statuses, a missing Location) is reproduced here.
"""

from __future__ import annotations

import base64

import pytest

from stream.engine import Engine
from stream.results import Status
from support.engines.controlled_engine import configured, running
from support.waiting import until
from support.webrtc.whep_server import WhepServer

SETTINGS = {"reconnect_initial_s": 0.1, "reconnect_max_s": 0.3}
"""A busy machine may need seconds to connect."""


def camera(source: str) -> dict[str, object]:
    return {"id": "cam", "source": source, **SETTINGS}


async def live(engine: Engine, epoch: int = 1) -> None:
    await until(lambda: (now := engine.cameras.status("cam")).epoch >= epoch and now.state == "live")


async def test_a_gateway_is_read_again_after_an_outage_and_its_session_is_deleted_at_the_end() -> None:
    async with WhepServer() as server, running(configured(camera(server.source()))) as (engine, client):
        await live(engine)
        await until(lambda: engine.publisher.last("results/v1/cam/") is not None)
        assert engine.cameras.status("cam").size == (320, 180)
        await server.stop()
        await until(lambda: engine.cameras.status("cam").reason == "refused")
        await server.start()
        await live(engine, 2)
        assert (await client.ask("DELETE", "/api/v1/cameras/cam"))[0] == 204
        await until(lambda: str(server.offers) in server.deleted)


@pytest.mark.parametrize(
    ("login", "authorization"),
    [("T%2Fken", "Bearer T/ken"), ("bob:geh%20eim", "Basic " + base64.b64encode(b"bob:geh eim").decode())],
)
async def test_credentials_in_the_address_are_sent_and_never_shown(
    login: str, authorization: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with WhepServer(authorization) as server:
        async with running(configured(camera(server.source(login=login)))) as (engine, client):
            await live(engine)
            shown = str(await client.get("/api/v1/cameras/cam")) + str(await client.get("/api/v1/config"))
            assert f"whep+http://{server.address}/path/whep" in shown
        await until(lambda: server.deleted == ["1"])
        assert server.authorizations == [authorization, authorization]
    for secret in (login, authorization, "geh eim", "T/ken"):
        assert secret not in shown + caplog.text


async def test_up_to_four_redirects_are_followed_and_credentials_are_not_sent_to_another_origin() -> None:
    async with WhepServer() as server, WhepServer(anonymous=True) as other:
        server.elsewhere = other.address
        async with running(configured(camera(server.source("/moved/3", "secret-token")))) as (engine, _):
            await live(engine)
            assert server.authorizations == ["Bearer secret-token"]
        async with running(configured(camera(server.source("/away", "secret-token")))) as (engine, _):
            await live(engine)
            assert other.authorizations == [""]
        async with running(configured(camera(server.source("/moved/9")))) as (engine, _):
            await until(lambda: engine.cameras.status("cam").reason == "not_a_video")
            assert "redirects more than 4 times" in engine.cameras.status("cam").message
        assert other.deleted == []


async def test_each_error_of_a_gateway_has_its_own_reason() -> None:
    async with WhepServer("Bearer right") as server:
        expected = {
            server.source(login="wrong"): "unauthorised",
            server.source("/nothing"): "not_found",
            server.source("/text"): "not_a_video",
            "whep+http://127.0.0.1:1/path/whep": "refused",
            "whep+http://nowhere.invalid/path/whep": "unknown_host",
            f"whep+https://{server.address}/path/whep": "unreachable",
            "whep+http:///path": "bad_address",
        }
        cameras = [{**camera(source), "id": f"cam{place}"} for place, source in enumerate(expected)]
        async with running(configured(*cameras)) as (engine, _):
            for place, reason in enumerate(expected.values()):
                await until(lambda place=place: engine.cameras.status(f"cam{place}").reason not in (None, "timeout"))
                assert engine.cameras.status(f"cam{place}").reason == reason, engine.cameras.status(f"cam{place}")
            assert engine.cameras.status("cam6").state == "ended"


async def test_a_gateway_that_falls_silent_is_stalled_and_connected_again() -> None:
    async with WhepServer() as server, running(configured(camera(server.source()))) as (engine, _):
        states: list[str] = []
        engine.publisher.on_message(
            lambda topic, message: states.append(message.state) if isinstance(message, Status) else None
        )
        await live(engine)
        (session,) = engine._peers._connections
        session._stall_timeout_s = 0.5
        server.track.paused = True
        await until(lambda: "stalled" in states)
        await live(engine, 2)
        assert server.offers == 2
