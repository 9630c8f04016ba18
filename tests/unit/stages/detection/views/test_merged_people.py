"""People found in regions, as people of the picture."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.detection.keypoint_batches import in_picture, merged_people
from stages.looks import REGION_SIDE, Region

SIZE = (1280, 720)


def row(x1: float, y1: float, x2: float, y2: float, score: float = 0.5) -> NDArray[np.float32]:
    """A person [56] whose joints are spread over the box."""
    spread = np.linspace(0.1, 0.9, 17, dtype=np.float32)
    joints = np.stack((x1 + spread * (x2 - x1), y1 + spread * (y2 - y1), np.full(17, 0.6)), 1)
    return np.concatenate(((x1, y1, x2, y2, score), joints.ravel())).astype(np.float32)


def seen(person: NDArray[np.float32], region: Region) -> NDArray[np.float32]:
    """The person as the detector sees them in a region, where the box ends at the region's edges."""
    scale = REGION_SIDE / region.side
    offset = np.array((region.left, region.top), np.float32)
    found = person.copy()
    found[:4] = np.clip((person[:4] - np.tile(offset, 2)) * scale, 0, REGION_SIDE)
    joints = found[5:].reshape(17, 3)
    joints[:, :2] = (joints[:, :2] - offset) * scale
    return found


def merged(*found: tuple[Region, list[NDArray[np.float32]]], most: int = 32) -> NDArray[np.float32]:
    empty = np.zeros((2, 56), np.float32)
    rows = [np.concatenate((np.array(people, np.float32).reshape(-1, 56), empty)) for _, people in found]
    return merged_people(rows, [region for region, _ in found], SIZE, most)


@pytest.mark.parametrize("region", [Region(200, 100, 256), Region(0, 0, 160), Region(640, 80, 640)])
def test_a_persons_box_and_joints_are_moved_into_the_picture(region: Region) -> None:
    person = row(region.left + 20, region.top + 30, region.left + 60, region.top + 130)
    (found,) = in_picture(seen(person, region)[None], region)
    assert np.allclose(found, person, atol=1e-3)


def test_a_person_seen_in_two_regions_is_one() -> None:
    first, second = Region(200, 100, 256), Region(300, 100, 256)
    person = row(320, 140, 380, 300)
    (found,) = merged((first, [seen(person, first)]), (second, [seen(person, second)]))
    assert np.allclose(found, person, atol=1e-3)


def test_a_person_cut_by_a_regions_edge_is_left_to_the_one_that_has_them_whole() -> None:
    whole, cutting = Region(200, 100, 256), Region(350, 100, 256)
    person = row(320, 140, 390, 300, score=0.3)
    half = seen(person, cutting)
    half[4] = 0.9
    (found,) = merged((cutting, [half]), (whole, [seen(person, whole)]))
    assert np.allclose(found, person, atol=1e-3)


def test_the_pictures_own_edge_cuts_nobody() -> None:
    corner, inner = Region(1024, 464, 256), Region(900, 464, 256)
    at_the_edge = row(1240, 600, 1280, 720, score=0.3)
    beside = row(1235, 590, 1275, 715, score=0.9)
    found = merged((corner, [seen(at_the_edge, corner), seen(row(1060, 500, 1100, 640), corner)]), (inner, []))
    assert len(found) == 2
    assert len(merged((corner, [seen(at_the_edge, corner)]), (inner, [seen(beside, corner)]))) >= 1


def test_two_people_side_by_side_stay_two() -> None:
    region, other = Region(200, 100, 256), Region(250, 100, 256)
    people = [row(300, 140, 340, 300), row(345, 142, 385, 302)]
    found = merged(
        (region, [seen(person, region) for person in people]), (other, [seen(person, other) for person in people])
    )
    assert len(found) == 2
