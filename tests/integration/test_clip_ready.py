"""Messages about clips that are complete, of actions and alerts, and that no link in them is dead."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

from stream.recording.library import ENDINGS
from stream.results import Alert, ClipReady, decode
from stream.subscriber import subscribe
from support.engines.alerting import engine_with, with_rules
from support.engines.controlled_engine import PATIENT
from support.engines.recording_engine import PATIENCE_S
from support.waiting import until

RULES = "rules: {visitor: {zone: hall, clear_after: 200ms, cooldown: 0s, severity: critical}}"
TOPIC = "clips/v1/door/"


def recording_alerts(folder: Path) -> Any:
    """Return the configuration of an engine whose only clips are those of alerts."""
    config = with_rules(folder, RULES, **PATIENT)
    settings = {"directory": folder / "clips", "actions": {}, "seconds_before": 0.2, "seconds_after": 0.2}
    settings |= {"least_free": 0, "packet_seconds": PATIENCE_S + 60}
    incidents = {"directory": folder / "incidents", "least_free": 0}
    return type(config).model_validate(dict(config) | {"recording": settings, "incidents": incidents})


async def test_clip_ready_names_a_clip_whose_files_are_in_place_and_the_alerts_that_caused_it(tmp_path: Path) -> None:
    folder, missing = tmp_path / "clips", list[str]()

    def check(topic: str, message: Any) -> None:  # in the thread that publishes, before any subscriber has it
        if isinstance(message, ClipReady):
            missing.extend(end for end in ENDINGS if not (folder / (message.clip + end)).is_file())

    with mock.patch("stream.recording.recorder.LATE_S", PATIENCE_S):
        async with engine_with(recording_alerts(tmp_path)) as (engine, client, messages):
            engine.publisher.on_message(check)
            async with subscribe(engine.publisher.endpoint, kinds=["clips"]) as subscription:
                ready = await anext(aiter(subscription))
            assert isinstance(ready, ClipReady)
            began = {one.alert: one for one in messages if isinstance(one, Alert) and one.state == "began"}
            (alert,) = (began[name] for name in ready.alerts)
            assert ready.events == [] and ready.clip.endswith("_door_visitor")
            assert alert.media_time_us is not None
            assert ready.start_media_time_us <= alert.media_time_us <= ready.end_media_time_us
            async with client.session.get(f"{client.address}/api/v1/clips/{ready.clip}") as response:
                assert response.status == 200
                assert 0 < len(await response.read()) < ready.bytes
            listed = (await client.get("/api/v1/clips"))["clips"]
            (clip,) = [one for one in listed if one["name"] == ready.clip]
            assert [(one["alert"], one["severity"]) for one in clip["alerts"]] == [(alert.alert, "critical")]
            kept = await client.get(f"/api/v1/incidents/{alert.alert}")
            assert (kept["clip"], kept["began_us"]) == (ready.clip, alert.began_us)
            page = (await client.ask("GET", "/metrics"))[1]
            assert 'partstream_results_published_total{camera="door",topic_kind="clips"}' in page

            # The last value, which new subscribers get, is withdrawn when its clip is deleted.
            recorder = engine.recorder
            assert recorder is not None and engine.publisher.last(TOPIC) is not None
            recorder.library.budget = 1
            await until(lambda: not recorder.library.clips())
            await until(lambda: engine.publisher.last(TOPIC) is None)
            assert (await client.get(f"/api/v1/incidents/{alert.alert}"))["clip"] is None
            recorder.library.budget = 10**9
            await until(lambda: engine.publisher.last(TOPIC) is not None)
            body = engine.publisher.last(TOPIC)
            assert body is not None
            again = decode(body)
            assert isinstance(again, ClipReady) and again.seq > ready.seq
    assert not missing
