"""Tests of the PromQL builders and their checks against the catalogue."""

from __future__ import annotations

import pytest

from telemetry.reasons import DropReason
from tools.monitoring.promql import mean, quantile, series
from tools.monitoring.recording_rules import UNWANTED_DROPS, WANTED_DROPS, recorded


def test_a_selector_has_the_full_name_and_its_labels() -> None:
    assert series("frames_decoded_total") == "partstream_frames_decoded_total"
    assert series("camera_state", state="live", camera="$camera") == (
        'partstream_camera_state{state="live", camera=~"$camera"}'
    )
    assert series("camera_state", state=("live", "ended")) == 'partstream_camera_state{state=~"live|ended"}'
    assert series("fleet_cameras", state="placed", instance="$coordinator") == (
        'partstream_fleet_cameras{state="placed", instance=~"$coordinator"}'
    )
    assert series("ready", node="$node") == 'partstream_ready{node=~"$node"}'
    assert series("up", job="partstream") == 'up{job="partstream"}'
    assert series("ALERTS", alertname="~Partstream.+") == 'ALERTS{alertname=~"Partstream.+"}'


@pytest.mark.parametrize(
    ("name", "part", "labels"),
    [
        ("no_such_metric", "", {}),
        ("camera_state", "", {"reason": "stalled"}),
        ("camera_state", "", {"state": "gone"}),
        ("fleet_engines_lost_total", "", {"reason": "gone"}),
        ("camera_state", "", {"state": ("live", "gone")}),
        ("frame_age_seconds", "", {}),
        ("frames_decoded_total", "bucket", {}),
        ("process_resident_memory_bytes", "", {"camera": "lobby"}),
    ],
)
def test_names_outside_the_catalogue_are_errors(name: str, part: str, labels: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        series(name, part, **labels)


def test_a_quantile_sums_buckets_and_a_mean_without_observations_has_no_value() -> None:
    assert quantile(0.95, "frame_age_seconds", "5m", ("camera",)) == (
        "histogram_quantile(0.95, sum by (camera, le) (rate(partstream_frame_age_seconds_bucket[5m])))"
    )
    assert mean("batch_frames", "1m", ("job",)).endswith("(sum by (job) (rate(partstream_batch_frames_count[1m])) > 0)")


def test_every_drop_reason_is_either_wanted_or_unwanted() -> None:
    assert sorted((*WANTED_DROPS, *UNWANTED_DROPS)) == sorted(DropReason)


def test_an_unknown_recorded_series_is_an_error() -> None:
    assert recorded("instance_camera:partstream_frames_lost:ratio", camera="$camera").endswith('{camera=~"$camera"}')
    with pytest.raises(KeyError):
        recorded("instance_camera:partstream_frames_lost:share")
