"""`partstream notify` against a receiver of webhooks that fails in many ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from run_stream import app
from support.notify.alert_engine import AlertEngine, notifying, settings
from support.notify.webhook_receiver import Answer, Post, hook, receiver
from support.waiting import until


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Let a try that gets no answer end soon, and the next one follow soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stream.notify.targets.webhook_sender.WITHIN_S", 1.0)
        patch.setattr("stream.notify.delivery.FIRST_RETRY_S", 0.02)
        patch.setattr("stream.notify.delivery.LONGEST_RETRY_S", 0.1)
        yield


def firsts(posts: list[Post], camera: str) -> list[str]:
    return list(dict.fromkeys(post.id for post in posts if post.camera == camera))


async def test_alerts_arrive_at_least_once_with_the_same_id_in_order_whatever_the_receiver_answers(
    tmp_path: Path,
) -> None:
    answers: list[Answer] = ["500", "hang", "reset", "twice", "lost", "redirect", "429", "500", "twice"]
    engine = AlertEngine("door", "yard")
    await engine.start()
    async with (
        receiver(*answers) as server,
        notifying(settings(engine, tmp_path, hook(tmp_path, server.url))) as notifier,
    ):
        await until(lambda: notifier.intake.view.cameras.keys() == {"door", "yard"})
        names = {camera: [engine.begin(camera) for _ in range(4)] for camera in engine.cameras}
        for camera in engine.cameras:
            for name in names[camera]:
                engine.clear(name)
        wanted = {c: [f"{name}:{state}" for state in ("began", "cleared") for name in names[c]] for c in names}
        await until(lambda: {post.id for post in server.taken} == {one for some in wanted.values() for one in some})
        await until(lambda: notifier.ledger.count("hook", "pending") == 0)
    await engine.stop()
    for camera in engine.cameras:
        assert firsts(server.posts, camera) == wanted[camera] == firsts(server.taken, camera)
    for name in {post.id for post in server.posts}:
        tries = [post for post in server.posts if post.id == name]
        assert [post.attempt for post in tries] == list(range(1, len(tries) + 1)), "each repetition is marked"
        assert len({json.dumps(post.body) for post in tries}) == 1
    assert {post.body["type"] for post in server.posts} == {"alert.began", "alert.cleared"}


async def test_an_answer_that_is_no_http_is_told_without_the_path_of_the_address(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"nonsense\r\n\r\n")
        writer.close()

    engine = AlertEngine()
    await engine.start()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        targets = hook(tmp_path, f"http://127.0.0.1:{port}/services/token123")
        async with notifying(settings(engine, tmp_path, targets)) as notifier:
            engine.begin()
            (failed,) = await until(lambda: [one for one in notifier.ledger.find() if one.error])
            assert "HTTP" in failed.error or "status" in failed.error
            assert "token123" not in failed.error
    await engine.stop()


async def test_the_list_shows_what_waits_and_what_was_given_up_which_can_be_retried(tmp_path: Path) -> None:
    engine = AlertEngine()
    await engine.start()
    file = tmp_path / "notify.yaml"

    def listed(*arguments: str) -> list[dict[str, Any]]:
        done = CliRunner().invoke(app, ["notify", "list", "--config", str(file), "--json", *arguments])
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    async with receiver("410") as server:
        targets = hook(tmp_path, server.url)
        config = settings(engine, tmp_path, targets)
        file.write_text(json.dumps({"ledger": str(config.ledger), "targets": targets}))
        async with notifying(config) as notifier:
            engine.begin()
            await until(lambda: notifier.ledger.count("hook", "given_up") == 1)
            (given_up,) = listed("--state", "given_up")
            assert (given_up["tries"], given_up["reason"], given_up["camera"]) == (1, "answered 410", "door")
            assert dict(notifier.metrics()["notify_deliveries_total"]) == {("hook", "given_up"): 1}
            assert notifier.errors() == []
            done = CliRunner().invoke(app, ["notify", "retry", str(given_up["number"]), "--config", str(file)])
            assert done.exit_code == 0, done.output
            done = CliRunner().invoke(app, ["notify", "test", "hook", "--config", str(file)])
            assert done.exit_code == 0, done.output
            await until(lambda: len(server.taken) == 2)
            assert {post.body["type"] for post in server.taken} == {"alert.began", "notify.test"}
            await until(lambda: notifier.ledger.count("hook", "pending") == 0)
            assert {one["state"] for one in listed()} == {"sent"}
    await engine.stop()
    table = CliRunner().invoke(app, ["notify", "list", "--config", str(file)], env={"COLUMNS": "160"})
    assert "sent" in table.output and "hook" in table.output


async def test_nothing_is_sent_while_the_ledger_cannot_be_written_and_nothing_is_lost(tmp_path: Path) -> None:
    import sqlite3

    def refuse(action: int, *_: object) -> int:
        changes = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE)
        return sqlite3.SQLITE_DENY if action in changes else sqlite3.SQLITE_OK

    engine = AlertEngine()
    await engine.start()
    with pytest.MonkeyPatch.context() as patch:
        for module in ("delivery", "notifier"):
            patch.setattr(f"stream.notify.{module}.LEDGER_AGAIN_S", 0.02)
        async with receiver() as server, notifying(settings(engine, tmp_path, hook(tmp_path, server.url))) as notifier:
            await until(lambda: bool(notifier.intake.view.cameras))
            notifier.ledger.db.set_authorizer(refuse)
            name = engine.begin()
            await until(lambda: notifier.ledger_errors > 3)
            assert server.posts == [] and "can't be written" in notifier.errors()[0]
            notifier.ledger.db.set_authorizer(None)
            await until(lambda: [post.id for post in server.taken] == [f"{name}:began"])
            assert notifier.errors() == []
    await engine.stop()
