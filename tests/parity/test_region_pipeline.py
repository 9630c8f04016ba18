"""Detectors of regions: parts, objects, features and actions agree with plain loops, and streaming equals batch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.window import StaggeredWindow
from stages.detection.cascade_rcnn.cascade_rcnn import PackedRegions
from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.detection.cascade_rcnn.detector_model import for_classes
from stages.detection.paired_detector import MIN_IOU, PairedDetector, same_people
from stages.detection.region_detector import MIN_CONTAINED, RegionClasses, RegionDetector, RegionLayout, assign_parts
from stages.heads.network import VisualInput
from stages.looks import WHOLE
from stages.people.objects import HAND_REACH
from stages.people.people import BatchSteps
from stages.pipeline import Pipeline
from stages.profiles import region_detector
from stages.region_features.vgg_features import PictureRegions
from stages.settings import ModelSettings, PipelineSettings, WindowSettings
from stages.step_scores import PersonInputs
from stages.types import FrameAnalysis
from stages.vocabulary import PARTS
from support.models.plain_stages import agree, plain_actions, plain_outputs
from support.models.random_detectors import random_detector, random_picture, small_cascade
from support.models.region_people import (
    CLASSES,
    FEATURES,
    SCALE,
    THINGS,
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
    ScriptedDetector,
    Spot,
    assert_same,
    moving_people,
    random_checkpoint,
    record_inputs,
    run,
)

FRAMES, PEOPLE, WINDOW = 26, 3, 12
SETTINGS = PipelineSettings(model=ModelSettings(detection="full"), window=WindowSettings(steps=WINDOW))
WITHOUT_PARTS = RegionClasses.of(("ball", "person", "bat"), PARTS)
BARE = RegionLayout(PEOPLE, 0, 0, THINGS)


class BareRegions(ScriptedRegions):
    """A scripted detector of people and objects without parts."""

    classes = WITHOUT_PARTS

    def decode(self, heads: torch.Tensor, max_people: int) -> PackedRegions:
        return PackedRegions(super().decode(heads, max_people).packed, BARE)


@pytest.fixture(scope="module")
def script() -> NDArray[np.float32]:
    return moving_regions(FRAMES, PEOPLE)


@pytest.fixture(scope="module")
def poses() -> NDArray[np.float32]:
    return moving_people(FRAMES, PEOPLE)


def paired(poses: NDArray[np.float32]) -> PairedDetector:
    """Return a detector whose regions have the people in reverse order, in boxes a little smaller than the keypoints',
    and a ball in the hand of one."""
    rows = np.zeros((FRAMES, BARE.rows, 6), np.float32)
    rows[:, :PEOPLE, :4] = poses[:, ::-1, :4] + np.array([0.4, 0.4, -0.4, -0.4])
    rows[:, :PEOPLE, 4:] = 0.9, WITHOUT_PARTS.person
    wrist = poses[:, 0, 5:].reshape(-1, 17, 3)[:, 9, :2]
    rows[:, PEOPLE, :4] = np.concatenate([wrist - 1, wrist + 1], 1)
    rows[:, PEOPLE, 4:] = 0.8, WITHOUT_PARTS.objects[0]
    return PairedDetector(BareRegions(rows, PEOPLE), ScriptedDetector(poses))


@pytest.fixture(scope="module")
def singly(script: NDArray[np.float32]) -> dict[Spot, FrameAnalysis]:
    return run(region_pipeline(script, PEOPLE, SETTINGS)[0], [[region_lease(n)] for n in range(FRAMES)])


@pytest.mark.parametrize("kind", ["regions", "paired"])
def test_several_frames_per_batch_give_the_results_of_single_frames(
    kind: str, script: NDArray[np.float32], poses: NDArray[np.float32]
) -> None:
    def made() -> Pipeline:
        if kind == "regions":
            return region_pipeline(script, PEOPLE, SETTINGS)[0]
        return Pipeline(paired(poses), paper_checkpoint(), SETTINGS)

    leases = [region_lease(n) for n in range(FRAMES)]
    alone, together = run(made(), [[lease] for lease in leases]), run(made(), [leases[:5], leases[5:6], leases[6:]])
    last = alone[Spot("hall", 1, FRAMES - 1)]
    assert len(last.people) == PEOPLE and last.objects
    for spot, analysis in alone.items():
        assert_same(analysis, together[spot])
        assert analysis.objects == together[spot].objects


def plain_object(person: NDArray[np.float32], parts: dict[str, Any], things: list[Any]) -> Any:
    """Return the object (label, box, score) that is nearest to a hand and within its reach; `things` is best first."""
    nearest, chosen = np.inf, None
    for thing in things:
        for hand in ("left_hand", "right_hand"):
            if hand not in parts:
                continue
            box = parts[hand]
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            dx = max(thing[1][0] - x, x - thing[1][2], 0)
            dy = max(thing[1][1] - y, y - thing[1][3], 0)
            if (far := float(np.hypot(dx, dy))) < nearest:
                nearest, chosen = far, thing
    return chosen if nearest <= HAND_REACH * max(person[2] - person[0], person[3] - person[1]) else None


def test_parts_objects_features_states_and_actions_agree_with_plain_loops(
    script: NDArray[np.float32], singly: dict[Spot, FrameAnalysis], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[tuple[int, int], tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def record(steps: BatchSteps, inputs: PersonInputs, visual: VisualInput | None) -> None:
        assert visual is not None
        for row, (person, step) in enumerate(zip(steps.people, steps.steps, strict=True)):
            at = (person.key.track, step.media_us // STEP_US)
            read[at] = visual.parts[row].numpy().copy(), visual.objects[row].numpy().copy()

    record_inputs(monkeypatch, record)
    run(region_pipeline(script, PEOPLE, SETTINGS)[0], [[region_lease(n)] for n in range(FRAMES)])
    checkpoint = paper_checkpoint()
    extractor, network = checkpoint.features, checkpoint.network
    assert extractor is not None
    graphs: dict[int, list[NDArray[np.float64]]] = {}
    held = 0
    for n in range(FRAMES):
        said, rows, whole = singly[Spot("hall", 1, n)], script[n], np.array([0, 0, *PICTURE], np.float32)
        things = [
            (CLASSES.names[int(row[5])], row[:4] * np.tile(SCALE, 2), row[4])
            for row in layout(PEOPLE).objects_of(rows)
            if row[4] >= 0.3
        ]
        assert [thing.label for thing in said.objects] == [label for label, _, _ in things]
        for thing, (_, box, score) in zip(said.objects, things, strict=True):
            assert np.allclose(thing.box, box) and abs(thing.score - score) < 1e-6
        picture = torch.from_numpy(region_lease(n).picture[: SLOT.content[1], : SLOT.content[0]].copy())[None]

        def seen(box: Any, picture: torch.Tensor = picture) -> NDArray[np.float32]:
            region = torch.from_numpy((box / np.tile(SCALE, 2)).astype(np.float32))[None]
            with torch.inference_mode():
                return extractor([PictureRegions(picture, region, torch.zeros(1, dtype=torch.int64))])[0].numpy()

        boxes = np.array([person.box for person in said.people], np.float32)
        found = layout(PEOPLE).parts_of(rows)
        owned = assign_parts(boxes, found[..., :4] * np.tile(SCALE, 2), found[..., 4], 0.1)
        for who, person in enumerate(said.people):
            parts = {PARTS[part]: owned.boxes[who, part] for part in np.flatnonzero(owned.present[who])}
            assert {part.part for part in person.parts} == set(parts)
            expected = np.zeros((10, FEATURES))
            for part in person.parts:
                row = PARTS.index(part.part)
                assert np.allclose(part.box, parts[part.part]) and abs(part.score - owned.scores[who, row]) < 1e-6
                expected[row] = seen(parts[part.part])
            thing = plain_object(boxes[who], parts, things)
            held += thing is not None
            of_object = seen(whole if thing is None else thing[1])[None]
            agree(read[person.track, n][0], expected)
            agree(read[person.track, n][1], of_object.astype(np.float64))
            visual = VisualInput(torch.from_numpy(expected).float()[None], torch.from_numpy(of_object)[None])
            nothing = torch.zeros(1, 10, 0), torch.zeros(1, 0)
            plain = plain_outputs(network, (*nothing, torch.from_numpy(owned.present[who])[None]), visual)
            for part in person.parts:
                assert abs(part.relevance - plain["relevance"][0, PARTS.index(part.part)]) <= 1e-5
            graphs.setdefault(person.track, []).append(plain["graph"][0])
    assert held > 10, "some people hold an object"
    for track, graph in graphs.items():
        for step in range(len(graph)):
            count = StaggeredWindow(WINDOW).plan(step).seen
            dt = np.array([0.0] + [STEP_US * 1e-6] * (count - 1))
            logits = plain_actions(network, np.stack(graph[step + 1 - count : step + 1]), dt)[-1]
            scores = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
            person = next(p for p in singly[Spot("hall", 1, step)].people if p.track == track)
            assert person.action is not None
            for label, score in person.action.top:
                assert abs(score - scores[checkpoint.vocabulary.actions.index(label)]) <= 1e-5 * scores.max()


Box = tuple[float, float, float, float]
box = st.builds(
    lambda x, y, w, h: (float(x), float(y), float(x + w), float(y + h)),
    st.integers(0, 12), st.integers(0, 12), st.integers(1, 8), st.integers(1, 8),
)  # fmt: skip
score = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0])


def shared(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def greatest_sum(few: int, many: int, value: Callable[[int, int], float]) -> float:
    """Return the greatest sum of values of all ways to give each of the few one of the many, or none."""
    columns = [*range(many), *[-1] * few]
    return max(
        sum(value(row, column) for row, column in enumerate(order) if column >= 0)
        for order in permutations(columns, few)
    )


def array(*rows: Box) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 4)


@given(
    people=st.lists(box, max_size=4),
    parts=st.lists(st.lists(st.tuples(box, score), min_size=3, max_size=3), min_size=1, max_size=3),
)
def test_no_other_assignment_of_parts_has_a_greater_total(
    people: list[Box], parts: list[list[tuple[Box, float]]]
) -> None:
    boxes = np.array([[box for box, _ in part] for part in parts], np.float32)
    scores = np.array([[score for _, score in part] for part in parts], np.float32)
    found = assign_parts(array(*people), boxes, scores)
    assert found.boxes.shape == (len(people), len(parts), 4) and found.boxes.dtype == np.float32
    for number, part in enumerate(parts):

        def value(person: int, column: int, part: list[tuple[Box, float]] = part) -> float:
            box, score = part[column]
            contained = shared(people[person], box) / area(box)
            return contained * score if contained >= MIN_CONTAINED else 0.0

        left, total = list(range(len(part))), 0.0
        for person in range(len(people)):
            given = tuple(found.boxes[person, number].tolist()), float(found.scores[person, number])
            if not found.present[person, number]:
                assert given == ((0, 0, 0, 0), 0)
                continue
            column = next(column for column in left if part[column] == given)
            left.remove(column)
            assert value(person, column) > 0
            total += value(person, column)
        assert total == pytest.approx(greatest_sum(len(people), len(part), value), rel=1e-12)


def test_a_head_within_two_people_goes_to_the_one_without_another_head() -> None:
    near, far = (0.0, 0.0, 10.0, 20.0), (5.0, 2.0, 9.0, 10.0)
    near_head, far_head = (1.0, 0.0, 4.0, 3.0), (6.0, 2.0, 8.0, 4.0)
    # Both heads are within the nearer person, and the other person's head scores better.
    found = assign_parts(array(near, far), array(far_head, near_head)[None], np.array([[0.9, 0.6]], np.float32))
    assert found.boxes[:, 0].tolist() == [list(near_head), list(far_head)]
    assert found.scores[:, 0].tolist() == pytest.approx([0.6, 0.9])


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_the_matching_of_people_has_the_greatest_sum_of_ious(first: int, second: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 30, (first + second, 2))
    boxes = np.concatenate([corners, corners + random.uniform(10, 40, (first + second, 2))], 1).astype(np.float32)
    mine, theirs = boxes[:first], boxes[first:]
    rows, columns = same_people(mine, theirs)
    assert len(set(rows)) == len(rows) and len(set(columns)) == len(columns)

    def overlap(row: int, column: int) -> float:
        one, other = (tuple(each.astype(float)) for each in (mine[row], theirs[column]))
        iou = shared(one, other) / (area(one) + area(other) - shared(one, other))
        return iou if iou >= MIN_IOU else 0.0

    found = [overlap(row, column) for row, column in zip(rows, columns, strict=True)]
    assert all(found)
    assert sum(found) == pytest.approx(greatest_sum(first, second, overlap))


def test_each_person_gets_the_keypoints_of_the_overlapping_person(poses: NDArray[np.float32]) -> None:
    found = paired(poses).detect([region_lease(n) for n in range(FRAMES)], [WHOLE] * FRAMES, PEOPLE).frames
    for frame, here in found.items():
        assert here.keypoints is not None and here.objects is not None
        expected = poses[frame, ::-1, 5:].reshape(PEOPLE, 17, 3) * np.append(SCALE, 1)
        np.testing.assert_allclose(here.keypoints, expected, rtol=1e-6)
        assert here.objects.labels == ("ball",)
        assert here.parts_of(np.arange(PEOPLE), 0.2).present.any(1).all()


def test_a_detector_without_part_classes_is_paired_with_movenet() -> None:
    description = for_classes(small_cascade(), ("person", "ball", "bat"))
    stored = StoredDetector(description, dict(random_detector(description).state_dict()), "coco.pth")
    detector = region_detector(stored, PARTS)
    assert isinstance(detector, PairedDetector) and detector.has_keypoints
    assert len(detector.networks) == 2
    format = detector.slot_format((300, 180), None)
    picture = np.zeros(format.shape, np.uint8)
    picture[: format.content[1], : format.content[0]] = random_picture(*format.content)
    lease = Lease(FrameMeta("hall", 1, 0, 0, 0, "media", 0, 0, PICTURE, format), picture, 0)
    detector.warm_up(torch.from_numpy(picture)[None], format.content, 4)
    here = detector.detect([lease], [WHOLE], 4).frames[0]
    assert here.keypoints is not None and here.keypoints.shape == (len(here.boxes), 17, 3)


def test_a_network_that_needs_keypoints_is_rejected_with_a_detector_without_them(script: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="needs keypoints"):
        Pipeline(RegionDetector(ScriptedRegions(script, PEOPLE)), random_checkpoint())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_host_waits_for_the_device_only_for_the_two_copies(
    script: NDArray[np.float32], singly: dict[Spot, FrameAnalysis]
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
