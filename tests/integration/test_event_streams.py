"""Server-sent events of a real engine. Clients that do not read delay neither cameras nor other clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from stream import results
from stream.http.endpoints import event_streams
from support.engines.controlled_engine import PATTERN, configured, descriptors, running
from support.waiting import until

EVENTS = "/api/v1/events"


async def events_of(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, object]]]:
    """Yield (name, data) of each event, without comments."""
    name = ""
    async for line in answer.content:
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            name = text[7:]
        elif text.startswith("data: "):
            yield name, json.loads(text[6:])


async def test_results_and_states_are_sent_as_published() -> None:
    async with running(configured({"id": "a", "source": PATTERN}, {"id": "b", "source": PATTERN})) as (engine, client):
        published: dict[int, results.Frame] = {}

        def note(topic: str, message: results.Message) -> None:
            if isinstance(message, results.Frame) and message.camera == "a":
                published[message.seq] = message

        engine.publisher.on_message(note)
        await until(lambda: len(published) > 2)
        async with client.session.get(f"{client.address}{EVENTS}?camera=a") as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            seen: list[tuple[str, dict[str, object]]] = []
            async for event in events_of(answer):
                seen.append(event)
                if len(seen) == 20:
                    break
        assert seen[0][0] == "status" and seen[0][1]["state"] == "live", "the camera's state comes first"
        frames = [results.decode(json.dumps(data).encode()) for name, data in seen if name == "results"]
        assert len(frames) == 19
        assert all(isinstance(frame, results.Frame) and frame == published[frame.seq] for frame in frames)
        numbers = sorted({frame.seq for frame in frames})  # the first ones may come again, after the last message
        assert numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 15


async def test_the_query_selects_messages_and_an_invalid_one_is_an_error() -> None:
    async with running(configured({"id": "a", "source": PATTERN})) as (_, client):
        async with client.session.get(f"{client.address}{EVENTS}?kind=stats&kind=status") as answer:
            names = []
            async for name, _ in events_of(answer):
                names.append(name)
                if len(names) == 3:
                    break
        assert set(names) <= {"stats", "status"} and "stats" in names
        for query, field in (("kind=video", "kind"), ("camera=Bad/", "camera"), ("cam=a", "query")):
            status, problem, _ = await client.ask("GET", f"{EVENTS}?{query}")
            assert (status, problem["errors"][0]["field"]) == (422, field)


async def test_a_client_that_disconnects_leaves_nothing_behind() -> None:
    async with running(configured({"id": "a", "source": PATTERN})) as (engine, client):
        for _ in range(2):
            await client.get("/api/v1/status")
        tasks, files = len(asyncio.all_tasks()), descriptors()
        for _ in range(30):
            async with client.session.get(f"{client.address}{EVENTS}") as answer:
                await answer.content.readline()
        await until(lambda: engine._event_streams._unsubscribe is None)
        await until(lambda: (len(asyncio.all_tasks()), descriptors()) <= (tasks + 1, files + 1))
        assert (await client.get("/api/v1/status"))["streams"] == 0


async def test_a_stream_outlives_other_connections_and_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "HEARTBEAT_S", 1.0)
    monkeypatch.setattr(event_streams, "POLL_S", 0.1)
    async with running(configured()) as (engine, client):
        engine._http._connections._life_s = 1.0  # type: ignore[union-attr]
        async with client.session.get(f"{client.address}{EVENTS}") as answer:
            beats = 0
            async for line in answer.content:
                beats += line.startswith(b":")
                if beats == 4:  # after four times as long as another connection may live
                    break
            assert beats == 4


async def test_streams_end_when_the_engine_stops_and_do_not_delay_it() -> None:
    async with (
        running(configured({"id": "a", "source": PATTERN})) as (engine, client),
        client.session.get(f"{client.address}{EVENTS}") as answer,
    ):
        reading = asyncio.create_task(answer.content.read())
        await until(lambda: engine._http.streams == 1)  # type: ignore[union-attr]
        await engine.stop()
        await reading


async def test_a_slow_client_receives_the_number_of_messages_it_missed() -> None:
    async with running(configured({"id": "a", "source": "pattern:64x64", "pace": "fast"})) as (engine, client):
        slow = await client.silent(f"{EVENTS}?kind=results")
        await until(lambda: engine._event_streams.skipped > 0)
        text = b""
        while text.count(b"event: missed") < 1 or text.count(b"event: results") < 10:
            text += await asyncio.get_running_loop().sock_recv(slow, 65536)
        slow.close()
    missed = text.index(b'event: missed\ndata: {"messages":')
    assert text.index(b"event: results") < missed, "the missed messages are reported in their place"
