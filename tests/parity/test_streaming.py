"""The pipeline: streaming equals batch, later frames have no effect on earlier results, and states follow tracks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from ring_buffers.window import StaggeredWindow
from stages.checkpoint import Checkpoint
from stages.detection.part_boxes import part_boxes
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.keypoint_features.geometry import sequence_features
from stages.pipeline import Pipeline
from stages.region_features.roi_features import RoiConfig
from stages.region_features.step_regions import REGION_OF_PART
from stages.settings import ModelSettings, PipelineSettings, WindowMode, WindowSettings
from stages.types import FrameAnalysis
from stages.vocabulary import packaged
from support.models.scripted_people import (
    NOBODY,
    STEP_US,
    ScriptedDetector,
    SeeingDetector,
    Spot,
    assert_same,
    moving_people,
    random_checkpoint,
    run,
    scripted_detector,
    scripted_lease,
    scripted_pipeline,
)
from telemetry.observer import Observer

FRAMES = 36
WINDOW = 12


def settings(mode: WindowMode = "staggered", **model: Any) -> PipelineSettings:
    return PipelineSettings(model=ModelSettings(**model), window=WindowSettings(steps=WINDOW, mode=mode))


def reference_scores(script: np.ndarray, person: int, window: int) -> np.ndarray:
    """Return action probabilities [T, actions] of one person, computed over whole sequences in float64.

    Step t is computed from the steps that the staggered window's answering state has seen. The track begins in the
    epoch's first frame, and is confirmed at once.
    """
    network = random_checkpoint().network.double()
    rows = script[:, person]
    scale = np.array([640 / 64, 384 / 38], np.float32)
    boxes = rows[:, :4] * np.tile(scale, 2)
    keypoints = rows[:, 5:].reshape(-1, 17, 3) * np.append(scale, np.float32(1))
    times = np.arange(len(script), dtype=np.int64) * STEP_US
    made = sequence_features(keypoints[None], boxes[None], times[None])
    present = part_boxes(keypoints, boxes, (640, 384)).present
    answers = []
    with torch.no_grad():
        outputs = network.forward_step(
            torch.from_numpy(made.parts[0]).double(),
            torch.from_numpy(made.context[0]).double(),
            torch.from_numpy(present),
        )
        for n in range(len(rows)):
            seen = StaggeredWindow(window).plan(n).seen
            dt = torch.full((1, seen), STEP_US * 1e-6, dtype=torch.float64)
            dt[0, 0] = 0
            logits = network.action_lstm(outputs.graph[None, n + 1 - seen : n + 1], dt)
            answers.append(torch.softmax(logits[0, -1], -1).numpy())
    return np.stack(answers)


def test_the_window_is_the_checkpoints_and_another_setting_logs_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    def window(wanted: int | None, **trained: int) -> int:
        checkpoint = replace(random_checkpoint(), metrics={"config": {"data": trained}} if trained else {})
        detector = ScriptedDetector(moving_people(1, 1))
        return Pipeline(
            scripted_detector(detector), checkpoint, PipelineSettings(window=WindowSettings(steps=wanted))
        ).window_steps

    assert window(None) == 64 and window(12) == 12
    assert window(None, window=WINDOW) == WINDOW == window(WINDOW, window=WINDOW)
    assert not caplog.records
    assert window(64, window=WINDOW) == 64
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "window.steps is 64" in record.getMessage()


@pytest.mark.parametrize("mode", ["staggered", "exact"])
def test_streaming_equals_a_whole_sequence_over_the_steps_of_the_answering_state(mode: WindowMode) -> None:
    script = moving_people(FRAMES, 3)
    pipeline, _ = scripted_pipeline(script, settings(mode=mode))
    found = run(pipeline, [[scripted_lease(number)] for number in range(FRAMES)])
    labels = random_checkpoint().vocabulary.actions
    for row in range(3):
        expected = reference_scores(script, row, WINDOW)
        for n in range(FRAMES):
            # People are ordered from left to right, as in the script.
            action = sorted(found[Spot("hall", 1, n)].people, key=lambda person: person.box[0])[row].action
            assert action is not None
            assert action.label == labels[int(expected[n].argmax())]
            for label, score in action.top:
                assert abs(score - expected[n][labels.index(label)]) <= 1e-5 * expected[n].max()


Made = Callable[[], Pipeline]


def seeing_pipeline() -> Pipeline:
    """A pipeline whose network uses regions of the detector's maps."""
    torch.manual_seed(1)
    vocabulary = packaged("edge")
    config = NetworkConfig(
        visual=True,
        visual_features=RoiConfig().length(),
        visual_hidden=16,
        state_hidden=24,
        graph_hidden=24,
        action_width=24,
        object_regions=REGION_OF_PART,
    )
    network = ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12)).eval()
    checkpoint = Checkpoint(network.requires_grad_(False), "edge", False, "none")
    return Pipeline(scripted_detector(SeeingDetector(moving_people(FRAMES, 3))), checkpoint, settings())


