"""The simulation of a small fleet. Its times are virtual; what they cost is measured by the benchmark."""

from __future__ import annotations

from dataclasses import replace

from fleet.placement.settings import PlacementSettings
from fleet.simulation.simulation import Load, Simulation

LOAD = Load(cameras=200, engines=10, failing_per_minute=0.2, minutes=2, seed=7)


def test_after_rolling_failures_all_cameras_are_live_and_only_those_of_failed_nodes_were_moved() -> None:
    outcome = Simulation(LOAD, PlacementSettings()).run()
    assert outcome.unplaced == 0
    assert outcome.failed_nodes == 4
    assert outcome.failed_cameras > 0
    assert outcome.moves == outcome.failed_cameras == len(outcome.away_virtual_s)


def test_a_simulation_is_repeatable() -> None:
    first, second = (Simulation(LOAD, PlacementSettings()).run() for _ in range(2))
    assert first.away_virtual_s == second.away_virtual_s
    assert first.all_live_virtual_s == second.all_live_virtual_s


def test_the_strict_fence_moves_no_more_cameras() -> None:
    outcome = Simulation(replace(LOAD, minutes=1), PlacementSettings(fence="strict")).run()
    assert outcome.moves == outcome.failed_cameras > 0


def test_engines_that_join_get_their_part_although_measured_costs_vary() -> None:
    load = Load(cameras=100, engines=5, minutes=0, joining=1, levelling_minutes=4, noise=0.2, seed=7)
    outcome = Simulation(load, PlacementSettings()).run()
    assert 5 <= outcome.joined_moves <= 100 / 6, "nothing is moved twice"
    assert outcome.least_share > 0.7


def test_a_fleet_that_is_even_moves_hardly_a_camera_although_measured_costs_vary() -> None:
    load = Load(cameras=100, engines=10, minutes=0, levelling_minutes=4, noise=0.3, seed=7)
    assert Simulation(load, PlacementSettings()).run().joined_moves <= 3
