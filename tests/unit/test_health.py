"""Alive and ready, and why not."""

from __future__ import annotations

import threading

import pytest

from telemetry.health import Health, HealthObserver


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
        health.frame_arrived(float(second))
    assert health.ready(10.9) == (True, [])
    ready, reasons = health.ready(12.0)
    assert (ready, reasons) == (
        False,
        ["pipeline: frames arrive, but none was processed for 11 s (10 since then)"],
    )
    assert health.components(15.0)["pipeline"].since == 11.0


def test_one_processed_frame_makes_a_stalled_pipeline_ready_again(health: Health) -> None:
    health.frame_arrived(1.0)
    assert not health.ready(20.0)[0]
    health.frame_processed(21.0)
    assert health.ready(21.0) == (True, [])
    assert health.components(22.0)["pipeline"].since == 21.0


def test_a_camera_that_comes_back_after_a_long_silence_is_no_stall(health: Health) -> None:
    health.frame_arrived(1.0)
    health.frame_processed(1.1)
    health.frame_arrived(500.0)
    assert health.ready(500.1) == (True, [])


def test_frames_dropped_on_purpose_do_not_count_as_waiting(health: Health) -> None:
    health.frame_arrived(1.0)
    health.frame_arrived(2.0)
    health.frames_let_go(2)
    assert health.ready(100.0) == (True, [])
    health.frame_arrived(200.0)
    assert health.ready(200.0) == (True, [])


def test_a_stall_is_over_when_its_frames_were_let_go_and_new_ones_come(health: Health) -> None:
    health.frame_arrived(1.0)
    assert not health.ready(20.0)[0]
    health.frames_let_go(1)
    health.frame_arrived(21.0)
    assert health.ready(21.0) == (True, [])


def test_a_run_of_stage_errors_makes_it_unready_until_a_success(health: Health) -> None:
    for second in range(4):
        health.stage_failed("detect", float(second))
    assert health.ready(4.0) == (True, [])
    health.stage_failed("track", 5.0)
    health.stage_failed("track", 6.0)
    ready, reasons = health.ready(6.0)
    assert not ready
    assert reasons == ["stages: 6 batches in a row failed, the last one in stage track; the log has the error"]
    assert health.components(6.0)["stages"].since == 5.0
    health.frame_processed(7.0)
    assert health.ready(7.0) == (True, [])


def test_errors_with_successes_between_them_never_make_it_unready(health: Health) -> None:
    for second in range(100):
        health.stage_failed("detect", second + 0.1)
        health.frame_processed(second + 0.2)
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


def test_the_observer_feeds_the_health_from_the_engines_own_calls() -> None:
    now = 0.0
    health = Health(0.0)
    observer = HealthObserver(health, clock=lambda: now)
    health.device(True, "", 0.0)
    observer.model_loaded("edge", "sha256:ab")
    assert health.ready(now) == (True, [])
    observer.frame_decoded("lobby")
    observer.frame_dropped("lobby", "overwritten")
    now = 11.0
    assert not health.ready(now)[0]
    observer.frame_dropped("lobby", "rate_limited")
    assert health.ready(now) == (True, [])
    for _ in range(5):
        observer.stage_failed("detect")
    assert not health.ready(now)[0]
    observer.frame_published("lobby", 0.1, None)
    assert health.ready(now) == (True, [])


def test_arrivals_and_results_from_many_threads_leave_it_consistent(health: Health) -> None:
    def camera() -> None:
        for _ in range(2000):
            health.frame_arrived(1.0)
            health.frames_let_go(1)

    threads = [threading.Thread(target=camera) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert health.ready(1000.0) == (True, [])


@pytest.mark.parametrize(("stall", "errors"), [(0.0, 5), (-1.0, 5), (10.0, 0)])
def test_limits_that_make_no_sense_are_refused(stall: float, errors: int) -> None:
    with pytest.raises(ValueError, match="stall_after_s must be above 0"):
        Health(0.0, stall_after_s=stall, errors_in_a_row=errors)
