"""The choice of the ease level: examples, and a simulated machine with any cameras and any model."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.ease_levels import ease_levels
from stream.inference.load_control import (
    EASE_AFTER_S,
    HOLD_S,
    MAX_HOLD_S,
    OVERLOADED_FOR_S,
    SETTLE_S,
    LoadControl,
    Work,
)
from support.engines.simulated_machine import SimulatedMachine
from support.examples import examples

LEVELS = ease_levels(3.0, 384)
STRONGEST = len(LEVELS) - 1
STEP_S = 0.125
"""An exact sum of eight makes a second."""


def controlled(max_level: int = 3) -> LoadControl:
    """Return a control whose levels halve the cost one after another."""
    return LoadControl(max_level, lambda level, rates: sum(rates) / 2**level)


def observe(control: LoadControl, from_s: float, seconds: float, **work: Any) -> float:
    """Let the same happen in each eighth of a second, for one camera with 16 frames a second. Return the time after."""
    steps = round(seconds / STEP_S)
    for step in range(1, steps + 1):
        control.observe(from_s + step * STEP_S, Work(STEP_S, **{"arrived": {"a": 2}, "analysed": 2, **work}))
    return from_s + steps * STEP_S


SLOW = {"busy_s": STEP_S, "live_s": STEP_S, "analysed": 1, "lost": 1}
"""The model works all the time and analyses every second frame."""
TOO_SLOW = SLOW | {"arrived": {"a": 40}, "lost": 39}
"""It analyses one frame of forty."""
IDLE = {"busy_s": 0.0, "live_s": 0.0}


# -- easing ---------------------------------------------------------------------------------------------------------
def test_a_model_that_is_too_slow_for_a_second_is_eased_to_the_first_level_at_which_the_load_fits() -> None:
    control = controlled()
    now = observe(control, 0.0, EASE_AFTER_S - STEP_S, **SLOW)
    assert control.level == 0
    observe(control, now, STEP_S, **SLOW)
    assert control.level == 2, "it needs twice the time that it has: half the cost fills the time, a quarter fits"
    assert not control.overloaded


def test_the_cheapest_level_is_chosen_if_the_load_fits_at_none() -> None:
    control = controlled()
    observe(control, 0.0, EASE_AFTER_S, **TOO_SLOW)
    assert control.level == 3


def limited_to(rate: float) -> LoadControl:
    """Return a control of a model that looks at this many frames a second, at most."""
    return LoadControl(3, lambda level, rates: sum(rates) / 2**level, lambda level, frame_rate: min(frame_rate, rate))


def test_dropped_frames_that_would_not_have_been_looked_at_are_no_load() -> None:
    """The model looks at 8 of 32 frames a second, and was to look at 16; all others are dropped."""
    control = limited_to(16.0)
    observe(control, 0.0, EASE_AFTER_S, **SLOW | {"arrived": {"a": 4}, "lost": 3, "looked": 1})
    assert control.level == 2, "it needs twice the time, not four times: a quarter of the cost fits"


def test_frames_that_are_analysed_without_a_look_are_no_load() -> None:
    """The model looks at 8 of 32 frames a second and leaves out 8 others; 16 are dropped."""
    control = limited_to(32.0)
    observe(control, 0.0, EASE_AFTER_S, **SLOW | {"arrived": {"a": 4}, "analysed": 2, "lost": 2, "looked": 1})
    assert control.level == 2, "half of the frames were dropped, and of those that were analysed, half cost nothing"


def test_frames_that_settings_leave_out_are_not_missed() -> None:
    control = limited_to(8.0)
    observe(control, 0.0, 60.0, busy_s=0.95 * STEP_S, live_s=0.95 * STEP_S, looked=1)
    assert (control.level, control.overloaded) == (0, False)


def test_late_results_ease_as_lost_frames_do() -> None:
    control = controlled()
    observe(control, 0.0, EASE_AFTER_S, busy_s=STEP_S, live_s=STEP_S, late=1)
    assert control.level == 1


@pytest.mark.parametrize(
    ("why", "work"),
    [
        ("all frames are analysed", {"busy_s": STEP_S, "live_s": STEP_S}),
        ("frames are lost while the model has time", {"busy_s": STEP_S / 2, "live_s": STEP_S / 2, "lost": 1}),
        ("files take all the time", {"busy_s": STEP_S, "live_s": 0.0, "arrived": {}, "analysed": 0}),
        ("nothing happens", IDLE | {"arrived": {}, "analysed": 0}),
    ],
)
def test_a_model_is_not_eased_if(why: str, work: dict[str, Any]) -> None:
    control = controlled()
    observe(control, 0.0, 60.0, **work)
    assert (control.level, control.overloaded) == (0, False)


def test_a_single_pause_of_the_machine_is_no_overload() -> None:
    control = controlled()
    now = observe(control, 0.0, 5.0, busy_s=STEP_S, live_s=STEP_S)
    control.observe(now + 0.75, Work(0.75, 0.75, 0.75, {"a": 12}, 1, 4))
    observe(control, now + 0.75, 5.0, busy_s=STEP_S, live_s=STEP_S)
    assert control.level == 0


def test_levels_that_cost_as_much_as_the_present_one_are_skipped() -> None:
    control = LoadControl(4, lambda level, rates: (8.0, 8.0, 8.0, 3.0, 1.0)[level])
    now = observe(control, 0.0, EASE_AFTER_S, **SLOW)
    assert control.level == 3
    now = observe(control, now, 60.0, **IDLE)
    assert control.level == 0


def test_the_time_after_a_change_does_not_count() -> None:
    control = controlled()
    now = observe(control, 0.0, EASE_AFTER_S, **SLOW)
    level = control.level
    now = observe(control, now, 0.75, **SLOW)
    observe(control, now, EASE_AFTER_S, busy_s=STEP_S, live_s=STEP_S)
    assert control.level == level


# -- overload -------------------------------------------------------------------------------------------------------
def test_it_is_overloaded_while_frames_are_lost_at_the_highest_level() -> None:
    control = controlled(max_level=1)
    now = observe(control, 0.0, EASE_AFTER_S, **SLOW)
    assert (control.level, control.overloaded) == (1, False)
    now = observe(control, now, SETTLE_S + EASE_AFTER_S + STEP_S, **SLOW)
    assert (control.level, control.overloaded) == (1, True)
    observe(control, now, OVERLOADED_FOR_S + EASE_AFTER_S, busy_s=0.9 * STEP_S, live_s=0.9 * STEP_S)
    assert (control.level, control.overloaded) == (1, False)


def test_a_model_that_cannot_be_eased_is_only_overloaded() -> None:
    control = controlled(max_level=0)
    now = observe(control, 0.0, EASE_AFTER_S, **SLOW)
    assert (control.level, control.overloaded) == (0, True)
    observe(control, now, OVERLOADED_FOR_S + EASE_AFTER_S, **IDLE)
    assert (control.level, control.overloaded) == (0, False)


# -- restoring ------------------------------------------------------------------------------------------------------
def test_a_level_is_restored_only_after_a_low_load_without_a_break() -> None:
    control = controlled(max_level=1)
    now = observe(control, 0.0, EASE_AFTER_S, **SLOW)
    for _ in range(3):
        now = observe(control, now, HOLD_S - STEP_S, **IDLE)
        now = observe(control, now, 2.0, busy_s=0.8 * STEP_S, live_s=0.8 * STEP_S)
        assert control.level == 1
    observe(control, now, 2 * HOLD_S, **IDLE)
    assert control.level == 0


def test_a_level_is_restored_only_if_its_estimated_load_fits_with_a_margin() -> None:
    control = controlled(max_level=1)
    now = observe(control, 0.0, EASE_AFTER_S, **SLOW)
    now = observe(control, now, 600.0, busy_s=0.4 * STEP_S, live_s=0.4 * STEP_S)
    assert control.level == 1, "0.8 of the time is estimated for level 0"
    observe(control, now, 600.0, busy_s=0.3 * STEP_S, live_s=0.3 * STEP_S)
    assert control.level == 0


def test_levels_are_restored_one_by_one() -> None:
    control = controlled()
    now = observe(control, 0.0, EASE_AFTER_S, **TOO_SLOW)
    seen = [control.level]
    for _ in range(600):
        now = observe(control, now, STEP_S, **IDLE)
        if control.level != seen[-1]:
            seen.append(control.level)
    assert seen == [3, 2, 1, 0]


def test_a_restored_level_that_has_to_be_eased_again_is_tried_ever_more_rarely() -> None:
    control = controlled(max_level=1)
    now, held = 0.0, list[float]()
    for _ in range(9):
        now = eased_at = observe(control, now, 2 * EASE_AFTER_S, **SLOW)
        assert control.level == 1
        while control.level:
            now = observe(control, now, STEP_S, **IDLE)
        held.append(now - eased_at)
    for one, other in pairwise(held):
        assert other == pytest.approx(min(2 * one, MAX_HOLD_S), rel=0.3)
    assert held[-1] == pytest.approx(MAX_HOLD_S, abs=5.0)


# -- a simulated machine --------------------------------------------------------------------------------------------
machines = st.builds(
    SimulatedMachine,
    levels=st.just(LEVELS),
    frame_rates=st.lists(st.sampled_from([3.0, 5.0, 10.0, 12.5, 15.0, 20.0, 25.0, 30.0]), min_size=1, max_size=5),
    detection_s=st.floats(0.005, 0.4),
    frame_s=st.sampled_from([0.0002, 0.001, 0.003]),
    noise=st.sampled_from([0.0, 0.2, 0.5]),
    seed=st.integers(0, 9),
)


def load_of(machine: SimulatedMachine, level: int) -> float:
    """Return the share of the time that the machine's cameras take at a level."""
    rates = machine.frame_rates
    detections = sum(LEVELS[level].cost(rate) for rate in rates)
    return detections * machine.detection_s + sum(rates) * machine.frame_s


