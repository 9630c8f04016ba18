"""Tests of the warnings about cameras that the model is too slow for."""

from __future__ import annotations

import logging

import pytest

from stream.cameras.lost_frames import LostFrames
from stream.results import CameraStats


def stats(decoded: int, processed: int, **dropped: int) -> CameraStats:
    return CameraStats("door", "live", 1, decoded, processed, dropped, 0.0, 0.0, 0)


def warnings_over(seconds: int, log: pytest.LogCaptureFixture, per_second: CameraStats) -> list[str]:
    """Return the warnings about a camera whose counts grow by `per_second`."""
    watched = LostFrames()
    log.set_level(logging.WARNING)
    for second in range(seconds + 1):
        dropped = {reason: second * count for reason, count in per_second.dropped.items()}
        counts = stats(second * per_second.decoded, second * per_second.processed, **dropped)
        watched.observe([counts], float(second))
    return log.messages


def test_a_camera_that_loses_most_frames_is_warned_of_with_rates_and_remedy(caplog: pytest.LogCaptureFixture) -> None:
    messages = warnings_over(290, caplog, stats(25, 7, overwritten=15, stale=3))
    assert messages == [
        "camera door: the model is too slow for it: of 25.0 frames per second, 7.0 are analysed. "
        "Set max_fps to what is analysed, or a smaller detector_size"
    ]


def test_the_warning_is_repeated_after_five_minutes(caplog: pytest.LogCaptureFixture) -> None:
    assert len(warnings_over(320, caplog, stats(25, 7, stale=18))) == 2


def test_nine_seconds_of_loss_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert warnings_over(9, caplog, stats(25, 0, stale=25)) == []


@pytest.mark.parametrize(
    "per_second", [stats(25, 7, rate_limited=18), stats(25, 13, stale=12), stats(25, 0, stage_error=25), stats(0, 0)]
)
def test_other_losses_are_not_warned_of(per_second: CameraStats, caplog: pytest.LogCaptureFixture) -> None:
    assert warnings_over(30, caplog, per_second) == []


def test_a_restarted_camera_is_counted_from_zero(caplog: pytest.LogCaptureFixture) -> None:
    watched = LostFrames()
    watched.observe([stats(1000, 900, stale=0)], 0.0)
    watched.observe([stats(20, 2, stale=18)], 11.0)
    watched.observe([stats(25, 7, stale=18)], 15.0)
    assert caplog.messages == []
