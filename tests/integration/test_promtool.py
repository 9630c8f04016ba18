"""Tests of the metrics page with promtool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stages.free_model import FreeModel
from stream.config import Config
from stream.engine import Engine
from stream.results import Frame
from telemetry.catalogue import METRICS


async def busy_page(clips: Path) -> bytes:
    """Return the page of a running engine on which every metric has a series."""
    rules = clips / "rules.yaml"
    rules.write_text("rules: {empty: {people: {at_most: 0}}}")
    tokens = clips / "tokens.yaml"
    tokens.write_text("tokens: []")
    tokens.chmod(0o600)
    config = Config.model_validate(
        {
            "cameras": [{"id": name, "source": "pattern:64x64@50"} for name in ("lobby", "gate")],
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": "127.0.0.1:0", "tokens_file": tokens},
            "recording": {"directory": str(clips)},
            "incidents": {"directory": clips / "incidents"},
            "results": clips / "results.jsonl",
            "tracing": {"sample_ratio": 1e-12},
            "rules_file": rules,
        }
    )
    async with Engine(config, model=FreeModel()) as engine:
        async for message in engine.results():
            if isinstance(message, Frame) and message.camera == "gate" and message.seq >= 5:
                break
        observer = engine.metrics
        for camera in ("lobby", "gate"):
            observer.clock_source(camera, "rtcp")
            observer.unit_discarded(camera, "undecodable")
            observer.reconnecting(camera, "stalled")
            observer.transport_fallback(camera, "udp_silent")
            observer.people_seen(camera, 2, 3)
        observer.stage_done("detect", 0.03)
        observer.stage_failed("detect")
        observer.out_of_memory("detection")
        observer.state_bank(5, 256)
        observer.device_memory("allocated", 1 << 20)
        observer.replay_requested("too_old", 0)
        engine.publisher.withheld["lobby"] = 1
        return observer.render()


async def test_promtool_accepts_the_page(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is missing: install the Debian package `prometheus` (apt-get install prometheus)")
    page = await busy_page(tmp_path)
    families = {family.name: family for family in text_string_to_metric_families(page.decode())}
    empty = [spec.name for spec in METRICS if not families[spec.full_name.removesuffix("_total")].samples]
    assert empty == [], "promtool would have nothing to check"
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_promtool_rejects_a_bad_page() -> None:
    """Validates the test above: a counter without help and with a bad name is rejected."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is missing: install the Debian package `prometheus` (apt-get install prometheus)")
    bad = b"# TYPE framesCount counter\nframesCount 1\n"
    checked = subprocess.run([promtool, "check", "metrics"], input=bad, capture_output=True, check=False)
    assert checked.returncode != 0
