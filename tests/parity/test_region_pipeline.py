"""The pipeline with a region detector and VGG features agrees with plain loops, and streaming equals batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ring_buffers.window import StaggeredWindow
from stages import step_scores
from stages.detection.detections import ObjectDetections, PartBoxes
from stages.detection.keypoint_detector import MOVENET_THRESHOLDS
from stages.detection.regions import region_batches
from stages.detection.regions.region_classes import RegionClasses
from stages.detection.regions.region_detector import RegionDetector
from stages.heads.network import VisualInput
from stages.people.batch_steps import BatchSteps
from stages.people.held_objects import HAND_REACH, held_objects
from stages.pipeline import Pipeline
from stages.region_features.vgg_features import PictureRegions
from stages.settings import ModelSettings, PipelineSettings, TrackingSettings, WindowSettings
from stages.step_scores import PersonInputs
from stages.types import Box, FrameAnalysis, PartAnalysis
from stages.vocabulary import PARTS
from support.models.plain_stages import agree, plain_actions, plain_outputs
from support.models.region_people import (
    CLASSES,
    FEATURES,
    SCALE,
    ScriptedRegions,
    layout,
    moving_regions,
    paper_checkpoint,
    region_lease,
    region_pipeline,
)
from support.models.scripted_people import (
    PICTURE,
    SLOT,
    STEP_US,
    Spot,
    assert_same,
    random_checkpoint,
    record_inputs,
    run,
)

FRAMES, PEOPLE, WINDOW = 26, 3, 12
SETTINGS = PipelineSettings(model=ModelSettings(detection="full"), window=WindowSettings(steps=WINDOW))


@pytest.fixture(scope="module")
def script() -> np.ndarray:
    return moving_regions(FRAMES, PEOPLE)


@pytest.fixture(scope="module")
def singly(script: np.ndarray) -> dict[Spot, FrameAnalysis]:
    return run(region_pipeline(script, PEOPLE, SETTINGS)[0], [[region_lease(n)] for n in range(FRAMES)])


def assert_all_same(one: FrameAnalysis, other: FrameAnalysis) -> None:
    assert_same(one, other)
    assert one.objects == other.objects


@pytest.mark.parametrize("sizes", [(2,), (5, 1, 3), (FRAMES,)])
def test_several_frames_of_a_camera_per_batch_give_the_results_of_single_frames(
    sizes: tuple[int, ...], script: np.ndarray, singly: dict[Spot, FrameAnalysis]
) -> None:
    batches, start = [], 0
    while start < FRAMES:
        size = sizes[len(batches) % len(sizes)]
        batches.append([region_lease(n) for n in range(start, min(start + size, FRAMES))])
        start += size
    together = run(region_pipeline(script, PEOPLE, SETTINGS)[0], batches)
    assert len(singly) == FRAMES and len(singly[Spot("hall", 1, 9)].people) == PEOPLE
    for spot, analysis in singly.items():
        assert_all_same(analysis, together[spot])


def test_people_of_other_cameras_in_the_batch_have_no_effect(
    script: np.ndarray, singly: dict[Spot, FrameAnalysis]
) -> None:
    both = np.concatenate([script, moving_regions(FRAMES, PEOPLE, seed=2)])
    batches = []
    for n in range(0, FRAMES, 2):
        others = [region_lease(FRAMES + m, "yard", frame=m) for m in range(n, n + 2)]
        mine = [region_lease(m) for m in range(n, n + 2)]
        batches.append([others[0], mine[0], mine[1], others[1]] if n % 4 else [*mine, *others])
    mixed = run(region_pipeline(both, PEOPLE, SETTINGS)[0], batches)
    for spot, analysis in singly.items():
        assert_all_same(analysis, mixed[spot])


@pytest.mark.parametrize("batch", [1, 4])
def test_later_frames_have_no_effect_on_earlier_results(batch: int, script: np.ndarray) -> None:
    changed = script.copy()
    changed[16:] = moving_regions(FRAMES - 16, PEOPLE, seed=9)
    leases = [region_lease(n) for n in range(FRAMES)]
    batches = [leases[n : n + batch] for n in range(0, FRAMES, batch)]
    before, after = (run(region_pipeline(version, PEOPLE, SETTINGS)[0], batches) for version in (script, changed))
    for n in range(16):
        assert_all_same(before[Spot("hall", 1, n)], after[Spot("hall", 1, n)])
    assert before[Spot("hall", 1, 20)] != after[Spot("hall", 1, 20)]


def plain_parts(rows: np.ndarray, people: list[np.ndarray]) -> list[dict[str, tuple[np.ndarray, float]]]:
    """Return each person's parts, by trying all one-to-one assignments in float64; boxes in the epoch's pixels."""
    owned: list[dict[str, tuple[np.ndarray, float]]] = [{} for _ in people]
    for part, name in enumerate(PARTS):
        found = [
            (row[:4] * np.tile(SCALE, 2), float(row[4])) for row in layout(PEOPLE).parts_of(rows)[part] if row[4] >= 0.1
        ]

        def worth(person: int, at: int, found: Any = found) -> float:
            box, score = found[at][0].astype(float), found[at][1]
            mine = people[person].astype(float)
            width = min(box[2], mine[2]) - max(box[0], mine[0])
            height = min(box[3], mine[3]) - max(box[1], mine[1])
            share = max(width, 0) * max(height, 0) / ((box[2] - box[0]) * (box[3] - box[1]))
            return share * score if share >= 0.5 else 0.0

        def best(person: int, taken: frozenset[int], found: Any = found) -> tuple[float, dict[int, int]]:
            if person == len(people):
                return 0.0, {}
            choices = [best(person + 1, taken)]
            for at in range(len(found)):
                if at not in taken and worth(person, at) > 0:
                    total, chosen = best(person + 1, taken | {at})
                    choices.append((total + worth(person, at), {person: at, **chosen}))
            return max(choices, key=lambda choice: choice[0])

        for person, at in best(0, frozenset())[1].items():
            owned[person][name] = found[at]
    return owned


def plain_object(person: np.ndarray, parts: dict[str, tuple[np.ndarray, float]], things: list[Any]) -> Any:
    """Return the object (label, box, score) that is nearest to a hand and within its reach; `things` is best first."""
    nearest, chosen = np.inf, None
    for thing in things:
        for hand in ("left_hand", "right_hand"):
            if hand not in parts:
                continue
            box = parts[hand][0]
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            dx = max(thing[1][0] - x, x - thing[1][2], 0)
            dy = max(thing[1][1] - y, y - thing[1][3], 0)
            if (far := float(np.hypot(dx, dy))) < nearest:
                nearest, chosen = far, thing
    return chosen if nearest <= HAND_REACH * max(person[2] - person[0], person[3] - person[1]) else None


def test_parts_objects_features_states_and_actions_agree_with_plain_loops(
    script: np.ndarray, singly: dict[Spot, FrameAnalysis], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def record(steps: BatchSteps, inputs: PersonInputs, visual: VisualInput | None) -> None:
        assert visual is not None
        for row, (person, step) in enumerate(zip(steps.people, steps.steps, strict=True)):
            at = (person.key.track, step.media_us // STEP_US)
            read[at] = visual.parts[row].numpy().copy(), visual.objects[row].numpy().copy()

    record_inputs(monkeypatch, record)
    batches = [[region_lease(n) for n in range(start, min(start + 4, FRAMES))] for start in range(0, FRAMES, 4)]
    run(region_pipeline(script, PEOPLE, SETTINGS)[0], batches)

    checkpoint = paper_checkpoint()
    extractor = checkpoint.features
    assert extractor is not None
    network = checkpoint.network
    graphs: dict[int, list[np.ndarray]] = {}
    held = 0
    for n in range(FRAMES):
        said = singly[Spot("hall", 1, n)]
        rows = script[n]
        things = [
            (CLASSES.names[int(row[5])], row[:4] * np.tile(SCALE, 2), row[4])
            for row in layout(PEOPLE).objects_of(rows)
            if row[4] >= 0.3
        ]
        assert [thing.label for thing in said.objects] == [label for label, _, _ in things]
        for thing, (_, box, score) in zip(said.objects, things, strict=True):
            assert np.allclose(thing.box, box) and abs(thing.score - score) < 1e-6
        boxes = [np.array(person.box, np.float32) for person in said.people]
        picture = torch.from_numpy(region_lease(n).picture[: SLOT.content[1], : SLOT.content[0]].copy())[None]

        def seen(box: np.ndarray, picture: torch.Tensor = picture) -> np.ndarray:
            region = torch.from_numpy((box / np.tile(SCALE, 2)).astype(np.float32))[None]
            with torch.inference_mode():
                group = PictureRegions(picture, region, torch.zeros(1, dtype=torch.int64))
                return extractor([group])[0].numpy()

        for person, box, parts in zip(said.people, boxes, plain_parts(rows, boxes), strict=True):
            assert {part.part for part in person.parts} == set(parts)
            expected = np.zeros((10, FEATURES))
            for part in person.parts:
                assert np.allclose(part.box, parts[part.part][0]) and abs(part.score - parts[part.part][1]) < 1e-6
                expected[PARTS.index(part.part)] = seen(parts[part.part][0])
            thing = plain_object(box, parts, things)
            held += thing is not None
            whole = np.array([0, 0, *PICTURE], np.float32)
            of_object = seen(whole if thing is None else thing[1])[None]
            agree(torch.from_numpy(read[person.track, n][0]), expected)
            agree(torch.from_numpy(read[person.track, n][1]), of_object)
            present = torch.tensor([[name in parts for name in PARTS]])
            visual = VisualInput(torch.from_numpy(expected).float()[None], torch.from_numpy(of_object).float()[None])
            plain = plain_outputs(network, (torch.zeros(1, 10, 0), torch.zeros(1, 0), present), visual)
            for part in person.parts:
                assert abs(part.relevance - plain["relevance"][0, PARTS.index(part.part)]) <= 1e-5
            graphs.setdefault(person.track, []).append(plain["graph"][0])
    assert held > 10, "some people hold an object"
    labels = checkpoint.vocabulary.actions
    for track, graph in graphs.items():
        for step in range(len(graph)):
            count = StaggeredWindow(WINDOW).plan(step).seen
            dt = np.array([0.0] + [STEP_US * 1e-6] * (count - 1))
            logits = plain_actions(network, np.stack(graph[step + 1 - count : step + 1]), dt)[-1]
            scores = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
            person = next(p for p in singly[Spot("hall", 1, step)].people if p.track == track)
            assert person.action is not None
            for label, score in person.action.top:
                assert abs(score - scores[labels.index(label)]) <= 1e-5 * scores.max()


def test_between_detections_parts_are_interpolated_and_objects_keep_still_or_move_with_a_hand(
    script: np.ndarray,
) -> None:
    settings = PipelineSettings(model=ModelSettings(detect_every=3), window=SETTINGS.window)
    pipeline, detector = region_pipeline(script, PEOPLE, settings)
    found = run(pipeline, [[region_lease(n) for n in range(start, start + 2)] for start in range(0, FRAMES, 2)])
    assert detector.pictures == 9
    for n in range(3, FRAMES):
        said, last = found[Spot("hall", 1, n)], found[Spot("hall", 1, n - n % 3)]
        assert all(person.detected == (n % 3 == 0) and person.parts for person in said.people)
        assert [(one.label, one.score) for one in said.objects] == [(one.label, one.score) for one in last.objects]
        hands = [centre(part.box) - centre(before.box) for part, before in both_hands(said, last)]
        for one, before in zip(said.objects, last.objects, strict=True):
            moved = centre(one.box) - centre(before.box)
            assert not moved.any() or any(np.allclose(moved, hand, atol=1e-3) for hand in hands)
        assert said.objects and all(thing.detected == (n % 3 == 0) for thing in said.objects)


def centre(box: Box) -> np.ndarray:
    return np.array([box[0] + box[2], box[1] + box[3]]) / 2


def both_hands(said: FrameAnalysis, last: FrameAnalysis) -> list[tuple[PartAnalysis, PartAnalysis]]:
    """The hands of two frames that hold something, in pairs."""
    before = {(person.track, part.part): part for person in last.people for part in person.parts}
    now = ((person.track, part) for person in said.people for part in person.parts)
    return [(part, before[track, part.part]) for track, part in now if part.holds]


def test_a_batch_needs_two_device_to_host_copies(script: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[int] = []
    for module in (region_batches, step_scores):
        monkeypatch.setattr(
            module, "to_host", lambda tensor, copy=module.to_host: (copies.append(tensor.numel()), copy(tensor))[1]
        )
    pipeline, _ = region_pipeline(script, PEOPLE, SETTINGS)
    pipeline.process([region_lease(0), region_lease(1)])
    copies.clear()
    pipeline.process([region_lease(2), region_lease(3), region_lease(0, "yard")])
    assert len(copies) == 2


def test_warming_up_changes_no_state(script: np.ndarray, singly: dict[Spot, FrameAnalysis]) -> None:
    warm, _ = region_pipeline(script, PEOPLE, SETTINGS)
    warm.warm_up()
    assert warm.state_slots_used == 0
    for spot, analysis in run(warm, [[region_lease(n)] for n in range(8)]).items():
        assert_all_same(analysis, singly[spot])


def test_a_network_that_needs_keypoints_is_rejected_with_a_detector_without_them(script: np.ndarray) -> None:
    detector = RegionDetector(ScriptedRegions(script, PEOPLE))
    with pytest.raises(ValueError, match="needs keypoints, but its detector finds none"):
        Pipeline(detector, random_checkpoint())


def test_a_detector_without_parts_is_rejected(script: np.ndarray) -> None:
    detector = ScriptedRegions(script, PEOPLE)
    detector.classes = RegionClasses.of(("person", "ball"), PARTS)
    with pytest.raises(ValueError, match="no classes of body parts"):
        RegionDetector(detector)


def test_the_object_nearest_to_a_hand_within_its_reach_is_held() -> None:
    def parts(*hands: tuple[float, float, float, float]) -> PartBoxes:
        boxes, present = np.zeros((1, 10, 4), np.float32), np.zeros((1, 10), bool)
        for name, box in zip(("left_hand", "right_hand"), hands):
            boxes[0, PARTS.index(name)], present[0, PARTS.index(name)] = box, True
        return PartBoxes(boxes, present.astype(np.float32), present)

    def held(hands: PartBoxes, *boxes: tuple[float, float, float, float], names: tuple[str, ...] = PARTS) -> int:
        scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)
        things = ObjectDetections(np.array(boxes, np.float32).reshape(-1, 4), scores, ("ball",) * len(boxes))
        return int(held_objects(np.array([[0, 0, 40, 100]], np.float32), hands, names, things)[0])

    hand = (10, 10, 20, 20)  # centre 15, 15; reach 20
    assert held(parts(hand), (34.9, 10, 60, 20)) == 0 and held(parts(hand), (35.1, 10, 60, 20)) == -1
    assert held(parts(hand), (30, 10, 60, 20), (25, 10, 60, 20)) == 1, "the nearer one"
    assert held(parts(hand), (0, 0, 90, 90), (14, 14, 16, 16)) == 0, (
        "the one with the better score if both contain the hand"
    )
    assert held(parts(hand, (70, 70, 80, 80)), (80, 80, 90, 90)) == 0, "either hand"
    assert held(parts(), (0, 0, 90, 90)) == -1, "no visible hand"
    assert held(parts(hand)) == -1, "no object"
    assert held(parts(hand), (0, 0, 90, 90), names=("head",) * 10) == -1, "a vocabulary without hands"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_host_waits_for_the_device_only_for_the_two_copies(
    script: np.ndarray, singly: dict[Spot, FrameAnalysis]
) -> None:
    pipeline, _ = region_pipeline(script, PEOPLE, SETTINGS, device="cuda")
    pipeline.warm_up()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = run(pipeline, [[region_lease(m) for m in range(n, n + 2)] for n in range(0, FRAMES, 2)])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for spot, analysis in singly.items():
        assert_same(analysis, found[spot], tolerance=1e-3)


def test_thresholds_are_the_detectors_unless_they_are_set(script: np.ndarray) -> None:
    region, keypoint = RegionDetector(ScriptedRegions(script, PEOPLE)).default_thresholds, MOVENET_THRESHOLDS
    assert (region.activation_score, region.high_score) == (0.5, 0.5)
    assert (keypoint.activation_score, keypoint.high_score) == (0.25, 0.2)
    chosen = PipelineSettings(model=ModelSettings(person_score=0.0), tracking=TrackingSettings(high_score=0.4))
    assert chosen.thresholds(region) == replace(region, person_score=0.0, high_score=0.4)