PIPELINES: dict[str, Made] = {
    mode: lambda mode=mode: scripted_pipeline(moving_people(FRAMES, 3), settings(mode))[0]
    for mode in ("staggered", "exact", "continuous")
} | {"seeing": seeing_pipeline}


@cache
def seen_singly(name: str) -> dict[Spot, FrameAnalysis]:
    """What the frames of three people give one by one."""
    return run(PIPELINES[name](), [[scripted_lease(n)] for n in range(FRAMES)])


@pytest.mark.parametrize("size", [2, 5, FRAMES])
@pytest.mark.parametrize("name", PIPELINES)
def test_several_frames_of_several_cameras_per_batch_give_the_results_of_single_frames(size: int, name: str) -> None:
    batches = [
        [scripted_lease(n, camera) for n in range(start, min(start + size, FRAMES)) for camera in ("hall", "yard")]
        for start in range(0, FRAMES, size)
    ]
    together = run(PIPELINES[name](), batches)
    for spot, analysis in seen_singly(name).items():
        for camera in ("hall", "yard"):
            assert_same(analysis, together[spot._replace(camera=camera)])


@pytest.mark.parametrize("batch", [1, 4])
def test_later_frames_have_no_effect_on_earlier_results(batch: int) -> None:
    script = moving_people(40, 2)
    changed = script.copy()
    changed[25:] = moving_people(15, 2, seed=9)
    batches = [[scripted_lease(m) for m in range(n, n + batch)] for n in range(0, 40, batch)]
    one, other = (run(scripted_pipeline(version, settings())[0], batches) for version in (script, changed))
    for n in range(25):
        assert_same(one[Spot("hall", 1, n)], other[Spot("hall", 1, n)], tolerance=1e-6)
    assert one[Spot("hall", 1, 30)] != other[Spot("hall", 1, 30)]


def test_a_missed_person_is_absent_and_keeps_their_state() -> None:
    script = moving_people(40, 2)
    script[20:24, 1] = NOBODY
    pipeline, _ = scripted_pipeline(script, settings(mode="continuous"))
    found = run(pipeline, [[scripted_lease(n)] for n in range(40)])
    tracks = [{person.track for person in found[Spot("hall", 1, n)].people} for n in range(40)]
    assert tracks[19] == tracks[24] == {1, 2}
    assert [len(seen) for seen in tracks[20:24]] == [1, 1, 1, 1]
    assert all(found[Spot("hall", 1, n)].ended == [] for n in range(40))
    assert found[Spot("hall", 1, 22)].tracks == 2

    # The state continued: without the four frames, and with the same times, later scores are equal.
    kept = [n for n in range(40) if not 20 <= n < 24]
    pipeline, _ = scripted_pipeline(moving_people(40, 2), settings(mode="continuous"))
    cut = run(pipeline, [[scripted_lease(n, frame=n, media_us=n * STEP_US)] for n in kept])
    one, twin = (max(each[Spot("hall", 1, 30)].people, key=lambda person: person.box[0]) for each in (found, cut))
    assert one.action is not None and twin.action is not None
    assert abs(one.action.score - twin.action.score) <= 1e-5


