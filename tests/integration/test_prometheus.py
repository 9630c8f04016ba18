"""Tests of the rules, dashboards and the page of metrics with Prometheus and promtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fleet.http_api import ROOT
from stages.free_model import FreeModel
from stream.config import Config
from stream.engine import Engine
from stream.results import Frame
from support.engines.scraped_engine import ScrapedEngine
from support.monitoring.dashboard_queries import RULE_FILE, RULES, queries
from support.monitoring.prometheus import PrometheusServer, hurried
from support.repository import REPOSITORY
from support.waiting import wait_until
from telemetry.catalogue import METRICS

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
EVERY = {"instance": ".+", "controller": ".+", "node": ".*", "camera": "door", "__rate_interval": "5s"}
"""Values of the dashboards' variables."""


def promtool(*arguments: str | Path, page: bytes | None = None) -> None:
    """Run promtool. Fails with its output if it reports an error."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.fail("promtool is missing: install the Debian package `prometheus` (apt-get install prometheus)")
    done = subprocess.run([tool, *map(str, arguments)], input=page, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_promtool_accepts_rules_and_scrape_configurations_and_the_alerts_fire_when_they_should() -> None:
    promtool("check", "rules", RULE_FILE)
    fleet = REPOSITORY / "deploy" / "fleet" / "prometheus.yml"
    for file in (PROMETHEUS / "prometheus.yml", fleet):
        promtool("check", "config", "--syntax-only", file)
    assert f"http://fleet-head:9095{ROOT}/prometheus/targets" in fleet.read_text()
    tests = sorted((PROMETHEUS / "tests").glob("*.yml"))
    tested = set(re.findall(r"alertname: (\w+)", "".join(file.read_text() for file in tests)))
    assert tested == {rule["alert"] for rule in RULES if "alert" in rule}
    promtool("test", "rules", *tests)


async def test_promtool_accepts_the_page_of_an_engine_on_which_every_metric_has_a_series(tmp_path: Path) -> None:
    page = await busy_page(tmp_path)
    families = {family.name: family for family in text_string_to_metric_families(page.decode())}
    empty = [spec.name for spec in METRICS if not families[spec.full_name.removesuffix("_total")].samples]
    assert empty == [], "promtool would have nothing to check"
    promtool("check", "metrics", page=page)


async def busy_page(folder: Path) -> bytes:
    rules = folder / "rules.yaml"
    rules.write_text("rules: {empty: {people: {at_most: 0}}}")
    tokens = folder / "tokens.yaml"
    tokens.write_text("tokens: []")
    tokens.chmod(0o600)
    config = Config.model_validate(
        {
            "cameras": [{"id": name, "source": "pattern:64x64@50"} for name in ("lobby", "gate")],
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": "127.0.0.1:0", "tokens_file": tokens},
            "recording": {"directory": folder},
            "incidents": {"directory": folder / "incidents"},
            "results": folder / "results.jsonl",
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
        return observer.render()


def test_prometheus_answers_every_query_and_reports_a_camera_that_is_down() -> None:
    """The rules' minutes are shortened to seconds; promtool tests them with their real durations."""
    config = Config.model_validate(
        {
            "cameras": [{"id": "door", "source": "pattern:64x64@10"}, {"id": "shed", "source": "rtsp://127.0.0.1:1/"}],
            "model": {"profile": "free"},
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": "127.0.0.1:0"},
        }
    )
    with (
        ScrapedEngine(config) as running,
        PrometheusServer([running.address], hurried(RULE_FILE.read_text(encoding="utf-8"))) as prometheus,
    ):
        wait_until(lambda: ("PartstreamCameraDown", "shed") in prometheus.firing())
        assert ("PartstreamCameraDown", "door") not in prometheus.firing()
        for place, query in queries():
            for name, value in EVERY.items():
                query = query.replace(f"${name}", value)
            assert "$" not in query, place
            prometheus.query(query)  # fails with Prometheus' message if it refuses
        age = 'instance_camera:partstream_frame_age_seconds:p95{camera="door"}'
        assert wait_until(lambda: prometheus.query(age))
