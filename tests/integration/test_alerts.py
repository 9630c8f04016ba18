"""Alerts of a running engine: published, listed, acknowledged, kept over a crash, and by rules that change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream import results
from stream.engine import Engine
from stream.settings.config_error import ConfigError
from stream.subscriber import subscribe
from support.engines.alerting import Walker, engine_with, with_rules
from support.waiting import until


def alerts(messages: list[results.Message], rule: str, state: str) -> list[results.Alert]:
    return [one for one in messages if isinstance(one, results.Alert) and (one.rule, one.state) == (rule, state)]


async def test_alerts_begin_and_are_cleared_with_their_reasons_and_reach_subscribers(tmp_path: Path) -> None:
    async with engine_with(with_rules(tmp_path)) as (engine, _, messages):
        received: list[results.Alert] = []
        async with subscribe(engine.publisher.endpoint, kinds=["alerts"]) as subscription:
            async for message in subscription:
                assert isinstance(message, results.Alert)
                received.append(message)
                if alerts(messages, "empty", "cleared") and alerts(messages, "call", "cleared"):
                    break
        (visit, *_) = alerts(messages, "visitor", "began")
        assert (visit.zone, visit.track, visit.severity, visit.reason) == ("hall", 1, "info", "person in hall")
        (call, *_) = alerts(messages, "call", "began")
        assert call.reason.startswith("hands up 0.80") and call.reason.endswith("left hand, right hand")
        (crossing, *_) = alerts(messages, "fence", "began")
        assert (crossing.line, crossing.zone, crossing.reason) == ("fence", None, "person crosses fence to the left")
        (empty, *_) = alerts(messages, "empty", "began")
        assert (empty.people, empty.track, empty.reason) == (0, None, "0 people in hall for 0.5 s")
        for rule in ("visitor", "call"):
            assert alerts(messages, rule, "cleared")[0].clear_reason == "over"
        assert [one.seq for one in received] == list(range(received[0].seq, received[0].seq + len(received)))
        frame = next(one for one in messages if isinstance(one, results.Frame) and one.people[0].rule_actions)
        (action,) = frame.people[0].rule_actions
        assert (action.label, action.source, action.parts) == ("hands_up", "rule", ["left_hand", "right_hand"])
        started = next(one for one in messages if isinstance(one, results.Event) and one.source == "rule")
        assert (started.kind, started.label, started.frame) == ("started", "hands_up", frame.frame)
        assert started.event and started.media_time_us == frame.media_time_us
    ended = [one for one in messages if isinstance(one, results.Event) and one.source == "rule"][-1]
    assert ended.kind == "ended"
    ids = {one.event for one in messages if isinstance(one, results.Event) and one.kind == "ended"}
    assert ids == {one.event for one in messages if isinstance(one, results.Event) and one.kind == "started"}
    left = {one.alert: one.state for one in messages if isinstance(one, results.Alert)}
    assert set(left.values()) == {"cleared"}, "nothing stays on when the engine stops"


async def test_alerts_are_listed_with_a_picture_acknowledged_once_streamed_and_counted(tmp_path: Path) -> None:
    rules = "rules: {visitor: {zone: hall, clear_after: 1h}}"
    async with engine_with(with_rules(tmp_path, rules)) as (_, client, messages):
        await until(lambda: bool(alerts(messages, "visitor", "began")))

        async def picture() -> bool:
            (listed,) = (await client.ask("GET", "/api/v1/alerts?state=open&camera=door"))[1]["alerts"]
            return bool(listed["picture"])

        await until(picture)
        (listed,) = (await client.ask("GET", "/api/v1/alerts"))[1]["alerts"]
        assert (listed["rule"], listed["zone"], listed["schema"]) == ("visitor", "hall", "partstream.alert/1")
        path = f"/api/v1/alerts/{listed['alert']}"
        async with client.session.get(client.address + path + "/picture") as response:
            assert (response.status, response.content_type) == (200, "image/jpeg")
            assert (await response.read())[:3] == b"\xff\xd8\xff"
        status, acknowledged, _ = await client.ask("POST", path + "/acknowledge")
        assert status == 200 and acknowledged["acknowledged_us"] > listed["began_us"]
        assert (await client.ask("POST", path + "/acknowledge"))[1] == acknowledged
        assert alerts(messages, "visitor", "updated")[0].acknowledged_us == acknowledged["acknowledged_us"]
        assert (await client.ask("POST", "/api/v1/alerts/00000000-1/acknowledge"))[0] == 404
        status, problem, _ = await client.ask("GET", "/api/v1/alerts?state=off&limit=0")
        assert (status, [error["field"] for error in problem["errors"]]) == (422, ["state", "limit"])
        async with client.session.get(client.address + "/metrics") as response:
            text = await response.text()
        assert 'partstream_alerts_total{camera="door",rule="visitor",severity="warning"} 1.0' in text
        assert 'partstream_alerts_open{camera="door",rule="visitor"} 1.0' in text
        assert "partstream_rules_loaded 1.0" in text


async def test_the_next_run_clears_alerts_that_a_crash_left_open_before_it_publishes_anything(tmp_path: Path) -> None:
    config = with_rules(tmp_path, "rules: {visitor: {zone: hall, clear_after: 1h}}")
    file, kept = tmp_path / "rules.open-alerts.jsonl", tmp_path / "kept.jsonl"
    async with engine_with(config) as (_, _, messages):
        await until(lambda: bool(alerts(messages, "visitor", "began")))
        shutil.copy(file, kept)  # what the disk holds if the process is killed now
    (began,) = alerts(messages, "visitor", "began")
    shutil.copy(kept, file)
    engine = Engine(config, model=Walker())
    published: list[results.Message] = []
    engine.publisher.on_message(lambda topic, message: published.append(message))
    async with engine:
        await until(lambda: any(isinstance(message, results.Frame) for message in published))
    first = published[0]
    assert isinstance(first, results.Alert)
    assert (first.alert, first.state, first.clear_reason, first.epoch) == (began.alert, "cleared", "restart", 0)
    assert first.run == engine.run != began.run


async def test_a_second_engine_with_the_same_alerts_file_does_not_start(tmp_path: Path) -> None:
    config = with_rules(tmp_path)
    async with engine_with(config):
        with pytest.raises(ConfigError, match=r"alerts_file: .*open-alerts.jsonl is in use by another engine"):
            async with engine_with(config):
                pass


async def test_a_changed_rules_file_applies_at_once_and_a_wrong_one_leaves_the_old_rules_in_force(
    tmp_path: Path,
) -> None:
    rules = "rules: {visitor: {zone: hall, clear_after: 1h}, other: {zone: hall, clear_after: 1h}}"
    path = tmp_path / "rules.yaml"
    async with engine_with(with_rules(tmp_path, rules)) as (_, client, messages):
        await until(lambda: bool(alerts(messages, "visitor", "began") and alerts(messages, "other", "began")))

        async def shown(check: Callable[[dict[str, Any]], bool]) -> bool:
            return check((await client.ask("GET", "/api/v1/rules"))[1])

        path.write_text("rules: {visitor: {zone: hall, for: -1s}}")
        await until(lambda: shown(lambda rules: rules["error"] is not None))
        view = (await client.ask("GET", "/api/v1/rules"))[1]
        assert "rules.visitor.for" in view["error"] and list(view["rules"]) == ["visitor", "other"]
        assert not alerts(messages, "visitor", "cleared")
        path.write_text("rules: {visitor: {zone: hall, clear_after: 1h}, new: {zone: haul}}")
        await until(lambda: bool(alerts(messages, "other", "cleared")))
        assert alerts(messages, "other", "cleared")[0].clear_reason == "rules"
        assert not alerts(messages, "visitor", "cleared"), "an unchanged rule keeps its alerts"
        view = (await client.ask("GET", "/api/v1/rules"))[1]
        assert view["error"] is None and "did you mean `hall`?" in view["warnings"][0]


async def test_removing_a_camera_clears_its_alerts(tmp_path: Path) -> None:
    config = with_rules(tmp_path, "rules: {visitor: {zone: hall, clear_after: 1h}}")
    async with engine_with(config) as (engine, _, messages):
        await until(lambda: bool(alerts(messages, "visitor", "began")))
        await engine.cameras.remove("door")
        assert alerts(messages, "visitor", "cleared")[0].clear_reason == "camera"


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        ("rules: {visitor: {zone: hall, for: -1s}}", r"rules\.visitor\.for"),
        ("rules: {visitor: {zon: hall}}", r"rules\.visitor\.zon: unknown; did you mean `zone`"),
        ("actions: {a: {action: a}}", "actions.a refers to itself"),
        ("rules: [", "not valid YAML"),
    ],
)
async def test_an_engine_does_not_start_with_a_wrong_rules_file(tmp_path: Path, rules: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        async with engine_with(with_rules(tmp_path, rules)):
            pass
