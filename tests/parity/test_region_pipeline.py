"""The pipeline with a region detector and VGG features agrees with plain loops, and streaming equals batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ring_buffers.window import StaggeredWindow
from stages.detection.region_detector import RegionDetector
from stages.heads.network import VisualInput
from stages.people.objects import HAND_REACH
from stages.people.people import BatchSteps
from stages.pipeline import Pipeline
from stages.region_features.vgg_features import PictureRegions
from stages.settings import ModelSettings, PipelineSettings, WindowSettings
from stages.step_scores import PersonInputs
from stages.types import FrameAnalysis
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


def test_a_network_that_needs_keypoints_is_rejected_with_a_detector_without_them(script: np.ndarray) -> None:
    detector = RegionDetector(ScriptedRegions(script, PEOPLE))
    with pytest.raises(ValueError, match="needs keypoints, but its detector finds none"):
        Pipeline(detector, random_checkpoint())


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
