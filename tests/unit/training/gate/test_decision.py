"""The gate's decision: from counts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.gate.decision import (
    BACK_TEST,
    CONFIRMED,
    FOOTAGE,
    FORGETTING,
    HELD_OUT,
    REPEATED,
    REQUIRED,
    Alarms,
    Judged,
    LabelledPerson,
    Measured,
    Sequences,
    decide,
    holm,
    passed,
)

ACTIONS = ("fall", "lie", "sit", "stand", "walk")


def judged(label: str, *, both: int = 0, lost: int = 0, gained: int = 0, held_out: bool = False) -> list[Judged]:
    pairs = [(True, True)] * both + [(True, False)] * lost + [(False, True)] * gained
    return [Judged(label, held_out, old, new) for old, new in pairs]


def people(action: str, new: int, *, instants: int = 15, old: int = 12, count: int = 4) -> list[LabelledPerson]:
    return [LabelledPerson(f"clip/{number}", action, instants, old, new) for number in range(count)]


def kept(count: int = 40, *, right: int = 30, lost: int = 0, gained: int = 0) -> Sequences:
    return Sequences(count, right, right - lost + gained, lost, gained)


EQUAL = Measured(
    confirmed=[*judged("fall", both=20), *judged("sit", both=10, held_out=True)],
    wrong=judged("fall", both=12),
    alarms=Alarms("events of fall", 0.5, 14, 14),
    footage=[one for action in ACTIONS for one in people(action, 12)],
    sequences={action: kept() for action in ACTIONS},
)
"""What a checkpoint does, compared with itself."""


def refused(**changes: Any) -> list[tuple[str, str]]:
    """Return the checks that refuse, by name and action."""
    checks = decide(replace(EQUAL, **changes))
    assert passed(checks) == all(check.outcome == "passed" for check in checks)
    return [(check.name, check.part) for check in checks if check.outcome == "refused"]


def test_a_checkpoint_against_itself_passes() -> None:
    checks = decide(EQUAL)
    assert passed(checks) and {check.name for check in checks} == {*REQUIRED, HELD_OUT}
    assert all(check.old == check.new for check in checks)


def test_the_gate_refuses_shuffled_labels() -> None:
    lost = {
        "confirmed": [*judged("fall", both=1, lost=19), *judged("sit", lost=9, gained=1, held_out=True)],
        "alarms": Alarms("events of fall", 0.5, 14, 90),
        "footage": [one for action in ACTIONS for one in people(action, 3)],
        "sequences": {action: kept(lost=28, gained=1) for action in ACTIONS},
    }
    assert {name for name, part in refused(**lost) if not part} == {
        CONFIRMED,
        HELD_OUT,
        BACK_TEST,
        FOOTAGE,
        FORGETTING,
    }
    for name, value in lost.items():
        assert refused(**{name: value}), f"{name} alone refuses it"


def test_the_gate_refuses_an_action_forgotten() -> None:
    forgotten = {action: kept(lost=25 if action == "walk" else 1, gained=1) for action in ACTIONS}
    assert refused(sequences=forgotten) == [(FORGETTING, ""), (FORGETTING, "walk")]


@pytest.mark.parametrize(
    ("name", "empty"),
    [("confirmed", ()), ("wrong", ()), ("alarms", None), ("footage", ()), ("sequences", {})],
)
def test_the_gate_refuses_what_it_could_not_measure(name: str, empty: Any) -> None:
    checks = decide(replace(EQUAL, **{name: empty}, missing={FOOTAGE: "no footage"}))
    (missing,) = [check for check in checks if check.outcome == "not measured"]
    assert not passed(checks) and passed(checks, allow_unmeasured=True) and missing.reason
    assert (missing.reason == "no footage") == (missing.name == FOOTAGE)


def test_what_is_measured_and_worse_is_refused_though_other_things_may_stay_unmeasured() -> None:
    checks = decide(replace(EQUAL, footage=(), alarms=Alarms("alerts", 1.0, 0, 30)))
    assert not passed(checks, allow_unmeasured=True)


def test_an_action_loses_its_confirmed_events_if_two_and_a_twentieth_are_lost() -> None:
    assert refused(confirmed=judged("fall", both=20, lost=1)) == []
    assert refused(confirmed=judged("fall", both=10, lost=2)) == [(CONFIRMED, ""), (CONFIRMED, "fall")]
    assert refused(confirmed=judged("fall", both=38, lost=2)) == []
    assert refused(confirmed=judged("fall", both=10, lost=3, gained=2)) == []


def test_few_losses_of_many_actions_refuse_together() -> None:
    spread = [one for number in range(5) for one in judged(f"action-{number}", both=30, lost=1)]
    assert refused(confirmed=spread) == [(CONFIRMED, "")]


def test_held_out_events_are_judged_apart() -> None:
    learned = judged("fall", both=200, gained=20)
    assert refused(confirmed=[*learned, *judged("fall", lost=5, held_out=True)]) == [(HELD_OUT, "")]


def test_new_false_alarms_refuse_only_beyond_chance() -> None:
    assert refused(wrong=judged("fall", both=5, gained=4)) == []
    assert refused(wrong=judged("fall", both=5, gained=5)) == [(REPEATED, "")]
    assert refused(wrong=judged("fall", both=5, lost=20)) == []
    assert refused(alarms=Alarms("alerts", 2.0, 10, 18)) == []
    assert refused(alarms=Alarms("alerts", 2.0, 10, 22)) == [(BACK_TEST, "")]
    assert refused(alarms=Alarms("alerts", 2.0, 22, 10)) == []


def test_a_rare_action_of_the_footage_is_not_judged_by_itself() -> None:
    rare = [*EQUAL.footage, *people("jump", 0, instants=4, old=3)]
    assert (FOOTAGE, "jump") not in refused(footage=rare)
    assert (FOOTAGE, "jump") in refused(footage=[*EQUAL.footage, *people("jump", 0, instants=5, old=4)])


def test_intervals_are_those_of_the_old_checkpoint() -> None:
    found = {check.name: check for check in decide(EQUAL) if not check.part}
    assert found[BACK_TEST].interval == pytest.approx((7.654, 23.490), abs=1e-3)
    assert found[CONFIRMED].interval == pytest.approx((0.8843, 1.0), abs=1e-3)


def test_p_values_are_corrected_by_holms_method() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


COUNTS = st.integers(0, 30)


@given(both=COUNTS, lost=COUNTS, gained=COUNTS, more=st.integers(1, 10))
@settings(max_examples=25)
def test_more_losses_never_let_a_checkpoint_pass(both: int, lost: int, gained: int, more: int) -> None:
    def refusing(lost: int) -> set[tuple[str, str]]:
        checks = decide(Measured(confirmed=judged("fall", both=both + 1, lost=lost, gained=gained)))
        return {(one.name, one.part) for one in checks if one.outcome == "refused"}

    assert refusing(lost) <= refusing(lost + more)


@given(swapped=st.dictionaries(st.sampled_from(ACTIONS), COUNTS, min_size=1))
@settings(max_examples=25)
def test_equal_losses_and_gains_are_never_forgetting(swapped: dict[str, int]) -> None:
    same = {name: Sequences(100, 50, 50, number, number) for name, number in swapped.items()}
    assert not [one for one in decide(Measured(sequences=same)) if one.outcome == "refused"]
