"""`partstream notify` with Apprise, whose JSON service posts to a receiver, and pictures of an engine."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from stream.notify.notice import decode
from stream.notify.notifier import Notifier
from stream.settings.config_error import ConfigError
from support.notify.alert_engine import AlertEngine, notifying, settings
from support.ports import reserved_port
from support.waiting import until

JPEG = b"\xff\xd8\xff\xe0 a picture"


class Server:
    """The service, which refuses the first message if `refuse`, and the engine's HTTP server."""

    def __init__(self, *, refuse: bool = False) -> None:
        self.port = reserved_port()
        self.posts: list[dict[str, Any]] = []
        self.clip: str | None = None
        self.not_ready = 2
        """Requests of a picture until it is there."""
        self._refuse = refuse

    async def take(self, request: web.Request) -> web.Response:
        self.posts.append(await request.json())
        return web.Response(status=500 if self._refuse and len(self.posts) == 1 else 200)

    async def picture(self, request: web.Request) -> web.Response:
        authorised = request.headers.get("Authorization") == "Bearer token-of-the-engine"
        self.not_ready -= 1
        if self.not_ready >= 0:
            return web.Response(status=425)
        return web.Response(body=JPEG, content_type="image/jpeg") if authorised else web.Response(status=401)

    async def incident(self, request: web.Request) -> web.Response:
        return web.json_response({"picture": False, "clip": self.clip})

    async def rules(self, request: web.Request) -> web.Response:
        return web.json_response({"rules": {"fall": {}, "fence": {"cameras": ["yard"]}}})


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/service", server.take)
    app.router.add_get("/api/v1/alerts/{alert}/picture", server.picture)
    app.router.add_get("/api/v1/incidents/{alert}", server.incident)
    app.router.add_get("/api/v1/rules", server.rules)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", server.port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stream.notify.delivery.FIRST_RETRY_S", 0.05)
        patch.setattr("stream.notify.notifier.RULES_S", 0.05)
        patch.setattr("stream.notify.engine_api.ASK_AGAIN_S", 0.01)
        yield


def phone(folder: Path, server: Server, **more: Any) -> dict[str, Any]:
    file = folder / "urls"
    file.write_text(f"# my phone\njson://127.0.0.1:{server.port}/service\n")
    file.chmod(0o600)
    return {"phone": {"kind": "apprise", "urls_file": str(file), **more}}


async def test_an_alert_reaches_a_service_with_its_picture_and_a_repetition_is_marked(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("token-of-the-engine")
    token.chmod(0o600)
    engine, server = AlertEngine("door", "yard"), Server(refuse=True)
    await engine.start()
    api = {"api": f"http://127.0.0.1:{server.port}", "token_file": str(token)}
    targets = phone(tmp_path, server, picture=True, states=["began", "cleared"])
    config = settings(engine, tmp_path, targets, api, public_url="https://cam.example")
    async with serving(server), notifying(config) as notifier:
        name = engine.begin("door", severity="critical")
        await until(lambda: len(server.posts) == 2)
        assert [post["title"] for post in server.posts] == ["door: fall", "door: fall (sent again)"]
        post = server.posts[1]
        review = f"https://cam.example/review?incident={name}"
        assert (post["message"], post["type"]) == (f"door: fall: person lies\n{review}", "failure")
        assert base64.b64decode(post["attachments"][0]["base64"]) == JPEG
        await until(lambda: notifier.ledger.count("phone", "pending") == 0)
        (sent,) = notifier.ledger.find()
        picture = f"https://cam.example/api/v1/alerts/{name}/picture"
        assert decode(sent.body).links == {"picture": picture, "review": review}, "there is no clip yet"
        server.clip = "door-1"
        engine.clear(name)
        await until(lambda: notifier.ledger.count("phone", "sent") == 2)
        assert decode(notifier.ledger.find()[-1].body).links["clip"] == "https://cam.example/api/v1/clips/door-1"
        wanted = {("door", "fall"), ("yard", "fall"), ("yard", "fence")}
        await until(lambda: bool(engine.statistics() or notifier.intake.ledger.rules().keys() == wanted))
    await engine.stop()


def test_an_address_that_apprise_does_not_know_is_named_by_its_line_only(tmp_path: Path) -> None:
    server = Server()
    targets = phone(tmp_path, server)
    (tmp_path / "urls").write_text("# mine\nnonsense://user:secret@host\n")
    with pytest.raises(ConfigError, match=r"urls, line 2: Apprise does not know this address") as raised:
        Notifier(settings(AlertEngine(), tmp_path, targets))
    assert "secret" not in str(raised.value)
