"""Kept alerts and events of a running engine: their pictures, over HTTP, over a restart, and beside a slow disk."""

from __future__ import annotations

import io
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from PIL import Image

from benchmarks.cameras import barcode
from stream.incidents.store import IncidentStore
from stream.messaging.replay import ALERTS
from stream.messaging.replay_client import ReplayClient
from stream.results import Alert, Event, Frame, Message
from support.engines.alerting import engine_with, with_rules
from support.engines.controlled_engine import Client
from support.ports import reserved_port
from support.waiting import PATIENCE_S, until

RULES = """
actions: {hands_up: {all: [{part: left_hand, above: head}], for: 200ms}}
rules: {visitor: {zone: hall, clear_after: 200ms, cooldown: 0s, severity: critical}}
"""
PATH = "/api/v1/incidents"


def keeping(folder: Path, **settings: Any) -> Any:
    """Return the configuration of an engine that keeps its alerts and actions. Each picture shows its number."""
    config = with_rules(folder, RULES, source="pattern:320x180@25")
    kept = {"directory": folder / "incidents", "least_free": 0, "actions": {"walk": 0.5, "hands_up": 0.5}}
    return type(config).model_validate(dict(config) | {"incidents": kept | settings})


async def picture_of(client: Client, path: str) -> tuple[int, bytes]:
    async with client.session.get(client.address + path) as response:
        return response.status, await response.read()


def number_in(jpeg: bytes) -> int:
    return barcode.read(np.ascontiguousarray(np.asarray(Image.open(io.BytesIO(jpeg)).convert("L"))))


async def test_the_picture_is_of_the_frame_that_the_alert_or_event_names_also_after_a_restart(tmp_path: Path) -> None:
    async with engine_with(keeping(tmp_path)) as (engine, client, messages):

        async def listed(query: str) -> list[dict[str, Any]]:
            return (await client.get(f"{PATH}?{query}"))["incidents"]

        async def enough() -> bool:
            alerts, events = await listed("kind=alert"), await listed("kind=event")
            shown = all(one["picture"] for one in [*alerts[1:], *events])
            return shown and len(events) == 2 and len(alerts) > 2 and alerts[2]["ended_us"] is not None

        await until(enough)
        seen: dict[int, Frame] = {one.frame: one for one in messages if isinstance(one, Frame)}
        alerts = {one.alert: one for one in messages if isinstance(one, Alert) and one.state == "began"}
        events = {one.event: one for one in messages if isinstance(one, Event) and one.kind != "ended"}
        answer = await client.get(PATH + "?camera=door&limit=200")
        assert answer["state"] == "ready" and answer["before"] is None and 0 < answer["bytes"] < answer["budget"]
        times = [one["began_us"] for one in answer["incidents"]]
        assert times == sorted(times, reverse=True)
        for one in (one for one in answer["incidents"] if one["picture"]):
            cause = alerts[one["id"]] if one["kind"] == "alert" else events[one["id"]]
            assert (one["frame"], one["media_time_us"]) == (cause.frame, cause.media_time_us)
            status, jpeg = await picture_of(client, f"{PATH}/{one['id']}/picture")
            assert status == 200 and number_in(jpeg) == cause.frame == seen[cause.frame].frame
            result = await client.get(f"{PATH}/{one['id']}/result")
            assert (result["frame"], result["people"][0]["track"]) == (cause.frame, 1)
        (first, *_) = [one for one in reversed(answer["incidents"]) if one["kind"] == "alert"]
        assert first["severity"] == "critical" and first["reason"] == "person in hall"
        plain = await picture_of(client, f"{PATH}/{first['id']}/picture")
        assert await picture_of(client, f"/api/v1/alerts/{first['id']}/picture") == plain
        status, drawn = await picture_of(client, f"/api/v1/alerts/{first['id']}/picture?overlay=true")
        assert status == 200 and Image.open(io.BytesIO(drawn)).size == (320, 180) and drawn != plain[1]

        begin, end = first["began_us"], times[0] + 1
        buckets = (await client.get(f"{PATH}/timeline?from={begin}&to={end}&buckets=7"))["buckets"]
        within = await listed(f"from={begin}&to={end}&limit=200")
        assert len(buckets) == 7 and sum(one["alerts"] + one["events"] for one in buckets) >= len(within) > 0
        page = (await client.ask("GET", "/metrics"))[1]
        assert 'partstream_incidents_state{state="ready"} 1.0' in page
        assert 'partstream_incident_pictures_lost_total{reason="disk"} 0.0' in page

    async with engine_with(keeping(tmp_path)) as (engine, client, messages):
        assert await picture_of(client, f"{PATH}/{first['id']}/picture") == plain
        again = await client.get(f"{PATH}/{first['id']}")
        assert again["run"] != engine.run and again["model"] == first["model"]
        assert all(
            one["ended_us"] for one in (await client.get(PATH + "?limit=200"))["incidents"] if one["run"] != engine.run
        )
        assert engine.incidents is not None
        engine.incidents.budget = 1
        await until(lambda: any(isinstance(one, Alert) for one in messages))  # which wakes the writer

        async def gone() -> bool:
            return (await picture_of(client, f"{PATH}/{first['id']}/picture"))[0] == 410

        await until(gone)
        status, problem, _ = await client.ask("GET", f"{PATH}/{first['id']}/picture")
        assert (status, problem["type"]) == (410, "urn:partstream:problem:no-longer-kept")
        assert "incidents.budget" in problem["detail"]
        assert (await client.ask("GET", f"{PATH}/{first['id']}/result"))[0] == 410


