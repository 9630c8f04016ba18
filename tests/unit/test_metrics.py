"""The Prometheus series that the engine's calls make."""

from __future__ import annotations

import threading
from typing import get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ring_buffers.frame_ring import Clock, DropReason
from stream.results import CameraState
from telemetry import metrics, reference
from telemetry.metrics import METRICS, PrometheusObserver
from telemetry.observer import Observer


def series(observer: PrometheusObserver) -> dict[str, float]:
    """The page as {'name{label=value,…}': value}, without the process's own metrics."""
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


def test_every_call_of_the_observer_reaches_its_series(observer: PrometheusObserver) -> None:
    observer.frame_decoded("lobby")
    observer.frame_decoded("lobby")
    observer.frame_dropped("lobby", "overwritten")
    observer.frame_dropped("lobby", "epoch_ended", 4)
    observer.unit_discarded("lobby", "undecodable")
    observer.reconnecting("lobby", "refused")
    observer.transport_fallback("lobby", "udp_silent")
    observer.ring_ready("lobby", 3)
    observer.batch_formed(4, 0.002)
    observer.stage_done("detect", 0.03)
    observer.stage_failed("detect")
    observer.people_seen("lobby", 2, 3)
    observer.state_bank(5, 256)
    observer.state_evicted(2)
    observer.model_loaded("edge", "sha256:old")
    observer.model_loaded("edge", "sha256:new")
    observer.ready_changed(True)
    observer.device_memory("allocated", 1 << 20)
    observer.frame_published("lobby", 0.04, 0.3)
    observer.message_published("lobby", "results")
    observer.message_published("", "stats")
    observer.subscriptions(7)
    observer.replay_requested("ok", 12)
    observer.history_evicted(3)
    found = series(observer)
    expected = {
        "frames_decoded_total{camera=lobby}": 2,
        "frames_decoded_total{camera=gate}": 0,
        "frames_dropped_total{camera=lobby,reason=overwritten}": 1,
        "frames_dropped_total{camera=lobby,reason=epoch_ended}": 4,
        "units_discarded_total{camera=lobby,reason=undecodable}": 1,
        "reconnects_total{camera=lobby,reason=refused}": 1,
        "transport_fallbacks_total{camera=lobby,reason=udp_silent}": 1,
        "ring_ready_frames{camera=lobby}": 3,
        "batch_frames_bucket{le=4.0}": 1,
        "batch_frames_bucket{le=2.0}": 0,
        "batch_wait_seconds_sum{}": 0.002,
        "stage_seconds_count{stage=detect}": 1,
        "stage_errors_total{stage=detect}": 1,
        "people_total{camera=lobby}": 2,
        "tracks_active{camera=lobby}": 3,
        "state_bank_slots{state=used}": 5,
        "state_bank_slots{state=free}": 251,
        "state_evictions_total{}": 2,
        "model_info{profile=edge,weights=sha256:new}": 1,
        "ready{}": 1,
        "device_memory_bytes{kind=allocated}": 1 << 20,
        "frames_processed_total{camera=lobby}": 1,
        "frame_age_seconds_sum{camera=lobby}": 0.04,
        "capture_to_publish_seconds_sum{camera=lobby}": 0.3,
        "results_published_total{camera=lobby,topic_kind=results}": 1,
        "results_published_total{camera=,topic_kind=stats}": 1,
        "subscriptions{}": 7,
        "replay_requests_total{status=ok}": 1,
        "replayed_messages_total{}": 12,
        "history_evicted_total{}": 3,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert "model_info{profile=edge,weights=sha256:old}" not in found


def test_the_observer_implements_every_call_that_the_engine_makes() -> None:
    calls = {name for name, value in vars(Observer).items() if callable(value) and not name.startswith("_")}
    assert calls - set(vars(PrometheusObserver)) == set()


def test_exactly_one_state_and_one_clock_of_a_camera_is_one(observer: PrometheusObserver) -> None:
    observer.camera_state("lobby", "connecting")
    observer.camera_state("lobby", "live")
    observer.clock_source("lobby", "arrival")
    observer.clock_source("lobby", "rtcp")
    found = series(observer)
    states = {name: found[f"camera_state{{camera=lobby,state={name}}}"] for name in metrics.CAMERA_STATES}
    assert states == {"connecting": 0, "live": 1, "stalled": 0, "reconnecting": 0, "ended": 0}
    assert [found[f"clock_source{{camera=lobby,clock={name}}}"] for name in metrics.CLOCKS] == [1, 0, 0]


def test_the_known_label_values_are_those_of_the_engine() -> None:
    assert set(metrics.CAMERA_STATES) == set(get_args(CameraState)) - {"removed"}
    assert set(metrics.CLOCKS) == set(get_args(Clock))
    assert set(metrics.DROP_REASONS) == set(get_args(DropReason))


def test_removing_a_camera_removes_all_its_series_and_no_other(observer: PrometheusObserver) -> None:
    for camera in ("lobby", "gate"):
        observer.frame_dropped(camera, "stale")
        observer.reconnecting(camera, "stalled")
        observer.frame_published(camera, 0.1, 0.1)
    observer.camera_removed("lobby")
    observer.frame_decoded("lobby")
    observer.frame_published("lobby", 0.1, None)
    observer.message_published("lobby", "results")
    found = series(observer)
    assert not [name for name in found if "lobby" in name]
    assert found["reconnects_total{camera=gate,reason=stalled}"] == 1
    observer.camera_added("lobby")
    assert series(observer)["frames_decoded_total{camera=lobby}"] == 0


def test_a_camera_that_was_never_added_makes_no_series(observer: PrometheusObserver) -> None:
    before = series(observer)
    observer.frame_decoded("unknown")
    observer.camera_state("unknown", "live")
    observer.people_seen("unknown", 1, 1)
    assert series(observer) == before


def test_codes_beyond_the_limit_and_malformed_ones_count_as_other(observer: PrometheusObserver) -> None:
    for index in range(1000):
        observer.reconnecting("lobby", f"code{index}")
    observer.reconnecting("gate", "rtsp://user:secret@host/ failed")
    found = series(observer)
    assert sum(name.startswith("reconnects_total{camera=lobby") for name in found) <= metrics.MAX_CODES + 1
    assert sum(value for name, value in found.items() if name.startswith("reconnects_total{camera=lobby")) == 1000
    assert found["reconnects_total{camera=gate,reason=other}"] == 1


def test_no_created_series_is_exported_and_the_process_is() -> None:
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
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", metrics.OPENMETRICS_CONTENT_TYPE),
        ("application/openmetrics-text; version=x.y", metrics.OPENMETRICS_CONTENT_TYPE),
    ],
)
def test_the_accept_header_chooses_the_format_and_never_breaks_the_page(accept: str, content_type: str) -> None:
    page, given = PrometheusObserver().exposition(accept)
    assert given == content_type
    assert page.endswith(b"# EOF\n") == ("openmetrics" in content_type)


def test_two_engines_in_one_process_keep_their_series_apart() -> None:
    first, second = PrometheusObserver(), PrometheusObserver()
    first.camera_added("lobby")
    assert "lobby" in first.render().decode()
    assert "lobby" not in second.render().decode()


def test_no_count_is_lost_between_threads(observer: PrometheusObserver) -> None:
    def work() -> None:
        for _ in range(2000):
            observer.frame_decoded("lobby")
            observer.frame_dropped("lobby", "stale")
            observer.stage_done("track", 0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        observer.render()
    for thread in threads:
        thread.join()
    found = series(observer)
    assert found["frames_decoded_total{camera=lobby}"] == 8000
    assert found["frames_dropped_total{camera=lobby,reason=stale}"] == 8000
    assert found["stage_seconds_count{stage=track}"] == 8000


def test_names_are_unique_and_counters_end_in_total() -> None:
    names = metrics.names()
    assert len(set(names)) == len(names)
    assert all((spec.kind == "counter") == spec.name.endswith("_total") for spec in METRICS)


def test_the_reference_page_is_current() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), (
        "docs/metrics.md is not what telemetry/metrics.py says: run `python -m telemetry.reference`"
    )
