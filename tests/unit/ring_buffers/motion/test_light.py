from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring_buffers.motion.light import light_change

CELLS = 880


def textured(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(30, 150, CELLS).astype(np.float32)


@given(st.integers(0, 99), st.floats(0.85, 1.15), st.floats(-8, 8), st.floats(0, 0.25))
def test_moving_cells_do_not_disturb_the_estimate(seed: int, gain: float, offset: float, moving: float) -> None:
    before = textured(seed)
    now = before * np.float32(gain) + np.float32(offset)
    count = int(moving * CELLS)
    now[:count] = np.random.default_rng(seed + 1).uniform(30, 220, count)
    light = light_change(before, now)
    expected = before * gain + offset
    assert np.abs(before * light.gain + light.offset - expected).max() < 2.5
    assert light.mean == pytest.approx(np.abs(expected - before).mean(), abs=1.5)
    assert light.most == pytest.approx(np.abs(expected - before).max(), abs=2.5)


def test_an_unchanged_picture_has_unchanged_light() -> None:
    light = light_change(textured(3), textured(3))
    assert light.gain == pytest.approx(1, abs=1e-4) and light.offset == pytest.approx(0, abs=1e-2) and light.most < 0.01


def test_a_plain_picture_changes_by_an_offset() -> None:
    light = light_change(np.full(CELLS, 100, np.float32), np.full(CELLS, 110, np.float32))
    assert light.gain == pytest.approx(1, abs=1e-3) and light.offset == pytest.approx(10, abs=0.2)


def test_saturated_cells_that_keep_their_level_do_not_hide_a_change() -> None:
    before = textured(5)
    before[: int(0.6 * CELLS)] = 255
    now = (before * np.float32(1.1)).clip(0, 255)
    light = light_change(before, now)
    assert light.gain == pytest.approx(1.1, abs=0.02) and light.offset == pytest.approx(0, abs=2)


def test_a_bright_picture_has_an_estimate_too() -> None:
    before = np.random.default_rng(1).uniform(235, 245, CELLS).astype(np.float32)
    light = light_change(before, before - 5)
    assert light.mean == pytest.approx(5, abs=0.5)