async def test_replay_is_not_reached_before_the_alerts_of_earlier_runs_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_with(keeping(tmp_path)) as (engine, _, messages):
        await until(lambda: any(isinstance(one, Alert) for one in messages))
        run = engine.run
    port = reserved_port()
    opened, original = list[bool](), IncidentStore.start

    def start(store: IncidentStore) -> None:
        opened.append(answers(port))
        original(store)

    monkeypatch.setattr(IncidentStore, "start", start)
    made = keeping(tmp_path)
    made = made.model_copy(update={"publish": made.publish.model_copy(update={"replay": f"tcp://127.0.0.1:{port}"})})
    async with engine_with(made), replay_client(f"tcp://127.0.0.1:{port}") as client:
        assert answers(port) and opened == [False]
        page = await client.fetch(f"{ALERTS}door/", run, 0, 0, 100)
        assert page.end.status != "unknown_run"


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@asynccontextmanager
async def replay_client(endpoint: str) -> AsyncIterator[ReplayClient]:
    client = ReplayClient(zmq.Context.instance(), endpoint, PATIENCE_S, None)
    try:
        yield client
    finally:
        client.close()


async def test_wrong_requests_are_refused_with_every_error_and_nothing_is_kept_without_a_directory(
    tmp_path: Path,
) -> None:
    async with engine_with(keeping(tmp_path, directory=None)) as (_, client, _messages):
        assert (await client.get(PATH)) == {
            "state": "off",
            "message": "incidents.directory is not set",
            "bytes": 0,
            "budget": 0,
            "incidents": [],
            "before": None,
        }
        query = "camera=No&kind=x&verdict=x&rule=&action=&from=-1&to=1.5&before=x&limit=0&other=1"
        status, problem, _ = await client.ask("GET", f"{PATH}?{query}")
        fields = {error["field"] for error in problem["errors"]}
        assert status == 422
        assert fields == {"query", "camera", "kind", "verdict", "rule", "action", "from", "to", "before", "limit"}
        assert (await client.ask("GET", f"{PATH}/timeline?from=5&to=5"))[0] == 422
        for path in ("", "/picture", "/result"):
            status, problem, _ = await client.ask("GET", f"{PATH}/0123abcd-1{path}")
            assert (status, problem["type"]) == (404, "urn:partstream:problem:no-such-incident")
        assert (await client.ask("GET", f"{PATH}/0123abcd-1/picture?overlay=yes"))[0] == 422


async def test_a_disk_that_does_not_answer_delays_no_result_and_no_alert(tmp_path: Path) -> None:
    def began(messages: list[Message]) -> int:
        return sum(isinstance(one, Alert) and one.state == "began" for one in messages)

    async with engine_with(keeping(tmp_path)) as (engine, client, messages):
        store = engine.incidents
        assert store is not None
        await until(lambda: began(messages) > 0)
        with store._lock:  # the writer and the encoding thread of pictures hang, as if in a write
            before = began(messages)
            await until(lambda: began(messages) > before)
            assert store.waiting and (await client.get(PATH))["state"] == "ready"
        await until(lambda: store.waiting == 0)
        (latest, *_) = [one for one in messages[::-1] if isinstance(one, Alert)]
        assert (await client.get(f"{PATH}/{latest.alert}"))["rule"] == "visitor"


async def test_a_full_disk_costs_pictures_and_no_alert(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with engine_with(keeping(tmp_path, least_free=10**18)) as (_, client, messages):

        async def state() -> bool:
            return (await client.get(PATH))["state"] == "low_disk"

        await until(state)
        answer = await client.get(PATH)
        assert "incidents.least_free" in answer["message"]
        await until(lambda: any(isinstance(one, Alert) for one in messages))
        alert = next(one.alert for one in messages if isinstance(one, Alert))

        async def kept() -> bool:  # it is published first
            return (await client.ask("GET", f"{PATH}/{alert}"))[0] == 200

        await until(kept)
        status, problem, _ = await client.ask("GET", f"{PATH}/{alert}/picture")
        assert (status, problem["type"]) == (404, "urn:partstream:problem:no-picture")
        assert (await client.get(f"{PATH}/{alert}"))["picture"] is False
    assert caplog.text.count("incidents: ") == 1
