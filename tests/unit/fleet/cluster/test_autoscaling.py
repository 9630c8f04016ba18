"""How many nodes Ray's autoscaler is asked for."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fleet.cluster.autoscaling import ENGINE_RESOURCE, WITHOUT_ENGINE_S, Need, Requests, bundles, need_of, nodes_short
from fleet.cluster.settings import AutoscalingSettings
from fleet.settings import FleetConfig

NODES = {"a": 90.0, "b": 90.0}
NONE = Need(0, 0.0, NODES, 64)


def need(cameras: int, mpx: float, **nodes: float) -> Need:
    return Need(cameras, mpx, nodes or NODES, 64)


def requests(**settings: float) -> Requests:
    given = AutoscalingSettings.model_validate({"max_nodes": 5, "after_s": 30, "keep_s": 120, **settings})
    return Requests(given, usual_mpx=90)


def test_an_engines_worth_of_cameras_needs_one_node() -> None:
    assert nodes_short(need(0, 0), 90) == 0
    assert nodes_short(need(1, 2), 90) == 1
    assert nodes_short(need(45, 90), 90) == 1
    assert nodes_short(need(46, 92), 90) == 2


def test_no_more_nodes_are_short_than_cameras_and_enough_for_their_number() -> None:
    assert nodes_short(need(2, 1000), 90) == 2
    assert nodes_short(need(65, 1), 90) == 2
    assert nodes_short(Need(5, 1, {}, 0), 90) == 1


def test_what_the_coordinator_tells_counts_engines_of_a_node_together_and_lost_ones_not() -> None:
    engines = [
        {"engine": name, "node": node, "state": state, "capacity": 100.0, "max_cameras": 10}
        for name, node, state in (("a0", "a", "leased"), ("a1", "a", "draining"), ("b", "b", "lost"))
    ]
    status = {"engines": engines, "no_room_cameras": 3, "no_room_mpx": 60.0}
    assert need_of(status, headroom=0.1) == Need(3, 60.0, {"a": 180.0}, 20.0)


def test_the_whole_number_of_nodes_is_asked_for_once_the_need_has_lasted() -> None:
    asking = requests()
    assert asking.decide(NONE, NODES, 0) == 0, "what an earlier process asked for is withdrawn"
    assert asking.decide(need(10, 100), NODES, 10) is None
    assert asking.decide(need(10, 100), NODES, 39) is None
    assert asking.decide(need(10, 100), NODES, 40) == 4
    assert asking.decide(need(10, 100), NODES, 45) is None


def test_a_node_that_is_there_and_whose_engine_is_not_yet_does_not_let_more_be_asked_for() -> None:
    asking = requests(after_s=0)
    assert asking.decide(need(10, 80), NODES, 0) == 3
    assert asking.decide(need(10, 80), ["a", "b", "new"], 60) is None
    assert asking.decide(need(10, 80, a=90, b=90, new=90), ["a", "b", "new"], 61) == 4, "its engine did not suffice"


def test_another_node_is_asked_for_in_place_of_one_whose_engine_does_not_come() -> None:
    asking = requests(after_s=0)
    broken = ["a", "b", "broken"]
    assert asking.decide(need(10, 80), broken, 0) == 3
    assert asking.decide(need(10, 80), broken, WITHOUT_ENGINE_S - 1) is None
    assert asking.decide(need(10, 80), broken, WITHOUT_ENGINE_S) == 4
    assert asking.decide(need(10, 80), [*broken, "new"], WITHOUT_ENGINE_S + 60) is None


def test_a_node_whose_engine_was_there_meanwhile_has_as_long_again() -> None:
    asking = requests(after_s=0)
    assert asking.decide(need(10, 80), NODES, 0) == 3
    for at_s in (0, WITHOUT_ENGINE_S + 1):
        assert asking.decide(need(10, 80), ["a", "b", "new"], at_s + 1) is None
        assert asking.decide(NONE, NODES, at_s + 2) is None


def test_engines_on_machines_that_ray_does_not_know_are_not_asked_for() -> None:
    assert requests(after_s=0).decide(need(10, 80, a=90, elsewhere=90), ["a"], 0) == 2


def test_a_need_that_is_met_is_withdrawn_later_and_one_that_returns_stays() -> None:
    asking = requests(after_s=0)
    assert asking.decide(need(10, 80), NODES, 0) == 3
    assert asking.decide(NONE, NODES, 10) is None
    assert asking.decide(need(10, 80), NODES, 100) is None
    assert asking.decide(NONE, NODES, 130) is None
    assert asking.decide(NONE, NODES, 249) is None
    assert asking.decide(NONE, NODES, 250) == 0


def test_a_need_that_varies_asks_for_the_least_that_lasted_and_keeps_the_most() -> None:
    asking = requests(max_nodes=9)
    asking.decide(need(30, 600), NODES, 0)
    asking.decide(need(30, 100), NODES, 20)
    assert asking.decide(need(30, 600), NODES, 30) == 4
    asking.decide(NONE, NODES, 40)
    asking.decide(need(1, 2), NODES, 60)
    assert asking.decide(NONE, NODES, 160) == 3


def test_no_more_nodes_are_asked_for_than_allowed() -> None:
    assert requests(after_s=0, max_nodes=3).decide(need(100, 9000), NODES, 0) == 3


def test_a_first_node_is_asked_for_if_there_is_none() -> None:
    assert requests(after_s=0).decide(Need(10, 100, {}, 0), [], 0) == 2


def test_the_capacity_of_a_new_node_can_be_set() -> None:
    assert requests(after_s=0, node_mpx=20).decide(need(10, 60), NODES, 0) == 5


def test_each_node_is_asked_for_by_the_resource_that_nodes_with_engines_offer() -> None:
    assert bundles(2) == [{ENGINE_RESOURCE: 1.0}] * 2
    assert bundles(0) == []


def test_nodes_are_asked_for_only_if_the_coordinator_can_be_asked() -> None:
    with pytest.raises(ValidationError, match="max_nodes needs"):
        FleetConfig.model_validate(
            {"cluster": {"autoscaling": {"max_nodes": 2}}, "coordinator": {"http": {"bind": None}}}
        )
