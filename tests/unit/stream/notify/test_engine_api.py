from __future__ import annotations

import logging

import pytest
from aiohttp import web

from stream.notify import engine_api
from stream.notify.engine_api import EngineApi
from stream.notify.notify_config import EngineConfig
from support.ports import reserved_port


async def test_a_silent_engine_is_logged_once_and_again_after_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{reserved_port()}"
    api = EngineApi(EngineConfig.model_validate({"api": address}), None)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert await api.rules() is None
        assert len(caplog.messages) == 1 and f"{address} did not answer" in caplog.text
        assert "ssl:default" not in caplog.text
        monkeypatch.setattr(engine_api, "REPEAT_WARNING_S", 0.0)
        await api.rules()
        assert len(caplog.messages) == 2
    await api.close()


async def test_a_refused_token_is_logged_once_with_a_remedy(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=401)

    application = web.Application()
    application.router.add_get("/api/v1/rules", refuse)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port := reserved_port())
    await site.start()
    api = EngineApi(EngineConfig.model_validate({"api": f"http://127.0.0.1:{port}"}), None)
    try:
        for _ in range(2):
            assert await api.rules() is None
    finally:
        await api.close()
        await runner.cleanup()
    (message,) = caplog.messages
    assert message.startswith("the engine answered 401 to GET /api/v1/rules; set engine.token_file to a valid token")


@pytest.mark.parametrize("body", [b"[" * 200_000, b"9" * 10_000, b"\xff", b"{"])
async def test_an_answer_that_is_no_json_counts_as_none(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body)

    application = web.Application()
    application.router.add_get("/api/v1/rules", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := reserved_port()).start()
    api = EngineApi(EngineConfig.model_validate({"api": f"http://127.0.0.1:{port}"}), None)
    try:
        assert await api.rules() is None
    finally:
        await api.close()
        await runner.cleanup()
    assert "did not answer" in caplog.text
