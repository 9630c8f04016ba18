"""Planted schedules of small pictures: 160x88 pixels, 5 or 10 a second, 8 pixels of a 720p source in one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ring_buffers.motion.background import Background
from support.luma_scenes import Luma, levels, street, with_person

ROWS, COLUMNS, CELL = 22, 40, 4
HEIGHT, WIDTH = CELL * ROWS, CELL * COLUMNS
STEP_S = 0.1
SCENE = street(WIDTH, HEIGHT)
Moving = NDArray[np.bool_] | None


class Camera:
    """A background that sees pictures with noise of `sigma` levels; `at_s` is its media time."""

    def __init__(self, sigma: float = 0.7, seed: int = 1) -> None:
        self.background = Background(ROWS, COLUMNS, CELL * CELL)
        self.sigma = sigma
        self.at_s = 0.0
        self._rng = np.random.default_rng(seed)

    def look(self, scene: Luma, passed_s: float = STEP_S) -> Moving:
        """Return the moving cells: bool [rows, columns], None for everything."""
        self.at_s += passed_s
        noisy = levels(scene + self._rng.normal(0, self.sigma, scene.shape))
        cells = noisy.reshape(ROWS, CELL, COLUMNS, CELL).transpose(1, 3, 0, 2)
        np.copyto(self.background.current.reshape(cells.shape), cells)
        moving = self.background.step(round(self.at_s * 1e6))
        return None if moving is None else moving.reshape(ROWS, COLUMNS)

    def watch(self, scene: Luma, seconds: float) -> list[Moving]:
        return [self.look(scene) for _ in range(round(seconds / STEP_S))]


def local(found: Iterable[Moving]) -> int:
    """Return the number of moving cells in pictures that do not move as a whole."""
    return sum(int(moving.sum()) for moving in found if moving is not None)


def covers(moving: Moving, left: float, bottom: float, height: float) -> bool:
    """Return whether a person drawn by `with_person` is in a moving cell."""
    if moving is None:
        return True
    rows = slice(int(bottom - height) // CELL, int(bottom - 1) // CELL + 1)
    return bool(moving[rows, int(left) // CELL : int(left + 0.35 * height) // CELL + 1].any())


def walk(speed: float, seconds: float, start: float = 20.0) -> Iterator[float]:
    """Yield a walker's left edge at each picture."""
    yield from (start + speed * STEP_S * step for step in range(round(seconds / STEP_S)))


def test_the_first_picture_moves_everywhere() -> None:
    assert Camera().look(SCENE) is None


@given(st.floats(0, 5), st.integers(0, 1000))
def test_noise_does_not_move(sigma: float, seed: int) -> None:
    camera = Camera(sigma, seed)
    assert local(camera.watch(SCENE, 4)) <= 1


@pytest.mark.parametrize("contrast", [10.0, -10.0, 40.0, -40.0])
@pytest.mark.parametrize(("height", "speed"), [(5, 4.0), (10, 6.0), (15, 1.0), (15, 8.0), (30, 1.0), (60, 10.0)])
def test_a_walker_moves_in_every_picture(height: float, speed: float, contrast: float) -> None:
    """Also if they are 40 pixels tall at 720p, 10 levels from the background, or walk 8 pixels a second."""
    camera = Camera()
    camera.watch(SCENE, 3)
    for left in walk(speed, 6):
        assert covers(camera.look(with_person(SCENE, left, 70, height, contrast)), left, 70, height)


def test_a_walker_is_found_by_rare_looks() -> None:
    """A frame that is dropped is not seen at all, and the gate then runs at a low rate."""
    camera = Camera()
    for _ in range(4):
        camera.look(SCENE, 1.0)
    for second in range(8):
        left = 20 + 10 * second
        assert covers(camera.look(with_person(SCENE, left, 70, 15, 15), 1.0), left, 70, 15)