def test_a_track_ends_two_seconds_of_media_time_after_its_last_detection() -> None:
    script = moving_people(60, 1)
    script[10:] = NOBODY
    pipeline, _ = scripted_pipeline(script)
    found = run(pipeline, [[scripted_lease(n)] for n in range(60)])
    ended = [n for n in range(60) if found[Spot("hall", 1, n)].ended]
    assert [found[Spot("hall", 1, n)].ended for n in ended] == [[1]]
    assert 2_000_000 < (ended[0] - 9) * STEP_US <= 2_000_000 + 2 * STEP_US
    assert pipeline.state_slots_used == 0


def test_a_new_epoch_resets_tracks_and_states_also_within_a_batch() -> None:
    script = moving_people(40, 2)
    pipeline, _ = scripted_pipeline(script, settings())
    first = [scripted_lease(n) for n in range(18)]
    second = [scripted_lease(n, epoch=2) for n in range(18)]
    found = run(pipeline, [[*first[:10]], [*first[10:], *second[:6]], second[6:]])
    for n in range(18):
        assert_same(found[Spot("hall", 1, n)], found[Spot("hall", 2, n)])
    assert [person.track for person in found[Spot("hall", 2, 0)].people] == [1, 2]
    assert pipeline.state_slots_used == 2


def test_a_full_bank_evicts_the_least_recently_seen_person_and_counts_it() -> None:
    class Evictions(Observer):
        count = 0

        def state_evicted(self, count: int = 1) -> None:
            self.count += count

    script = moving_people(40, 4)
    script[20:, :2] = NOBODY
    script[:20, 2:] = NOBODY
    seen = Evictions()
    pipeline, _ = scripted_pipeline(script, settings(state_slots=2), observer=seen)
    found = run(pipeline, [[scripted_lease(n)] for n in range(40)])
    assert seen.count == 2
    newcomers = found[Spot("hall", 1, 39)].people
    assert len(newcomers) == 2 and all(person.action is not None for person in newcomers)
    # Their scores are those of a bank with enough slots.
    roomy = run(scripted_pipeline(script, settings())[0], [[scripted_lease(n)] for n in range(40)])
    assert_same(found[Spot("hall", 1, 39)], roomy[Spot("hall", 1, 39)])


def test_at_most_twelve_and_a_half_steps_a_second_and_the_last_analysis_is_repeated_between() -> None:
    script = moving_people(30, 1, step_us=33_333)
    pipeline, _ = scripted_pipeline(script, settings(detection="full"))
    found = run(pipeline, [[scripted_lease(n, step_us=33_333)] for n in range(30)])
    scores = [found[Spot("hall", 1, n)].people[0].action for n in range(30)]
    changes = [n for n in range(1, 30) if scores[n] != scores[n - 1]]
    assert changes == list(range(3, 30, 3))  # every third frame: 100 ms is the first gap of at least 79 ms
    boxes = [found[Spot("hall", 1, n)].people[0].box for n in range(30)]
    assert len(set(boxes)) == len(boxes)


def test_detecting_every_third_frame_interpolates_boxes_and_marks_them() -> None:
    script = moving_people(31, 2)
    made = PipelineSettings(model=ModelSettings(detect_every=3), window=WindowSettings(steps=16))
    pipeline, detector = scripted_pipeline(script, made)
    found = run(pipeline, [[scripted_lease(n) for n in range(start, min(start + 4, 31))] for start in range(0, 31, 4)])
    assert detector.pictures == 11
    for n in range(3, 31):
        people = found[Spot("hall", 1, n)].people
        assert len(people) == 2
        assert all(person.detected == (n % 3 == 0) for person in people)
        assert all(person.parts and person.action is not None for person in people)
        if n % 3:
            before = {person.track: person for person in found[Spot("hall", 1, n - n % 3)].people}
            for person in people:
                assert person.action == before[person.track].action
                assert np.abs(np.subtract(person.box, before[person.track].box)).max() < 30


