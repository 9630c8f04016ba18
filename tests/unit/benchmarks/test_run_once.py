"""Tests of the figures computed from send times and a contender's notes."""

import numpy as np
import pytest

from benchmarks.cameras.barcode import UNREADABLE
from benchmarks.cameras.camera_client import Sent
from benchmarks.cameras.clip import Recipe
from benchmarks.run_once import Figures, figures, unwrapped

CLIP = Recipe(width=64, height=48, fps=25, frames=10)
FRAME_NS = 40_000_000
MS = 1_000_000
BEGAN_NS = -500 * MS


def sent(frames: int, cameras: int = 1) -> Sent:
    return Sent([np.arange(frames, dtype=np.int64) * FRAME_NS + 1 for _ in range(cameras)], [1] * cameras)


def notes(*cameras: list[tuple[int, int]], window: tuple[int, int], cpu_s: float = 0.1) -> dict[str, np.ndarray]:
    made = {
        "began_ns": np.array(BEGAN_NS),
        "window_ns": np.array(window),
        "cpu_s": np.array([1.0, 1.0 + cpu_s]),
        "peak_rss_kib": np.array(2048),
    }
    for number, rows in enumerate(cameras):
        made[f"camera_{number}"] = np.array(rows, np.int64).reshape(-1, 2)
    return made


def delivered(frames: range, delay_ms: float) -> list[tuple[int, int]]:
    return [(n % CLIP.frames, n * FRAME_NS + 1 + int(delay_ms * MS)) for n in frames]


def of(made: dict[str, np.ndarray], sent: Sent) -> Figures:
    return figures("someone", made, sent, CLIP)


def test_a_frame_from_before_the_session_is_negative() -> None:
    rows = np.array([(7, 2)], np.int64)
    assert unwrapped(rows, sent(5).times_ns[0], CLIP.frames)[0] < 0


def test_cpu_is_divided_by_the_frames_delivered_in_the_measured_time() -> None:
    found = of(notes(delivered(range(100), 5), window=(10 * FRAME_NS, 60 * FRAME_NS), cpu_s=0.1), sent(100))
    assert found.frames_delivered == 50
    assert found.cpu_ms_per_frame == pytest.approx(2.0)
    assert (found.frames_sent, found.frames_lost, found.duplicates, found.unreadable) == (50, 0, 0, 0)
    assert found.latency_ms_p50 == pytest.approx(5.0)


def test_cameras_are_open_when_each_has_delivered_a_frame() -> None:
    rows = delivered(range(100), 5)
    found = of(notes(rows, rows[20:], window=(30 * FRAME_NS, 60 * FRAME_NS)), sent(100, cameras=2))
    assert found.open_s == pytest.approx(0.5 + 20 * 0.040 + 0.005)


def test_missing_frames_are_lost_and_late_ones_are_not() -> None:
    window = (10 * FRAME_NS, 60 * FRAME_NS)
    rows = [row for n, row in enumerate(delivered(range(100), 55)) if n not in (20, 21)]
    assert of(notes(rows, window=window), sent(100)).frames_lost == 2


def test_a_frame_delivered_twice_is_a_duplicate_and_does_not_hide_a_loss() -> None:
    window = (10 * FRAME_NS, 60 * FRAME_NS)
    rows = delivered(range(100), 5)
    rows[30] = rows[29][0], rows[30][1]
    found = of(notes(rows, window=window), sent(100))
    assert (found.frames_lost, found.duplicates) == (1, 1)


def test_a_damaged_picture_is_unreadable_and_its_frame_lost() -> None:
    rows = delivered(range(100), 5)
    rows[30] = (UNREADABLE, rows[30][1])
    found = of(notes(rows, window=(10 * FRAME_NS, 60 * FRAME_NS)), sent(100))
    assert (found.frames_lost, found.unreadable) == (1, 1)


def test_a_reconnected_camera_is_counted_and_its_losses_estimated_from_its_rate() -> None:
    begin, end = 10 * FRAME_NS, 60 * FRAME_NS
    again = Sent([np.arange(20, dtype=np.int64) * FRAME_NS + 40 * FRAME_NS + 1], [2])
    rows = [(n % CLIP.frames, 40 * FRAME_NS + n * FRAME_NS + 5 * MS) for n in range(20)]
    found = of(notes(rows, window=(begin, end)), again)
    assert found.restarts == 1
    assert (found.frames_sent, found.frames_lost) == (50, 30)


def test_own_latency_counts_only_frames_handed_over_in_the_measured_time() -> None:
    made = notes(delivered(range(100), 5), window=(10 * FRAME_NS, 60 * FRAME_NS))
    made["extra_own_latency"] = np.array([(5 * FRAME_NS, 900 * MS), (20 * FRAME_NS, MS), (30 * FRAME_NS, 3 * MS)])
    found = of(made, sent(100))
    assert found.own_latency_ms_p50 == pytest.approx(2.0)
