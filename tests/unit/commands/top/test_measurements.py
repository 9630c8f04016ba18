"""Reading a metrics page, and the differences between two snapshots."""

from __future__ import annotations

import math

import pytest

from commands.top.measurements import Histogram, parse
from telemetry.metrics import PrometheusObserver

PAGE = """\
# TYPE partstream_ring_ready_frames gauge
partstream_ring_ready_frames{camera="door"} 7.0
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 3.5
# TYPE partstream_stage_seconds histogram
partstream_stage_seconds_bucket{le="0.1",stage="detection"} 1.0
partstream_stage_seconds_bucket{le="0.2",stage="detection"} 4.0
partstream_stage_seconds_bucket{le="+Inf",stage="detection"} 4.0
partstream_stage_seconds_count{stage="detection"} 4.0
partstream_stage_seconds_sum{stage="detection"} 0.5
"""


def histogram(*counts: float, total: float = 1.0) -> Histogram:
    return Histogram(dict(zip((0.1, 0.2, math.inf), counts)), total)


def test_a_page_is_read_by_name_and_labels() -> None:
    page = parse(PAGE)
    assert page.value("ring_ready_frames", camera="door") == 7
    assert page.value("ring_ready_frames", camera="yard") is None
    assert page.value("process_cpu_seconds") == 3.5
    assert page.by("ring_ready_frames", "camera") == {"door": 7}
    assert page.stages() == ["detection"]
    assert page.histogram("stage_seconds", stage="detection").mean == pytest.approx(0.125)
    assert page.histogram("stage_seconds", stage="tracking").mean is None


def test_the_engines_own_page_is_read() -> None:
    observer = PrometheusObserver()
    observer.stage_done("detection", 0.03)
    observer.device_memory("weights", 1 << 20)
    page = parse(observer.exposition("")[0].decode())
    assert page.histogram("stage_seconds", stage="detection").mean == pytest.approx(0.03)
    assert page.by("device_memory_bytes", "kind") == {"weights": 1 << 20}


def test_a_quantile_lies_straight_within_its_bucket_and_never_beyond_the_last_bound() -> None:
    counts = histogram(1, 4, 5)
    assert counts.quantile(0.2) == pytest.approx(0.1)
    assert counts.quantile(0.5) == pytest.approx(0.15)
    assert counts.quantile(1.0) == pytest.approx(0.2)
    assert histogram(0, 0, 0).quantile(0.5) is None


def test_figures_are_the_difference_from_the_previous_snapshot() -> None:
    since = histogram(1, 4, 5, total=1.0).since(histogram(1, 1, 1, total=0.05))
    assert since.count == 4
    assert since.mean == pytest.approx(0.95 / 4)


def test_a_restarted_engine_is_not_compared_with_its_previous_run() -> None:
    now = histogram(1, 1, 1)
    assert now.since(histogram(1, 4, 5)) is now
    assert now.since(None) is now


@pytest.mark.parametrize(
    "page",
    [
        "{",
        "# TYPE x histogram\nx_bucket 1",
        '# TYPE x histogram\nx_bucket{le="1"} NaN',
        '# TYPE x histogram\nx_bucket{le="1"} 1\nx_sum +Inf',
    ],
)
def test_anything_else_is_a_value_error(page: str) -> None:
    with pytest.raises(ValueError):
        parse(page)
