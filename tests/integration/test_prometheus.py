"""Tests of a running engine with Prometheus: every query returns data, and a killed camera causes an alert.

The rules' minutes are shortened to seconds (`hurried`); promtool tests them with their real durations. Events that a
healthy engine on a CPU does not have, such as stage errors, are reported by `report_rare_events`.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from stages.third_party import weights
from stream.config import Config
from support.engines.scraped_engine import ScrapedEngine
from support.monitoring.dashboard_queries import panel_queries
from support.monitoring.prometheus import PrometheusServer, hurried
from support.rtp.stream_corpus import corpus_stream
from support.rtsp_servers.aio_rtsp import AioRtspServer
from support.waiting import wait_until
from tools.monitoring import rule_file
from tools.monitoring.alerts import ALERTS
from tools.monitoring.fleet_alerts import FLEET_ALERTS
from tools.monitoring.recording_rules import RECORDING_RULES

RATE_INTERVAL = "5s"
SELECTOR = re.compile(r"(?:\b(?:partstream|process)_\w+|\binstance\w*:[\w:]+|\bup\b)(?:\{[^}]*\})?")
"""Selectors in an expression."""


@pytest.fixture(scope="module")
def camera() -> Iterator[AioRtspServer]:
    """Return an RTSP server that can be killed."""
    with AioRtspServer(corpus_stream("h264_main")) as server:
        yield server


@pytest.fixture(scope="module")
def running(camera: AioRtspServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScrapedEngine]:
    """Run the edge profile on that camera, on footage with people, a test pattern, and an unreachable camera."""
    footage = {"id": "yard", "source": str(weights.locate("sports2d", "demo.mp4")), "pace": "loop", "max_fps": 4}
    config = {
        "cameras": [
            {"id": "door", "source": camera.url(), "max_fps": 4, "detector_size": [128, 128], "reconnect_max_s": 0.5},
            {**footage, "detector_size": [512, 512]},  # large enough for looks at regions to cost less
            {"id": "gate", "source": "pattern:64x64@10", "max_fps": 4, "detector_size": [128, 128]},
            {"id": "shed", "source": "rtsp://127.0.0.1:1/"},
        ],
        "model": {"profile": "edge", "device": "cpu", "threads": 1},
        "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
        "http": {"bind": "127.0.0.1:0"},
        "recording": {"directory": str(tmp_path_factory.mktemp("clips"))},
        "results": str(tmp_path_factory.mktemp("results") / "results.jsonl"),
    }
    with ScrapedEngine(Config.model_validate(config)) as engine:
        yield engine


@pytest.fixture(scope="module")
def prometheus(running: ScrapedEngine) -> Iterator[PrometheusServer]:
    with PrometheusServer([running.address], hurried(rule_file.FILE.read_text(encoding="utf-8"))) as server:
        yield server


def report_rare_events(running: ScrapedEngine) -> None:
    """Report faults and GPU memory to the observer, and send a request that is refused."""
    observer = running.engine.observer
    observer.stage_failed("detection")
    observer.out_of_memory("detection")
    observer.transport_fallback("door", "udp_silent")
    observer.unit_discarded("door", "corrupt")
    for kind in ("weights", "states", "peak", "free", "total"):
        observer.device_memory(kind, 1 << 30)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://{running.address}/nowhere")


def assert_data(prometheus: PrometheusServer, queries: dict[str, str]) -> None:
    """Wait until each query has returned data. `queries`: expressions, with the name of the panel or rule."""
    waiting = dict(queries)

    def all_answered() -> bool:
        for query in [query for query in waiting if prometheus.query(query)]:
            del waiting[query]
        return not waiting

    wait_until(all_answered)


def test_the_alert_of_a_killed_camera_fires_and_ends_when_it_returns(
    prometheus: PrometheusServer, camera: AioRtspServer
) -> None:
    def live() -> set[str]:
        return {series["metric"]["camera"] for series in prometheus.query('partstream_camera_state{state="live"} == 1')}

    def down() -> set[str]:
        return {name for alert, name in prometheus.firing() if alert == "PartstreamCameraDown"}

    wait_until(lambda: live() == {"door", "yard", "gate"} and down() == {"shed"})
    camera.kill()
    wait_until(lambda: down() == {"door", "shed"} and live() == {"yard", "gate"})
    camera.start()
    wait_until(lambda: live() == {"door", "yard", "gate"} and down() == {"shed"})


def test_every_query_of_every_panel_returns_data(prometheus: PrometheusServer, running: ScrapedEngine) -> None:
    report_rare_events(running)
    queries = set(panel_queries("door", RATE_INTERVAL))
    assert len(queries) > 90
    assert_data(prometheus, {query.expression: f"{query.dashboard} › {query.panel}" for query in queries})


def health_of_rules(prometheus: PrometheusServer) -> dict[str, tuple[str, str | None]] | None:
    """Return health and error of each rule; None before all have been evaluated."""
    groups = prometheus.ask("rules")["groups"]
    health = {rule["name"]: (rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]}
    return None if any(state == "unknown" for state, _ in health.values()) else health


def test_every_rule_is_evaluated_and_every_series_of_the_alerts_exists(prometheus: PrometheusServer) -> None:
    health = wait_until(lambda: health_of_rules(prometheus))
    assert health == dict.fromkeys(
        (*(r.record for r in RECORDING_RULES), *(a.name for a in (*ALERTS, *FLEET_ALERTS))), ("ok", None)
    )
    asked_for = {found for alert in ALERTS for found in SELECTOR.findall(alert.expression)}
    asked_for = {found for found in asked_for if "_fleet_" not in found}  # no coordinator is scraped here
    assert len(asked_for) > len(ALERTS)
    assert_data(prometheus, {rule.record: rule.record for rule in RECORDING_RULES} | {name: name for name in asked_for})
