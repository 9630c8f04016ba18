"""The gate's decision: from counts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from training.gate.decision import (
    BACK_TEST,
    CLIPS,
    CONFIRMED,
    FOOTAGE,
    FORGETTING,
    REQUIRED,
    WRONG,
    Alarm,
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


def judged(label: str, *, both: int = 0, lost: int = 0, gained: int = 0) -> list[Judged]:
    pairs = [(True, True)] * both + [(True, False)] * lost + [(False, True)] * gained
    return [Judged(label, old, new) for old, new in pairs]


def alarms(*minutes: tuple[int, int], both: int = 10, what: str = "walk", of: int = 30) -> Alarms:
    """Return the alarms of videos of `of` minutes; of the first ones, those that only OLD and only NEW raises."""
    raised = [Alarm(what, ("quiet", number), True, True) for number in range(both)]
    for number, (only_old, only_new) in enumerate(minutes):
        raised += [Alarm(what, ("quiet", number), True, False)] * only_old
        raised += [Alarm(what, ("quiet", number), False, True)] * only_new
    return Alarms("events", of / 60, of, raised)


def people(action: str, *new: int, instants: int = 15, old: int = 12, where: str = "clip") -> list[LabelledPerson]:
    return [LabelledPerson(f"{where}/{at}", action, instants, old, right) for at, right in enumerate(new)]


def kept(count: int = 40, *, right: int = 30, lost: int = 0, gained: int = 0) -> Sequences:
    return Sequences(count, right, right - lost + gained, lost, gained)


EQUAL = Measured(
    confirmed=[*judged("fall", both=20), *judged("sit", both=10)],
    wrong=judged("fall", both=12),
    alarms=alarms(),
    in_clips=alarms(),
    footage=[one for action in ACTIONS for one in people(action, 12, 12, 12, 12, 12)],
    sequences={action: kept() for action in ACTIONS},
)
"""What a checkpoint does, compared with an equal one."""


def refused(**changes: Any) -> list[tuple[str, str]]:
    """Return the checks that refuse, by name and action."""
    checks = decide(replace(EQUAL, **changes))
    assert passed(checks) == all(check.outcome in ("passed", "shown") for check in checks)
    return [(check.name, check.part) for check in checks if check.outcome == "refused"]


def test_an_equal_checkpoint_passes() -> None:
    checks = decide(EQUAL)
    assert passed(checks) and {check.name for check in checks} == {*REQUIRED, WRONG, CLIPS}
    assert all(check.old == check.new for check in checks)


def test_the_gate_refuses_shuffled_labels() -> None:
    lost = {
        "confirmed": [*judged("fall", both=1, lost=19), *judged("sit", lost=9, gained=1)],
        "alarms": alarms(*[(0, 3)] * 20),
        "footage": [one for action in ACTIONS for one in people(action, 3, 3, 3, 3, 3)],
        "sequences": {action: kept(lost=28, gained=1) for action in ACTIONS},
    }
    assert {name for name, part in refused(**lost) if not part} == set(REQUIRED)
    for name, value in lost.items():
        assert refused(**{name: value}), f"{name} alone refuses it"


def test_the_gate_refuses_an_action_forgotten() -> None:
    forgotten = {action: kept(lost=25 if action == "walk" else 1, gained=1) for action in ACTIONS}
    assert refused(sequences=forgotten) == [(FORGETTING, ""), (FORGETTING, "walk")]
    assert refused(confirmed=[*judged("fall", both=60), *judged("walk", lost=4)]) == [
        (CONFIRMED, ""),
        (CONFIRMED, "walk"),
    ]


@pytest.mark.parametrize(("name", "empty"), [("confirmed", ()), ("alarms", None), ("footage", ()), ("sequences", {})])
def test_the_gate_refuses_what_it_could_not_measure_unless_that_check_is_named(name: str, empty: Any) -> None:
    checks = decide(replace(EQUAL, **{name: empty}, missing={FOOTAGE: "no footage"}))
    (missing,) = [check for check in checks if check.outcome == "not measured"]
    others = set(REQUIRED) - {missing.name}
    assert not passed(checks) and not passed(checks, others) and passed(checks, [missing.name])
    assert missing.reason and (missing.reason == "no footage") == (missing.name == FOOTAGE)


def test_what_was_chosen_because_old_raised_it_decides_nothing() -> None:
    assert refused(wrong=judged("fall", gained=20), in_clips=alarms(*[(0, 3)] * 20)) == []
    assert refused(wrong=(), in_clips=None) == []


def test_a_tenth_of_the_confirmed_events_may_be_lost_by_chance_and_a_fifth_may_not() -> None:
    def each(both: int, lost: int) -> list[Judged]:
        return [one for action in ACTIONS for one in judged(action, both=both, lost=lost)]

    assert refused(confirmed=each(18, 2)) == []
    assert refused(confirmed=each(16, 4)) == [(CONFIRMED, "")]


def test_what_an_action_gains_makes_up_for_its_own_losses_only() -> None:
    assert refused(confirmed=judged("fall", both=10, lost=5, gained=4)) == []
    assert refused(confirmed=[*judged("fall", both=10, lost=6), *judged("sit", gained=6)]) == [
        (CONFIRMED, ""),
        (CONFIRMED, "fall"),
    ]


def test_alarms_are_compared_by_minute_because_those_of_a_minute_have_one_cause() -> None:
    assert refused(alarms=alarms((0, 40))) == []
    assert refused(alarms=alarms(*[(0, 1)] * 5)) == [(BACK_TEST, "")]
    assert refused(alarms=alarms(*[(0, 1)] * 9, *[(1, 0)] * 5)) == []
    assert refused(alarms=alarms(*[(1, 0)] * 20)) == []


def test_videos_in_which_nothing_could_be_significant_measure_nothing() -> None:
    checks = {check.name: check for check in decide(replace(EQUAL, alarms=alarms(both=0, of=4)))}
    assert checks[BACK_TEST].outcome == "not measured" and "fewer than 5 minutes" in checks[BACK_TEST].reason


def test_a_small_loss_of_every_person_is_found_by_pairs() -> None:
    differing = [
        LabelledPerson(f"clip/{at}", "walk", 15, right, right - 1) for at, right in enumerate((3, 8, 12, 14, 15))
    ]
    assert refused(footage=differing) == [(FOOTAGE, ""), (FOOTAGE, "walk")]


def test_the_loss_of_one_person_is_chance() -> None:
    assert refused(footage=people("walk", 0, 12, 12, 12, 12, 12)) == []


def test_a_rare_action_of_the_footage_is_not_judged() -> None:
    few_people = people("jump", 0, 0, 0, 0, instants=40, old=30, where="jumps")
    few_instants = people("run", 0, 0, 0, 0, 0, instants=3, old=3, where="runs")
    checks = decide(replace(EQUAL, footage=[*EQUAL.footage, *few_people, *few_instants]))
    assert passed(checks)
    (whole,) = [check for check in checks if check.name == FOOTAGE and not check.part]
    assert whole.of == 15 * 5 * len(ACTIONS) and whole.new == pytest.approx(0.8)
    assert [check.outcome for check in decide(Measured(footage=few_people)) if check.name == FOOTAGE] == [
        "not measured"
    ]


def test_p_values_are_corrected_by_holms_method() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
