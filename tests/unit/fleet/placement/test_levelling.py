"""Cameras that move to engines which have little to do."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from fleet.placement.commands import Announce, Assign, Command
from fleet.placement.events import DrainBegun, DrainEnded, EngineEnded, Measured, Wish
from fleet.placement.levelling import AFTER_FAILURE_S
from fleet.placement.settings import PlacementSettings
from stream.membership.protocol import EngineReport
from support.fleet.placement_driver import TICK_S, Driver

COST = 6.0


class Fleet(Driver):
    """Engines that report all cameras as live, at the cost that they were expected to have."""

    refused: frozenset[str] = frozenset()
    """Cameras that all engines refuse."""

    def fill(self, cameras: int, wish: Wish | None = None, first: int = 0) -> None:
        self.add(*(f"c{number:02}" for number in range(first, first + cameras)), wish=wish or Wish(pixels=COST))
        self.serve(1)

    def serve(self, seconds: float, *dark: str) -> list[tuple[float, str]]:
        """Let time pass, and return when each camera was given to an engine. No camera is live on `dark` engines."""
        given: list[tuple[float, str]] = []
        for _ in range(round(seconds / TICK_S)):
            commands = self.elapse(TICK_S)
            for engine in self.engines:
                told = self.told.get(engine, {}).items()
                commands += self.report(engine, {name: self._measured(name, one, engine in dark) for name, one in told})
            given += [(self.now_s, command.camera) for command in commands if isinstance(command, Assign)]
        return given

    def _measured(self, camera: str, generation: int, dark: bool) -> Measured:
        if camera in self.refused:
            return Measured(generation, False, refused="no such device")
        return Measured(generation, not dark, self._cost(camera))

    def _cost(self, camera: str) -> float:
        wish = self.placement._ledger.cameras[camera].wish
        return wish.pixels if wish is not None else 0.0


def assigned(commands: list[Command]) -> list[str]:
    return [command.camera for command in commands if isinstance(command, Assign)]


def test_an_engine_that_joined_gets_its_part_of_the_load_and_then_nothing_moves() -> None:
    fleet = Fleet()
    fleet.join("one", "two")
    fleet.fill(20)
    fleet.join("three")
    fleet.serve(120)
    assert fleet.counts() == {"one": 7, "two": 7, "three": 6}
    assert fleet.serve(300) == []


@pytest.mark.parametrize("wish", [Wish(pixels=COST, pinned="off"), Wish(pixels=COST)], ids=["pin absent", "refused"])
def test_a_camera_that_no_engine_can_have_does_not_stop_it(wish: Wish) -> None:
    fleet = Fleet()
    fleet.refused = frozenset(["waiting"])
    fleet.join("one")
    fleet.fill(12)
    fleet.add("waiting", wish=wish)
    fleet.join("two")
    fleet.serve(200)
    assert fleet.counts() == {"one": 7, "two": 5}
    assert fleet.placement.cameras["waiting"].state == "unplaced"


def test_a_camera_is_released_only_when_it_is_live_on_the_engine_that_joined() -> None:
    fleet = Fleet()
    fleet.join("one")
    fleet.fill(10)
    fleet.serve(60)
    fleet.join("two")
    moved: list[str] = []
    while not moved:
        moved = assigned(fleet.elapse(TICK_S))
    camera = fleet.placement.cameras[moved[0]]
    assert (camera.state, camera.engine, camera.previous) == ("moving", "two", "one")
    assert isinstance(fleet.all[-1], Announce) and fleet.all[-1].reason == "two has less to do"
    fleet.elapse(3)
    assert moved[0] in fleet.told["one"]
    fleet.live("two")
    assert moved[0] not in fleet.told["one"]


def test_an_engine_whose_drain_ended_gets_cameras_again() -> None:
    fleet = Fleet()
    fleet.join("one", "two")
    fleet.fill(12)
    fleet.step(DrainBegun("two"))
    fleet.serve(10)
    assert fleet.counts() == {"one": 12, "two": 0}
    fleet.step(DrainEnded("two"))
    fleet.serve(120)
    assert fleet.counts() == {"one": 7, "two": 5}


def test_moves_are_spread_over_a_minute_and_no_camera_moves_twice_in_one() -> None:
    settings = PlacementSettings(moves_per_minute=6)
    fleet = Fleet(settings)
    fleet.join("one", capacity=200)
    fleet.fill(30, Wish(pixels=5.5))
    fleet.serve(60)
    fleet.join("two", capacity=200)
    given = fleet.serve(240)
    times = [at_s for at_s, _ in given]
    assert len(times) > settings.moves_per_minute
    assert all(later - earlier >= 10 for earlier, later in pairwise(times))
    assert len({camera for _, camera in given}) == len(given)


def test_a_suffering_engine_finds_moves_left_while_the_load_is_levelled() -> None:
    fleet = Fleet(PlacementSettings(moves_per_minute=6))
    fleet.join("one", "two")
    fleet.fill(20)
    fleet.serve(60)
    fleet.join("three")
    fleet.serve(75)
    suffering = EngineReport(60, 64, overloaded=True)
    fleet.engines["two"] = replace(fleet.engines["two"], report=suffering)
    fleet.serve(11)
    reasons = [command.reason for command in fleet.all if isinstance(command, Announce)]
    assert "two has too much to do" in reasons


def test_engines_that_have_little_to_do_give_no_cameras() -> None:
    fleet = Fleet()
    fleet.join("one")
    fleet.fill(4)
    fleet.join("two")
    assert fleet.serve(300) == []
    fleet.fill(1, Wish(pixels=30, pinned="one"), first=4)
    fleet.serve(120)
    assert fleet.counts() == {"one": 1, "two": 4}


def test_engines_of_different_capacity_get_different_numbers_of_cameras() -> None:
    fleet = Fleet()
    fleet.join("one", "two")
    fleet.fill(20)
    fleet.join("large", capacity=300)
    fleet.join("small", capacity=30)
    fleet.serve(400)
    counts = fleet.counts()
    assert counts["large"] == 10 and counts["small"] == 1
    assert fleet.serve(300) == []


def test_the_camera_that_moves_is_the_most_expensive_that_leaves_the_engine_its_part() -> None:
    fleet = Fleet()
    fleet.join("one")
    for number, pixels in enumerate((40.0, 20.0, 10.0)):
        fleet.fill(1, Wish(pixels=pixels), first=number)
    fleet.join("two")
    fleet.serve(120)
    assert set(fleet.told["two"]) == {"c01", "c02"}
    assert fleet.serve(120) == []


def test_cameras_that_are_too_expensive_to_leave_an_engine_its_part_move_to_an_empty_one() -> None:
    fleet = Fleet()
    fleet.join("one", "two")
    fleet.fill(4, Wish(pixels=40))
    fleet.join("three")
    fleet.serve(300)
    assert sorted(fleet.counts().values()) == [1, 1, 2]


def test_the_only_camera_of_an_engine_stays() -> None:
    fleet = Fleet()
    fleet.join("one")
    fleet.fill(1, Wish(pixels=80))
    fleet.join("two")
    assert fleet.serve(200) == []


def test_exclusive_pinned_and_unmeasured_cameras_and_those_that_are_away_stay() -> None:
    fleet = Fleet()
    fleet.join("one")
    fleet.fill(3, Wish(pixels=COST, exclusive=True))
    fleet.fill(3, Wish(pixels=COST, pinned="one"), first=3)
    fleet.fill(3, Wish(pixels=0.0), first=6)
    fleet.join("two")
    assert fleet.serve(200) == []
    fleet.fill(3, Wish(pixels=COST, pinned="one"), first=9)
    fleet.add("c09", "c10", "c11", wish=Wish(pixels=COST))
    assert fleet.serve(200, "one") == []


def test_under_the_strict_fence_only_engines_that_suffer_give_cameras() -> None:
    fleet = Fleet(PlacementSettings(fence="strict"))
    fleet.join("one")
    fleet.fill(12)
    fleet.join("two")
    assert fleet.serve(200) == []
    fleet.engines["one"] = replace(fleet.engines["one"], report=EngineReport(100, 64, overloaded=True))
    assert fleet.serve(60)


def test_an_engine_on_which_cameras_do_not_become_live_is_left_alone() -> None:
    fleet = Fleet()
    fleet.join("one")
    fleet.fill(12)
    fleet.join("two")
    given = fleet.serve(AFTER_FAILURE_S, "two")
    assert len(given) == 2, "the camera moved, and moved back"
    assert given[0][1] == given[1][1]
    assert fleet.counts() == {"one": 12, "two": 0}
    fleet.serve(AFTER_FAILURE_S)
    assert fleet.counts()["two"] > 0


def test_an_engine_that_restarts_again_and_again_gets_no_cameras_of_others() -> None:
    fleet = Fleet()
    fleet.join("one")
    fleet.fill(12)
    for number in range(10):
        fleet.join("two", run=f"run{number}")
        assert fleet.serve(50) == []
        fleet.step(EngineEnded("two", f"run{number}"))
        del fleet.engines["two"]


def test_an_engine_that_suffers_gets_no_cameras_of_others() -> None:
    fleet = Fleet()
    fleet.join("one")
    fleet.fill(12)
    fleet.join("two")
    fleet.engines["two"] = replace(fleet.engines["two"], report=EngineReport(100, 64, overloaded=True))
    assert fleet.serve(200) == []
    fleet.engines["two"] = replace(fleet.engines["two"], report=EngineReport(100, 64))
    assert fleet.serve(20)