@pytest.mark.parametrize("contrast", [10.0, 40.0, -60.0])
def test_someone_who_stands_still_fades_after_seconds(contrast: float) -> None:
    camera = Camera()
    camera.watch(SCENE, 3)
    for left in walk(8, 3):
        camera.look(with_person(SCENE, left, 70, 20, contrast))
    stands = with_person(SCENE, 20 + 8 * 3, 70, 20, contrast)
    found = camera.watch(stands, 12)
    assert all(covers(moving, 44, 70, 20) for moving in found[:15])
    assert local(found[80:]) == 0
    left_alone = camera.watch(SCENE, 12)
    assert covers(left_alone[0], 44, 70, 20), "the place that they leave changes"
    assert local(left_alone[80:]) == 0


def test_a_swaying_tree_stops_moving_and_people_in_front_of_it_move() -> None:
    leaves = np.random.default_rng(2).normal(0, 18, (60, 80)).astype(np.float32)
    rng = np.random.default_rng(3)

    def tree() -> Luma:
        scene = SCENE.copy()
        across, down = rng.integers(0, 3, 2)
        scene[10:60, 90:150] = 80 + leaves[down : down + 50, across : across + 60]
        return scene

    camera = Camera()
    early = [camera.look(tree()) for _ in range(30)]
    assert local(early) > 100
    for _ in range(300):
        camera.look(tree())
    settled = [camera.look(tree()) for _ in range(50)]
    assert local(settled) < 0.01 * local(early)
    for left in walk(6, 6, start=95.0):
        assert covers(camera.look(with_person(tree(), left, 58, 30, 90)), left, 58, 30)


@given(st.integers(0, 1000), st.floats(0.96, 1.04), st.floats(-4, 4), st.floats(0, 2))
def test_a_small_change_of_the_light_does_not_move(seed: int, gain: float, offset: float, sigma: float) -> None:
    camera = Camera(sigma, seed)
    camera.watch(SCENE, 1.2)
    moving = camera.look(128 + (SCENE - 128) * gain + offset)
    assert moving is not None and not moving.any()


@pytest.mark.parametrize("exponent", [0.6, 1.5])
def test_slow_light_does_not_move_and_hides_no_walker(exponent: float) -> None:
    """The camera's tone curve changes over 4 s, which is neither a gain nor an offset."""
    camera = Camera()
    camera.watch(SCENE, 3)

    def curved(scene: Luma, step: int) -> Luma:
        return (255 * (scene / 255) ** (1 + (exponent - 1) * step / 40)).astype(np.float32)

    assert local(camera.look(curved(SCENE, step)) for step in range(1, 41)) == 0
    assert local(camera.watch(curved(SCENE, 40), 2)) == 0
    for step, left in enumerate(walk(8, 4)):
        assert covers(camera.look(curved(with_person(SCENE, left, 70, 25, -30), 40 - step)), left, 70, 25)


@pytest.mark.parametrize("after", [SCENE + 30, SCENE * 0.6, 60 + 0.5 * (255 - SCENE)])
def test_switched_light_moves_everywhere_once(after: Luma) -> None:
    camera = Camera()
    camera.watch(SCENE, 3)
    found = camera.watch(after, 3)
    assert found[0] is None
    assert all(moving is not None and not moving.any() for moving in found[1:])


@pytest.mark.parametrize("speed", [1, 3, 12])
def test_a_camera_that_turns_moves_everywhere(speed: int) -> None:
    wide = street(4 * WIDTH, HEIGHT)
    camera = Camera()
    camera.watch(wide[:, :WIDTH], 3)
    found = [camera.look(wide[:, speed * step : speed * step + WIDTH]) for step in range(1, 31)]
    assert sum(moving is None for moving in found) >= 30 / (4 if speed == 1 else 1.5)
    assert local(camera.watch(wide[:, speed * 30 : speed * 30 + WIDTH], 12)[80:]) == 0
