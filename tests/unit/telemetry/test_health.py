"""Alive and ready, and why not."""

from __future__ import annotations

import pytest

from telemetry.health import Health


@pytest.fixture
def health() -> Health:
    """Ready at 0 s; a stall counts after 10 s, a run of errors from the fifth on."""
    made = Health(0.0)
    made.weights(True, "", 0.0)
    made.device(True, "", 0.0)
    return made


def test_an_engine_that_has_just_begun_says_what_it_still_lacks() -> None:
    fresh = Health(0.0)
    assert fresh.ready(0.0) == (
        False,
        ["weights: the model's weights are not loaded yet", "device: the inference device has not been tried yet"],
    )
    assert fresh.alive() == (True, [])


def test_with_weights_and_device_it_is_ready_though_no_camera_gives_frames(health: Health) -> None:
    assert health.ready(3600.0) == (True, [])


def test_weights_that_cannot_be_loaded_are_named_with_the_reason(health: Health) -> None:
    health.weights(False, "edge.safetensors: wrong hash", 5.0)
    assert health.ready(6.0) == (False, ["weights: edge.safetensors: wrong hash"])
    assert health.components(6.0)["weights"].since == 5.0


def test_frames_that_arrive_while_none_is_processed_make_it_unready(health: Health) -> None:
    for second in range(1, 11):
        health.looked(second, 0, float(second))
    assert health.ready(10.9) == (True, [])
    ready, reasons = health.ready(12.0)
    assert (ready, reasons) == (
        False,
        ["pipeline: frames arrive, but none was processed for 11 s (10 since then)"],
    )
    assert health.components(15.0)["pipeline"].since == 11.0


def test_one_processed_frame_makes_a_stalled_pipeline_ready_again(health: Health) -> None:
    health.looked(1, 0, 1.0)
    assert not health.ready(20.0)[0]
    health.looked(2, 1, 21.0)
    assert health.ready(21.0) == (True, [])
    assert health.components(22.0)["pipeline"].since == 21.0


def test_a_camera_that_comes_back_after_a_long_silence_is_no_stall(health: Health) -> None:
    health.looked(1, 1, 1.0)
    health.looked(2, 1, 500.0)
    assert health.ready(500.1) == (True, [])


def test_a_stall_is_over_when_its_frames_were_let_go_and_new_ones_come(health: Health) -> None:
    health.looked(5, 4, 0.5)
    health.looked(6, 4, 1.0)
    assert not health.ready(20.0)[0]
    health.looked(5, 4, 20.5)  # let go on purpose: no longer counted as arrived
    assert health.ready(20.5) == (True, [])
    health.looked(6, 4, 21.0)
    assert health.ready(21.0) == (True, [])
    assert not health.ready(31.0)[0]


def test_a_success_between_two_errors_makes_failing_stages_ready_again_though_no_look_saw_it(health: Health) -> None:
    for second in range(5):
        health.stage_failed("detect", 7, float(second))
    assert not health.ready(5.0)[0]
    health.stage_failed("detect", 8, 6.0)
    health.looked(20, 8, 6.5)
    assert health.ready(6.5) == (True, [])


def test_a_camera_that_is_removed_takes_its_counts_with_it_and_hides_no_stall(health: Health) -> None:
    health.looked(1000, 990, 1.0)
    health.looked(10, 990, 2.0)
    assert health.ready(100.0) == (True, [])
    health.looked(12, 990, 101.0)
    assert health.ready(101.0) == (True, [])
    assert not health.ready(112.0)[0]


def test_a_run_of_stage_errors_makes_it_unready_until_a_success(health: Health) -> None:
    for second in range(4):
        health.stage_failed("detect", 7, float(second))
    assert health.ready(4.0) == (True, [])
    health.stage_failed("track", 7, 5.0)
    health.stage_failed("track", 7, 6.0)
    ready, reasons = health.ready(6.0)
    assert not ready
    assert reasons == ["stages: 6 batches in a row failed, the last one in stage track; the log has the error"]
    assert health.components(6.0)["stages"].since == 5.0
    health.looked(7, 7, 6.5)
    assert not health.ready(6.5)[0], "these were processed before the errors"
    health.looked(8, 8, 7.0)
    assert health.ready(7.0) == (True, [])


def test_errors_with_successes_between_them_never_make_it_unready(health: Health) -> None:
    for second in range(100):
        health.stage_failed("detect", second, second + 0.1)
    assert health.ready(100.0) == (True, [])


def test_an_engine_that_died_is_neither_alive_nor_ready(health: Health) -> None:
    health.died("the inference thread ended")
    health.died("something later")
    assert health.alive() == (False, ["the inference thread ended"])
    assert health.ready(1.0) == (False, ["engine: the inference thread ended"])


def test_a_stopping_engine_is_alive_and_unready(health: Health) -> None:
    health.stopping()
    assert health.alive() == (True, [])
    assert health.ready(1.0) == (False, ["engine: stopping"])


@pytest.mark.parametrize(("stall", "errors"), [(0.0, 5), (-1.0, 5), (10.0, 0)])
def test_limits_that_make_no_sense_are_refused(stall: float, errors: int) -> None:
    with pytest.raises(ValueError, match="stall_after_s must be above 0"):
        Health(0.0, stall_after_s=stall, errors_in_a_row=errors)
