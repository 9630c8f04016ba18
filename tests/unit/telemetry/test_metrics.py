"""Tests of the Prometheus metrics and of the catalogue."""

from __future__ import annotations

from typing import get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ring_buffers.frames import Clock
from stages.looks import LookKind
from stream.results import CameraState, Look
from telemetry import catalogue
from telemetry.catalogue import METRICS, SECONDS_BUCKETS
from telemetry.exposition import OPENMETRICS_CONTENT_TYPE
from telemetry.metrics import PrometheusObserver
from telemetry.tally import Histogram
from tools.docs import metrics_reference


def series(observer: PrometheusObserver) -> dict[str, float]:
    """Return the page as {'name{label=value,…}': value}, without the metrics of the process."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(observer.render().decode()):
        for sample in family.samples:
            if sample.name.startswith("partstream_"):
                labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
                found[f"{sample.name.removeprefix('partstream_')}{{{labels}}}"] = sample.value
    return found


@pytest.fixture
def observer() -> PrometheusObserver:
    made = PrometheusObserver()
    made.camera_added("lobby")
    made.camera_added("gate")
    return made


def test_every_observer_call_updates_its_series(observer: PrometheusObserver) -> None:
    observer.unit_discarded("lobby", "undecodable")
    observer.reconnecting("lobby", "refused")
    observer.transport_fallback("lobby", "udp_silent")
    observer.epoch_began("lobby", "clock_step")
    observer.stage_done("detect", 0.03)
    observer.stage_failed("detect")
    observer.out_of_memory("detect")
    observer.people_seen("lobby", 2, 3)
    observer.state_bank(5, 256)
    observer.state_evicted(2)
    observer.model_loaded("edge", "sha256:old")
    observer.model_loaded("edge", "sha256:new")
    observer.ready_changed(True)
    observer.device_memory("allocated", 1 << 20)
    observer.replay_requested("ok", 12)
    found = series(observer)
    expected = {
        "units_discarded_total{camera=lobby,reason=undecodable}": 1,
        "reconnects_total{camera=lobby,reason=refused}": 1,
        "transport_fallbacks_total{camera=lobby,reason=udp_silent}": 1,
        "epochs_total{camera=lobby,reason=clock_step}": 1,
        "epochs_total{camera=lobby,reason=connected}": 0,
        "stage_seconds_count{stage=detect}": 1,
        "stage_errors_total{stage=detect}": 1,
        "out_of_memory_total{stage=detect}": 1,
        "people_total{camera=lobby}": 2,
        "tracks_active{camera=lobby}": 3,
        "state_bank_slots{state=used}": 5,
        "state_bank_slots{state=free}": 251,
        "state_evictions_total{}": 2,
        "model_info{profile=edge,weights=sha256:new}": 1,
        "ready{}": 1,
        "device_memory_bytes{kind=allocated}": 1 << 20,
        "replay_requests_total{status=ok}": 1,
        "replayed_messages_total{}": 12,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert "model_info{profile=edge,weights=sha256:old}" not in found


def test_the_error_count_of_a_stage_starts_at_zero_with_its_first_batch(observer: PrometheusObserver) -> None:
    """Prometheus would not see an increase if the series started with the first error."""
    observer.stage_done("detection", 0.03)
    assert series(observer)["stage_errors_total{stage=detection}"] == 0


def test_a_derived_metric_is_read_for_each_page(observer: PrometheusObserver) -> None:
    ages = Histogram(SECONDS_BUCKETS)
    counts = {"lobby": 0}
    observer.derive("frames_decoded_total", lambda: [((name,), count) for name, count in counts.items()])
    observer.derive("frame_age_seconds", lambda: [(("lobby",), ages)])
    assert series(observer)["frames_decoded_total{camera=lobby}"] == 0
    counts["lobby"] = 7
    for seconds in (0.001, 0.03, 0.05, 20.0):
        ages.observe(seconds)
    found = series(observer)
    assert found["frames_decoded_total{camera=lobby}"] == 7
    assert found["frame_age_seconds_bucket{camera=lobby,le=0.001}"] == 1, "bucket bounds are inclusive"
    assert found["frame_age_seconds_bucket{camera=lobby,le=0.025}"] == 1
    assert found["frame_age_seconds_bucket{camera=lobby,le=0.05}"] == 3
    assert found["frame_age_seconds_bucket{camera=lobby,le=10.0}"] == 3
    assert found["frame_age_seconds_bucket{camera=lobby,le=+Inf}"] == 4
    assert found["frame_age_seconds_count{camera=lobby}"] == 4
    assert found["frame_age_seconds_sum{camera=lobby}"] == pytest.approx(20.081)
    del counts["lobby"]
    assert not [name for name in series(observer) if name.startswith("frames_decoded_total")]


def test_derived_metrics_have_the_format_of_prometheus_client() -> None:
    observer = PrometheusObserver()
    observer.derive("subscriptions", lambda: [((), 2)])
    page = observer.render().decode()
    assert "# TYPE partstream_subscriptions gauge\npartstream_subscriptions 2.0\n" in page
    for spec in METRICS:
        assert f"# TYPE {spec.full_name} {spec.kind}\n" in page


def test_exactly_one_state_and_one_clock_of_a_camera_are_set(observer: PrometheusObserver) -> None:
    observer.camera_state("lobby", "connecting")
    observer.camera_state("lobby", "live")
    observer.clock_source("lobby", "arrival")
    observer.clock_source("lobby", "rtcp")
    found = series(observer)
    states = {name: found[f"camera_state{{camera=lobby,state={name}}}"] for name in catalogue.CAMERA_STATES}
    assert states == {"connecting": 0, "live": 1, "stalled": 0, "reconnecting": 0, "ended": 0}
    assert [found[f"clock_source{{camera=lobby,clock={name}}}"] for name in catalogue.CLOCKS] == [1, 0, 0]


def test_the_known_label_values_are_those_of_the_engine() -> None:
    assert set(catalogue.CAMERA_STATES) == set(get_args(CameraState)) - {"removed"}
    assert set(catalogue.CLOCKS) == set(get_args(Clock))
    assert set(catalogue.LOOKS) == set(get_args(LookKind)) == set(get_args(get_args(Look)[0]))


def test_removing_a_camera_removes_its_series_only(observer: PrometheusObserver) -> None:
    for camera in ("lobby", "gate"):
        observer.unit_discarded(camera, "corrupt")
        observer.reconnecting(camera, "stalled")
        observer.people_seen(camera, 1, 1)
    observer.camera_removed("lobby")
    observer.unit_discarded("lobby", "corrupt")
    observer.people_seen("lobby", 1, 1)
    found = series(observer)
    assert not [name for name in found if "lobby" in name]
    assert found["reconnects_total{camera=gate,reason=stalled}"] == 1
    observer.camera_added("lobby")
    assert series(observer)["people_total{camera=lobby}"] == 0


def test_process_metrics_are_exported_and_created_series_are_not() -> None:
    observer = PrometheusObserver()
    observer.camera_added("lobby")
    observer.stage_done("detect", 0.1)
    for page in (observer.render().decode(), observer.exposition("application/openmetrics-text")[0].decode()):
        assert "_created" not in page
        assert "process_resident_memory_bytes" in page
        assert "process_cpu_seconds_total" in page


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=zz;escaping=\x00,,;=", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPENMETRICS_CONTENT_TYPE),
        ("application/openmetrics-text; version=x.y", OPENMETRICS_CONTENT_TYPE),
    ],
)
def test_the_accept_header_selects_the_format_and_a_malformed_one_is_tolerated(accept: str, content_type: str) -> None:
    page, given = PrometheusObserver().exposition(accept)
    assert given == content_type
    assert page.endswith(b"# EOF\n") == ("openmetrics" in content_type)


def test_the_reference_page_is_current() -> None:
    assert metrics_reference.PAGE.read_text(encoding="utf-8") == metrics_reference.page(), (
        "run `python -m tools.docs.metrics_reference`"
    )
