"""Tests of liveness and readiness."""

from __future__ import annotations

import pytest

from telemetry.health import Health


@pytest.fixture
def health() -> Health:
    """Ready at 0 s; unready after a stall of 10 s or five consecutive errors."""
    made = Health(0.0)
    made.weights_loaded = made.device_tested = True
    return made


def test_a_starting_engine_lists_what_is_missing() -> None:
    fresh = Health(0.0)
    assert fresh.ready(0.0) == (
        False,
        ["weights: the model's weights are not loaded yet", "device: the inference device has not been tested yet"],
    )
    assert fresh.alive() == (True, [])


def test_an_engine_without_frames_is_ready(health: Health) -> None:
    assert health.ready(3600.0) == (True, [])


def test_an_engine_that_processes_no_arriving_frames_becomes_unready(health: Health) -> None:
    for second in range(1, 11):
        health.observe_counts(second, 0, float(second))
    assert health.ready(10.9) == (True, [])
    ready, reasons = health.ready(12.0)
    assert (ready, reasons) == (False, ["pipeline: frames arrive, but none was processed for 11 s (10 waiting)"])


def test_one_processed_frame_makes_a_stalled_pipeline_ready_again(health: Health) -> None:
    health.observe_counts(1, 0, 1.0)
    assert not health.ready(20.0)[0]
    health.observe_counts(2, 1, 21.0)
    assert health.ready(21.0) == (True, [])


def test_a_camera_that_returns_after_a_long_silence_is_no_stall(health: Health) -> None:
    health.observe_counts(1, 1, 1.0)
    health.observe_counts(2, 1, 500.0)
    assert health.ready(500.1) == (True, [])


def test_a_stall_ends_when_its_frames_were_dropped_intentionally(health: Health) -> None:
    health.observe_counts(5, 4, 0.5)
    health.observe_counts(6, 4, 1.0)
    assert not health.ready(20.0)[0]
    health.observe_counts(5, 4, 20.5)  # one was dropped intentionally and no longer counts as arrived
    assert health.ready(20.5) == (True, [])
    health.observe_counts(6, 4, 21.0)
    assert health.ready(21.0) == (True, [])
    assert not health.ready(31.0)[0]


def test_a_success_between_errors_makes_stages_ready_again_even_if_counts_were_not_observed(health: Health) -> None:
    for _ in range(5):
        health.stage_failed("detect", 7)
    assert not health.ready(5.0)[0]
    health.stage_failed("detect", 8)
    health.observe_counts(20, 8, 6.5)
    assert health.ready(6.5) == (True, [])


def test_falling_counts_of_a_removed_camera_hide_no_stall(health: Health) -> None:
    health.observe_counts(1000, 990, 1.0)
    health.observe_counts(10, 990, 2.0)
    assert health.ready(100.0) == (True, [])
    health.observe_counts(12, 990, 101.0)
    assert health.ready(101.0) == (True, [])
    assert not health.ready(112.0)[0]


def test_consecutive_stage_errors_make_the_engine_unready_until_a_success(health: Health) -> None:
    for _ in range(4):
        health.stage_failed("detect", 7)
    assert health.ready(4.0) == (True, [])
    health.stage_failed("track", 7)
    health.stage_failed("track", 7)
    ready, reasons = health.ready(6.0)
    assert not ready
    assert reasons == ["stages: 6 consecutive batches failed, the last in stage track; see the log"]
    health.observe_counts(7, 7, 6.5)
    assert not health.ready(6.5)[0], "these were processed before the errors"
    health.observe_counts(8, 8, 7.0)
    assert health.ready(7.0) == (True, [])


def test_an_engine_that_died_is_neither_alive_nor_ready(health: Health) -> None:
    health.died("the inference thread ended")
    health.died("something later")
    assert health.alive() == (False, ["the inference thread ended"])
    assert health.ready(1.0) == (False, ["engine: the inference thread ended"])


def test_a_stopping_engine_is_alive_and_unready(health: Health) -> None:
    health.stopping = True
    assert health.alive() == (True, [])
    assert health.ready(1.0) == (False, ["engine: stopping"])
