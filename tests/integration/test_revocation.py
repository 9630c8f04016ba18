"""A token that is removed, expires or changes: its requests, sessions, streams and WebRTC sessions end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.engines.controlled_engine import OFF_LOOPBACK, PATTERN, Client, configured, running
from support.engines.shared_engine import clip_of, write_clip
from support.listed_tokens import bearer, listed, secret_of, write_tokens
from support.waiting import until
from support.webrtc.webrtc_publisher import Publisher
from support.webrtc.webrtc_viewer import Viewer

CAMERAS = "/api/v1/cameras"
SESSION = "/api/v1/session"
STREAMS = ("/api/v1/events", "/api/v1/pictures?camera=door", f"{CAMERAS}/door/pictures")
BEN = listed("ben")


def with_tokens(path: Path, *cameras: dict[str, Any]) -> Any:
    return configured(*cameras, http={**OFF_LOOPBACK, "tokens_file": path})


async def ended(answer: aiohttp.ClientResponse) -> None:
    """Read a stream until it ends, as one that is cut does."""
    try:
        while await answer.content.readany():
            pass
    except aiohttp.ClientError:
        pass


async def signed_in(client: Client, name: str) -> None:
    status, view, _ = await client.ask(
        "POST", SESSION, json={"token": secret_of(name)}, headers={"Origin": client.address}
    )
    assert (status, view["name"]) == (200, name)


@pytest.mark.parametrize("change", ["removed", "widened", "expired"])
async def test_a_removed_expired_or_changed_token_ends_sessions_and_streams(tmp_path: Path, change: str) -> None:
    anna = listed("anna", "review", ["door"])
    soon = datetime.now(UTC) + timedelta(seconds=1)
    changed = {
        "removed": [],
        "widened": [listed("anna", "review", ["door", "hall"])],
        "expired": [anna | {"expires": soon.isoformat()}],
    }[change]
    tokens = write_tokens(tmp_path / "tokens.yaml", anna, BEN)
    async with running(with_tokens(tokens, {"id": "door", "source": PATTERN})) as (engine, client):
        await until(lambda: engine.cameras.ever_live)
        assert engine._http is not None
        server = engine._http
        await signed_in(client, "anna")
        get = client.session.get
        by_ben = await get(client.address + STREAMS[0], headers=bearer("ben"))
        of_anna = [
            await get(client.address + path, headers=headers) for path in STREAMS for headers in ({}, bearer("anna"))
        ]
        assert {answer.status for answer in of_anna} == {200}
        await until(lambda: server.streams == 7)
        write_tokens(tokens, *changed, BEN)
        for answer in of_anna:
            await ended(answer)
        await until(lambda: server.streams == 1)
        assert (await client.ask("GET", CAMERAS))[0] == 401, "the session has ended"
        again = (await client.ask("GET", CAMERAS, headers=bearer("anna")))[0]
        assert again == (200 if change == "widened" else 401)
        write_tokens(tokens, anna, BEN)
        file = server._tokens
        assert file is not None
        await until(lambda: [grant.expires_us for grant in file.grants.values() if grant.role == "review"] == [None])
        assert (await client.ask("GET", CAMERAS))[0] == 401, "a session does not come back with its token"
        assert await by_ben.content.readany(), "the streams of others go on"
        by_ben.close()


async def test_signing_out_ends_the_streams_of_the_session(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", listed("anna"))
    async with running(with_tokens(tokens, {"id": "door", "source": PATTERN})) as (_, client):
        await signed_in(client, "anna")
        answer = await client.session.get(client.address + STREAMS[0])
        assert (await client.ask("DELETE", SESSION, headers={"Origin": client.address}))[0] == 204
        await ended(answer)


async def test_a_removed_token_ends_a_download_in_the_middle(tmp_path: Path) -> None:
    size = 40_000_000  # more than the buffers of sockets hold
    tokens = write_tokens(tmp_path / "tokens.yaml", listed("anna", cameras=["door"]))
    clips = tmp_path / "clips"
    clips.mkdir()
    write_clip(clips, "door")
    name = clip_of("door").name
    (clips / f"{name}.mp4").write_bytes(bytes(size))
    http = {**OFF_LOOPBACK, "tokens_file": tokens}
    async with running(configured(http=http, recording={"directory": clips})) as (engine, client):
        address = f"{client.address}/api/v1/clips/{name}"
        await until(lambda: engine.recorder is not None and engine.recorder.library.clip(name))
        answer = await client.session.get(address, headers=bearer("anna"))
        assert (answer.status, answer.content_length) == (200, size)
        read = len(await answer.content.readany())
        write_tokens(tokens)
        assert engine._http is not None
        server = engine._http
        await until(lambda: server.streams == 0)
        try:
            while chunk := await answer.content.readany():
                read += len(chunk)
        except aiohttp.ClientError:
            pass
        assert read < size


async def test_a_removed_token_ends_its_webrtc_sessions(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", listed("anna"), listed("phone", "control", ["phone"]), BEN)
    async with running(with_tokens(tokens, {"id": "phone", "source": "whip"})) as (engine, client):
        async with Publisher(client.address, "phone", None, **bearer("phone")):
            await until(lambda: engine.cameras.status("phone").state == "live")
            async with (
                Viewer(client.address, "phone", channel=True, **bearer("anna")) as of_anna,
                Viewer(client.address, "phone", channel=True, **bearer("ben")) as of_ben,
            ):
                await until(lambda: len(of_anna.numbers) > 3 and len(of_ben.numbers) > 3)
                write_tokens(tokens, listed("phone", "control", ["phone"]), BEN)
                await until(lambda: len(engine._viewers) == 1)
                await until(lambda: of_anna.peer.connectionState == "closed")
                assert of_ben.peer.connectionState == "connected"
                write_tokens(tokens, BEN)
                await until(lambda: not engine._publishers._current)
        assert engine._http is not None
        admitted = engine._http._gate.revocation
        await until(lambda: not len(admitted))


async def test_an_invalid_file_leaves_the_tokens_in_force_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", listed("anna"))
    async with running(with_tokens(tokens)) as (engine, client):
        assert b"http_tokens_loaded 1.0" in engine.metrics.render()
        tokens.write_text("tokens: [{name: anna, right: control}]")
        await until(lambda: b"http_tokens_loaded 0.0" in engine.metrics.render())
        assert (await client.ask("GET", CAMERAS, headers=bearer("anna")))[0] == 200
        assert "the previous tokens stay in force" in caplog.text
        write_tokens(tokens)
        await until(lambda: b"http_tokens_loaded 1.0" in engine.metrics.render())
        assert (await client.ask("GET", CAMERAS, headers=bearer("anna")))[0] == 401


async def test_guesses_and_refusals_leave_few_lines_and_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    tokens = write_tokens(tmp_path / "tokens.yaml", listed("anna"))
    async with running(with_tokens(tokens, {"id": "door", "source": PATTERN})) as (_, client):
        for number in range(30):
            await client.ask(
                "GET", f"{CAMERAS}/hunter2-{number}", headers={"Authorization": f"Bearer hunter2-{number}"}
            )
            await client.ask("DELETE", f"{CAMERAS}/door", headers=bearer("anna"))
        await signed_in(client, "anna")
        lines = [record.getMessage() for record in caplog.records if "refused a request" in record.getMessage()]
        assert lines == ["http: refused a request from 127.0.0.1 to GET /api/v1/cameras/{camera}: unauthorised"]
        assert "token anna signed in from 127.0.0.1" in caplog.text
        assert "hunter2" not in caplog.text and secret_of("anna") not in caplog.text
