from __future__ import annotations

import logging

import pytest
from aiohttp import web

from stream.notify.engine_api import EngineApi
from stream.notify.notify_config import EngineConfig
from support.ports import reserved_port


async def test_a_silent_engine_and_an_unexpected_answer_are_logged_when_they_begin_and_what_is_no_json_counts_as_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers: list[tuple[int, bytes]] = []

    async def answer(request: web.Request) -> web.Response:
        status, body = answers[-1]
        return web.Response(status=status, body=body)

    application = web.Application()
    application.router.add_get("/api/v1/rules", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    port = reserved_port()
    api = EngineApi(EngineConfig.model_validate({"api": f"http://127.0.0.1:{port}"}), None)
    try:
        with caplog.at_level(logging.WARNING):
            assert await api.rules() is None and await api.rules() is None
            (message,) = caplog.messages
            assert f"http://127.0.0.1:{port}: GET /api/v1/rules: " in message and "ssl:default" not in message
            await web.TCPSite(runner, "127.0.0.1", port).start()
            for _ in range(2):
                answers.append((401, b""))
                assert await api.rules() is None
            _, refused = caplog.messages
            assert refused.endswith(
                "set engine.token_file to a valid token with the right look (review to acknowledge)"
            )
            assert "answered 401" in refused
            for body in (b"[" * 200_000, b"9" * 10_000, b"\xff", b"{"):
                answers.append((200, body))
                assert await api.rules() is None
            answers.append((200, b'{"rules": {"fall": {"cameras": ["door"]}}}'))
            assert await api.rules() == [("fall", ["door"])]
            answers.append((401, b""))
            assert await api.rules() is None
            assert caplog.messages[-1] == refused and len(caplog.messages) == 4
    finally:
        await api.close()
        await runner.cleanup()