@settings(max_examples=examples(8), deadline=None)
@given(machines)
def test_under_any_steady_load_the_level_settles(machine: SimulatedMachine) -> None:
    machine.run(120.0)
    assert machine.changes_since(60.0) <= 2, machine.changes
    if load_of(machine, STRONGEST) < 0.8:
        assert machine.lost_since(60.0) <= 0.01 * 60 * sum(machine.frame_rates), machine.changes
        assert not machine.control.overloaded
    if load_of(machine, 0) < 0.6:
        assert machine.changes == []
    if load_of(machine, STRONGEST) > 1.3:
        assert (machine.control.level, machine.control.overloaded) == (STRONGEST, True)


@settings(max_examples=examples(6), deadline=None)
@given(machines)
def test_full_quality_is_restored_after_the_load_has_fallen(machine: SimulatedMachine) -> None:
    machine.run(30.0)
    machine.detection_s = 0.2 / sum(machine.frame_rates)
    machine.frame_s = 0.1 / sum(machine.frame_rates)
    machine.run(STRONGEST * (HOLD_S + SETTLE_S + 3.0) + 15.0)
    assert machine.control.level == 0, machine.changes
    assert not machine.control.overloaded


@settings(max_examples=examples(6), deadline=None)
@given(st.lists(st.tuples(st.floats(0.5, 40.0), st.floats(0.005, 0.3)), min_size=1, max_size=12), st.floats(1.0, 1.5))
def test_a_load_that_changes_at_any_time_does_not_make_the_level_oscillate(
    phases: list[tuple[float, float]], ratio: float
) -> None:
    """`ratio`: how much more a better level costs by the estimate, which is wrong."""
    machine = SimulatedMachine(LEVELS, [25.0], 0.1, cost=lambda level, rates: ratio**-level)
    while machine.now_s < 300.0:
        for seconds, detection_s in phases:
            machine.detection_s = detection_s
            machine.run(seconds)
    eased = [at_s for (_, before), (at_s, level) in pairwise([(0.0, 0), *machine.changes]) if level > before]
    restored = len(machine.changes) - len(eased)
    assert restored <= machine.now_s / HOLD_S
    for begin in range(0, int(machine.now_s), 60):
        assert sum(begin <= at_s < begin + 60 for at_s in eased) <= 2 * STRONGEST


def test_one_camera_that_needs_five_times_the_machine_loses_frames_for_little_more_than_a_second() -> None:
    machine = SimulatedMachine(LEVELS, [25.0], 0.2, noise=0.2)
    machine.run(60.0)
    assert machine.changes[0][0] < 1.5
    assert len(machine.changes) == 1
    assert machine.lost_since(2.0) == 0