def test_an_eased_pipeline_detects_at_the_rate_of_its_level_and_extrapolates_boxes_between() -> None:
    script = moving_people(60, 2, step_us=40_000)
    pipeline, detector = scripted_pipeline(script, settings(detection="full"))
    rates = [level.detections_per_second for level in pipeline.ease_levels]
    assert rates == [None, 12.5, 8.0, 5.0, 4.0, 3.0]
    leases = [scripted_lease(n, step_us=40_000) for n in range(60)]
    found = run(pipeline, [leases[:10]])
    assert detector.pictures == 10
    pipeline.ease(rates.index(5.0))
    found |= run(pipeline, [leases[start : start + 3] for start in range(10, 40, 3)])
    assert detector.pictures == 10 + 6
    pipeline.ease(0)
    found |= run(pipeline, [leases[40:]])
    assert detector.pictures == 10 + 6 + 20
    people = [found[Spot("hall", 1, n)].people for n in range(1, 60)]
    assert all(len(seen) == 2 for seen in people)
    detected = [n for n, (one, _) in enumerate(people, 1) if one.detected]
    assert detected == [*range(1, 10), *range(14, 40, 5), *range(40, 60)]
    for n in range(15, 19):
        for person, before in zip(found[Spot("hall", 1, n)].people, found[Spot("hall", 1, 14)].people, strict=True):
            assert (person.track, person.action) == (before.track, before.action)


def test_spared_cameras_keep_full_quality_and_a_new_epoch_begins_with_a_detection() -> None:
    script = moving_people(30, 1, step_us=40_000)
    pipeline, detector = scripted_pipeline(script, settings(detection="full"))
    pipeline.ease(len(pipeline.ease_levels) - 1, {"film"})
    leases = [scripted_lease(n, camera, step_us=40_000) for n in range(8) for camera in ("hall", "film")]
    run(pipeline, [leases])
    assert detector.pictures == 1 + 8
    run(pipeline, [[scripted_lease(n, "hall", frame=n - 8, epoch=2, step_us=40_000) for n in range(8, 12)]])
    assert detector.pictures == 1 + 8 + 1


def test_forgetting_a_camera_frees_only_its_people() -> None:
    script = moving_people(20, 2)
    pipeline, _ = scripted_pipeline(script, settings())
    run(pipeline, [[scripted_lease(n), scripted_lease(n, "yard")] for n in range(10)])
    assert pipeline.state_slots_used == 4
    pipeline.forget("yard")
    assert pipeline.state_slots_used == 2
    again = run(pipeline, [[scripted_lease(n), scripted_lease(n, "yard", epoch=2)] for n in range(10, 12)])
    assert {person.track for person in again[Spot("hall", 1, 10)].people} == {1, 2}
    assert {person.track for person in again[Spot("yard", 2, 10)].people} == {1, 2}
    assert pipeline.state_slots_used == 4


def test_an_error_in_a_stage_names_it_and_leaves_all_state_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    script = moving_people(30, 2)
    pipeline, _ = scripted_pipeline(script, settings())
    run(pipeline, [[scripted_lease(n)] for n in range(10)])
    network = pipeline._network

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(network.part_graph, "forward", broken)
        with pytest.raises(RuntimeError, match="out of memory") as fault:
            pipeline.process([scripted_lease(10), scripted_lease(11)])
    assert getattr(fault.value, "stage", None) == "part_graph"

    after = run(pipeline, [[scripted_lease(n)] for n in range(12, 30)])
    # The results are those after dropping the two frames.
    dropped = run(scripted_pipeline(script, settings())[0], [[scripted_lease(n)] for n in (*range(10), *range(12, 30))])
    for n in range(12, 30):
        assert_same(after[Spot("hall", 1, n)], dropped[Spot("hall", 1, n)])


def test_warming_up_changes_no_state() -> None:
    script = moving_people(20, 2)
    cold, warm = (scripted_pipeline(script, settings(state_slots=4))[0] for _ in range(2))
    warm.warm_up()
    assert warm.state_slots_used == 0
    batches = [[scripted_lease(n)] for n in range(20)]
    for spot, analysis in run(cold, batches).items():
        assert_same(analysis, run(warm, [batches[spot.frame]])[spot])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_host_waits_for_the_device_only_for_the_two_copies() -> None:
    script = moving_people(20, 3)
    pipeline, _ = scripted_pipeline(script, settings(), device="cuda")
    pipeline.warm_up()
    on_host = run(scripted_pipeline(script, settings())[0], [[scripted_lease(n)] for n in range(20)])
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = run(pipeline, [[scripted_lease(m) for m in range(n, n + 2)] for n in range(0, 20, 2)])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for spot, analysis in on_host.items():
        assert_same(analysis, found[spot], tolerance=1e-4)
