"""FeatureWindow: the last W steps of every slot, oldest first, whatever the order of calls."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ring_buffers.feature_window import FeatureWindow

torch.set_num_threads(1)


def rows(*slots: int) -> torch.Tensor:
    return torch.tensor(slots, dtype=torch.int64)


def test_a_cleared_slot_contains_nothing_of_its_last_owner_not_even_nan():
    window = FeatureWindow(1, 2, 2)
    window.append(rows(0), torch.full((1, 2), float("nan")), [1])
    window.clear(0)
    recent = window.last(rows(0), 2)
    assert recent.features.tolist() == [[[0.0, 0.0], [0.0, 0.0]]]
    assert not recent.valid.any()


@settings(deadline=None)
@given(
    steps=st.integers(1, 6),
    actions=st.lists(
        st.one_of(st.sets(st.integers(0, 3), min_size=1).map(sorted), st.integers(0, 3)), max_size=40
    ),
    data=st.data(),
)  # fmt: skip
def test_the_window_equals_a_plain_list_of_steps(steps, actions, data):
    window = FeatureWindow(4, steps, 2)
    lists: list[list[int]] = [[] for _ in range(4)]
    for time, action in enumerate(actions, start=1):
        if isinstance(action, int):
            window.clear(action)
            lists[action] = []
        else:
            window.append(rows(*action), torch.tensor([[time, -slot] for slot in action]), [time] * len(action))
            for slot in action:
                lists[slot].append(time)
    count = data.draw(st.integers(1, steps))
    recent = window.last(rows(0, 1, 2, 3), count)
    for slot, times in enumerate(lists):
        kept = times[-count:]
        missing = count - len(kept)
        assert recent.valid[slot].tolist() == [False] * missing + [True] * len(kept)
        assert recent.times_us[slot].tolist() == [0] * missing + kept
        assert recent.features[slot].tolist() == [[0.0, 0.0]] * missing + [[float(t), float(-slot)] for t in kept]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_nothing_waits_for_the_device():
    window = FeatureWindow(8, 4, 16, "cuda")
    slots = rows(0, 3, 8, 8).cuda()
    features = torch.ones(4, 16, device="cuda")
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(6):
            window.append(slots, features, [step] * 4)
            recent = window.last(slots, 3)
        window.clear(0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert recent.times_us[1].tolist() == [3, 4, 5]
    assert not window.last(slots, 3).valid[0].any()
