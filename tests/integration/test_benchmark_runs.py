"""Short runs of the benchmark's cameras and contenders, with every sent frame accounted for."""

import av
import numpy as np
import pytest

from benchmarks import peers
from benchmarks.cameras import barcode
from benchmarks.cameras.camera_client import Cameras
from benchmarks.cameras.clip import Clip, Recipe, prepared
from benchmarks.engine.end_to_end_trial import EngineOptions, core_ids, place, run_trial
from benchmarks.run_once import REPOSITORY, Contender, RunFailedError, run_once

SMALL = Recipe(width=320, height=180, frames=50, bits_per_second=300_000)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return prepared(SMALL, tmp_path_factory.mktemp("clip"))


def first_numbers(url: str, count: int) -> list[int]:
    """Return the numbers of the first frames that a camera sends."""
    numbers: list[int] = []
    with av.open(url, options={"rtsp_transport": "tcp", "analyzeduration": "0", "probesize": "32"}) as stream:
        stream.streams.video[0].thread_type = "NONE"
        for frame in stream.decode(video=0):
            numbers.append(barcode.read(frame.to_ndarray(format="gray")))
            if len(numbers) == count:
                break
    return numbers


def test_every_client_starts_with_frame_0_and_cameras_send_in_turn(clip: Clip) -> None:
    with Cameras(clip, 2) as cameras:
        assert [first_numbers(url, 30) for url in cameras.urls] == [[*range(30)]] * 2
        sent = cameras.sent()
    assert sent.sessions == [1, 1]
    between = abs(phase_ms(sent.times_ns[0]) - phase_ms(sent.times_ns[1]))
    assert min(between, 40 - between) == pytest.approx(20, abs=9), "0 if they were not staggered"
    with Cameras(clip, 2, spread=True) as cameras:
        assert [first_numbers(url, 1) for url in cameras.urls] == [[0], [25]]


def phase_ms(times_ns: np.ndarray) -> float:
    """Return at which of the 40 ms between frames a camera sends, by its more punctual frames."""
    period, half = 40_000_000, 20_000_000
    late = (times_ns - times_ns[5] + half) % period - half
    return float((times_ns[5] + np.percentile(late, 20)) % period) / 1e6


def test_a_trial_counts_each_due_result_and_the_cpu_of_each_process(clip: Clip) -> None:
    placement = place(1, core_ids())
    trial, settings = run_trial(clip, 2, 0, placement, EngineOptions(profile="free"), seconds=1.0, warm_up_s=0.2)
    assert trial.due == pytest.approx(2 * 25, rel=0.1)
    assert 0 < trial.received <= trial.due
    assert trial.age_ms_p50 is not None and trial.age_ms_p50 > 0
    assert trial.published_ms_p50 is not None and trial.published_ms_p50 > 0
    assert min(trial.engine_cores, trial.cpu_ms_per_frame, trial.cameras_cores) > 0
    assert settings["model"]["profile"] == "free"


@pytest.mark.parametrize("name", [peers.BARE, f"{peers.OURS_RGB}{peers.OTHER}", peers.NATIVE, peers.OPENCV_ONE])
def test_a_contender_delivers_every_frame_of_two_small_cameras(clip: Clip, name: str) -> None:
    contender = peers.contender(name, against=REPOSITORY)
    found = run_once(contender, clip, cameras=2, seconds=1.0, warm_up_s=0.2)
    assert found.frames_sent > 0
    assert (found.duplicates, found.unreadable, found.restarts) == (0, 0, 0)
    assert found.frames_lost <= (found.dropped or 0), "an engine drops frames on a busy machine, and counts them"
    assert found.cpu_ms_per_frame > 0 and found.open_s > 0
    assert 0 < found.latency_ms_p50 <= found.latency_ms_p99
    if contender.publishes:
        assert found.own_latency_ms_p50 is not None and 0 < found.own_latency_ms_p50 < found.latency_ms_p50
        assert found.subscriber is not None and found.subscriber.missed == 0
        assert found.subscriber.published == found.frames_delivered


def test_a_failed_contender_reports_its_output(clip: Clip) -> None:
    with pytest.raises(RunFailedError, match="no_such_module"):
        run_once(Contender("broken", "no_such_module"), clip, cameras=1, seconds=1.0, warm_up_s=0.0)
