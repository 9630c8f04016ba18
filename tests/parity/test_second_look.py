"""The second look and the search in real footage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stages.detection.detections import iou
from stages.detection.keypoint_batches import detect_keypoints
from stages.detection.movenet.movenet import MoveNet, Thunder
from stages.detection.nanodet.nanodet import NanoDet
from stages.detection.second_look import Search, SecondLook
from stages.looks import WHOLE, search_views
from stages.settings import ModelSettings, PipelineSettings, WindowSettings
from stages.types import FrameAnalysis
from support.models.bright_people import STEP_US, BrightSecondNetwork, Person, bright_pipeline, drawn_frames
from support.models.footage_frames import CPU, frame_of, lent
from support.models.scripted_people import Spot, assert_same, run

STREET = ("vtest", "vtest.avi", 100)


@pytest.fixture(scope="module")
def thunder() -> Thunder:
    return Thunder.load()


def test_a_tracked_person_whom_the_first_look_lost_is_found_again(thunder: Thunder) -> None:
    lease = lent(frame_of(*STREET))
    people = detect_keypoints([lease], [WHOLE], MoveNet.load(), 8, CPU).people[0]
    clear = int(people[:, 5:].reshape(-1, 17, 3)[..., 2].mean(1).argmax())
    x1, y1, x2, y2 = people[clear, :4].tolist()
    without = np.delete(people, clear, 0)
    look = replace(WHOLE, second_looks=1, expected=((x1 + 5, y1 - 5, x2 + 5, y2 - 5),))
    found = SecondLook(thunder).refine([lease], [look], {0: without})[0]
    assert len(found) == len(without) + 1 and np.array_equal(found[:-1], without)
    assert iou(found[-1:, :4], people[clear : clear + 1, :4])[0, 0] > 0.6
    joints, again = (rows.reshape(17, 3)[:, :2] for rows in (people[clear, 5:], found[-1, 5:]))
    assert np.median(np.abs(joints - again)) < 0.05 * (y2 - y1)


def test_a_search_finds_the_people_of_a_street_whom_nobody_has_found(thunder: Thunder) -> None:
    lease = lent(frame_of(*STREET))
    people = detect_keypoints([lease], [WHOLE], MoveNet.load(), 8, CPU).people[0]
    clear = people[(people[:, 4] > 0.4) & (people[:, 5:].reshape(-1, 17, 3)[..., 2].mean(1) > 0.5)]
    searching = SecondLook(thunder, Search(NanoDet.load()))
    nobody = {0: people[:0]}
    assert len(searching.refine([lease], [WHOLE], nobody)[0]) == 0, "not every look is a search"
    view, *tiles = search_views(lease.meta.format.size)
    found = searching.refine([lease], [WHOLE.with_search(view)], nobody)[0]
    assert len(clear) >= 2 and (iou(clear[:, :4], found[:, :4]).max(1) > 0.5).all()
    assert (found[:, 4] >= 0.3).all()
    in_tiles = searching.refine(
        [lease] * len(tiles), [WHOLE.with_search(tile) for tile in tiles], dict.fromkeys(range(len(tiles)), people[:0])
    )
    assert len(tiles) >= 2 and all(len(in_tiles[number]) for number in range(len(tiles)))


def walker(number: int) -> Person:
    """Somebody small."""
    return (100 + 4 * number, 200, 130 + 4 * number, 260)


def test_second_looks_do_not_depend_on_how_frames_are_distributed_over_batches() -> None:
    model = ModelSettings(objects_s=None, search_s=None, second_looks=4.0)
    settings = PipelineSettings(model=model, window=WindowSettings(steps=12))

    def answers(size: int) -> tuple[dict[Spot, FrameAnalysis], int]:
        pipeline, _ = bright_pipeline(settings, second=(second := BrightSecondNetwork()))
        scenes = [[walker(number)] for number in range(24)]
        cameras = [list(drawn_frames(pipeline, scenes, name)) for name in "ab"]
        order = [lease for pair in zip(*cameras, strict=True) for lease in pair]
        return run(pipeline, [order[start : start + size] for start in range(0, len(order), size)]), second.crops

    (singly, crops), (batched, others) = answers(1), answers(7)
    assert crops == others == sum(bool(one.look.second_looks) for one in singly.values())
    assert 8 <= crops <= 2 * 24 * STEP_US * 4e-6, "four a second and camera"
    surer = [spot for spot, one in singly.items() if any(part.score > 0.6 for who in one.people for part in who.parts)]
    assert len(surer) >= 8
    for spot, one in singly.items():
        assert one.look == batched[spot].look
        assert_same(one, batched[spot])


def test_an_eased_model_makes_no_second_looks_except_on_spared_cameras() -> None:
    settings = PipelineSettings(model=ModelSettings(second_looks=4.0))
    pipeline, _ = bright_pipeline(settings, second=(second := BrightSecondNetwork()))
    pipeline.ease(1, {"yard"})
    scenes = [[walker(number)] for number in range(24)]
    for lease in drawn_frames(pipeline, scenes, "hall"):
        pipeline.process([lease])
    assert second.crops == 0
    for lease in drawn_frames(pipeline, scenes, "yard"):
        pipeline.process([lease])
    assert second.crops >= 4
