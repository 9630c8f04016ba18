"""The placement, event by event."""

from __future__ import annotations

from dataclasses import replace

from fleet.placement.commands import Announce, Assign, Drained, EngineLost, Release
from fleet.placement.events import (
    CameraUnwanted,
    DrainBegun,
    DrainEnded,
    EngineEnded,
    Measured,
    Tick,
    Wish,
)
from fleet.placement.records import Remembered
from fleet.placement.settings import PlacementSettings
from stream.membership.protocol import EngineReport
from support.fleet.placement_driver import FLOOR, TICK_S, Driver, of


def test_cameras_are_spread_by_the_share_of_the_capacity_that_they_use() -> None:
    driver = Driver()
    driver.join("small", capacity=20)
    driver.join("large", capacity=60)
    driver.add(*(f"c{number}" for number in range(20)))
    assert driver.counts() == {"large": 15, "small": 5}


def test_a_placed_camera_is_announced_with_its_engine_and_a_generation_above_the_floor() -> None:
    driver = Driver()
    driver.join("one")
    assert driver.add("c") == [
        Assign("one", "a", "c", FLOOR),
        Announce("c", "placed", FLOOR, "one", "a", reason="it was added"),
    ]


def test_a_camera_that_fits_nowhere_is_reported_with_what_it_needs_and_placed_when_an_engine_joins() -> None:
    driver = Driver()
    assert driver.add("c", wish=Wish(pixels=12)) == [
        Announce("c", "unplaced", 0, reason="no engine is there"),
    ]
    driver.join("small", capacity=10)
    driver.elapse(TICK_S)
    assert driver.announced["c"].reason == "no engine has room: it needs 12 Mpx/s, the freest has 9"
    assert driver.placement.unplaced_cost == 12
    driver.join("large", capacity=20)
    driver.elapse(TICK_S)
    assert driver.place_of("c") == "large"
    assert driver.placement.unplaced_cost == 0


def test_an_engine_gets_no_more_cameras_than_it_can_take() -> None:
    driver = Driver()
    driver.join("few", max_cameras=2)
    driver.join("narrow", capacity=10)
    driver.add(*(f"c{number}" for number in range(9)))
    assert driver.counts() == {"few": 2, "narrow": 4}
    assert sum(place.state == "unplaced" for place in driver.placement.cameras.values()) == 3


def test_room_that_becomes_free_is_used() -> None:
    driver = Driver()
    driver.join("one", max_cameras=1)
    driver.add("c", "d")
    driver.step(CameraUnwanted("c"))
    driver.elapse(1)
    assert driver.place_of("d") == "one"


def test_a_silent_engine_is_lost_after_its_lease_and_its_cameras_are_placed_elsewhere() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.add("c", "d")
    driver.live()
    assert not of(EngineLost, driver.elapse(2, "one"))
    commands = driver.elapse(TICK_S, "one")
    assert [command.engine for command in of(EngineLost, commands) if isinstance(command, EngineLost)] == ["one"]
    moved = driver.announced["c"]
    assert (moved.engine, moved.previous, moved.previous_generation) == ("two", "one", FLOOR)
    assert moved.generation == FLOOR + 1
    assert driver.placement.cameras["d"].generation == FLOOR


def test_an_engine_that_has_ended_is_replaced_at_once_unless_a_later_run_has_joined() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.add("c", "d")
    assert driver.step(EngineEnded("one", "older")) == []
    driver.step(EngineEnded("one", "a"))
    assert driver.counts() == {"two": 2}


def test_a_new_run_of_an_engine_ends_the_old_one() -> None:
    driver = Driver()
    driver.join("one")
    driver.add("c")
    commands = driver.join("one", run="b")
    assert commands[0] == EngineLost("one", "a", "it was started again")
    assert Assign("one", "b", "c", FLOOR + 1) in commands


def test_after_a_pause_of_the_coordinator_no_engine_is_lost_before_it_could_be_heard() -> None:
    driver = Driver()
    driver.join("one")
    driver.add("c")
    driver.now_s += 60
    assert driver.step(Tick()) == []
    assert not of(EngineLost, driver.elapse(5))


def test_a_drain_moves_a_few_cameras_at_a_time_and_releases_each_only_when_it_is_live_elsewhere() -> None:
    driver = Driver(PlacementSettings(drain_at_once=2))
    driver.join("one")
    driver.add(*(f"c{number}" for number in range(5)))
    driver.live()
    driver.join("two")
    driver.step(DrainBegun("one-node"))
    commands = driver.elapse(TICK_S)
    assert [type(command) for command in commands] == [Assign, Announce] * 2
    assert driver.placement.cameras["c0"].state == "moving"
    assert [command.camera for command in of(Release, driver.live("two")) if isinstance(command, Release)] == [
        "c0",
        "c1",
    ]
    for _ in range(2):
        driver.elapse(TICK_S)
        driver.live()
    assert Drained("one-node") in driver.elapse(TICK_S)
    assert driver.counts() == {"one": 0, "two": 5}
    driver.add("c5")
    assert driver.place_of("c5") == "two"
    driver.step(DrainEnded("one-node"))
    driver.add("c6")
    assert driver.place_of("c6") == "one"


def test_a_drained_engine_keeps_what_no_other_can_take_and_says_so() -> None:
    driver = Driver()
    driver.join("one")
    driver.add("c")
    driver.step(DrainBegun("one"))
    commands = driver.elapse(3)
    assert commands == []
    assert driver.placement.cameras["c"].reason == "one is being drained, but no other engine has room"


def test_a_camera_pinned_to_a_drained_node_is_stopped_with_the_reason() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.add("c", wish=Wish(pinned="one-node"))
    driver.live()
    driver.step(DrainBegun("one-node"))
    assert Drained("one-node") in driver.elapse(TICK_S)
    driver.elapse(TICK_S)
    assert driver.announced["c"].reason == "it is pinned to one-node, which is being drained"
    driver.step(DrainEnded("one-node"))
    driver.elapse(1)
    assert driver.place_of("c") == "one"


def test_an_engine_that_stops_in_order_loses_all_cameras_before_it_ends() -> None:
    driver = Driver(PlacementSettings(drain_at_once=1))
    driver.join("one")
    driver.add(*(f"c{number}" for number in range(5)))
    driver.live()
    driver.join("two")
    driver.step(replace(driver.engines["one"], stopping=True))
    driver.live("two")
    assert driver.counts() == {"one": 0, "two": 5}


def test_an_exclusive_camera_is_released_first_and_assigned_when_it_was_given_up() -> None:
    driver = Driver()
    driver.join("one")
    driver.add("c", wish=Wish(exclusive=True))
    driver.live()
    driver.join("two")
    driver.step(DrainBegun("one"))
    assert driver.elapse(TICK_S) == [Release("one", "a", "c", FLOOR)]
    assert driver.report("one", {"c": Measured(FLOOR, True)}) == []
    commands = driver.report("one", {})
    assert commands[0] == Assign("two", "a", "c", FLOOR + 1)


def test_under_the_strict_fence_a_camera_is_not_assigned_before_its_last_lease_is_over() -> None:
    driver = Driver(PlacementSettings(fence="strict"))
    driver.join("one")
    driver.add("c")
    driver.live()
    driver.join("two")
    driver.step(DrainBegun("one"))
    driver.elapse(TICK_S)
    assert not of(Assign, driver.elapse(2 - TICK_S))
    assert of(Assign, driver.elapse(TICK_S)) == [Assign("two", "a", "c", FLOOR + 1)]


def test_a_camera_that_is_not_live_elsewhere_in_time_is_given_back() -> None:
    driver = Driver(PlacementSettings(fence="soft", live_within_s=3))
    driver.join("one")
    driver.add("c")
    driver.live()
    driver.join("two")
    driver.add("d")
    driver.step(DrainBegun("one"))
    driver.elapse(TICK_S)
    driver.report("two", {"c": Measured(FLOOR + 1, False), "d": Measured(FLOOR, True)})
    driver.step(DrainEnded("one"))
    driver.elapse(3)
    assert driver.place_of("c") == "one"
    assert driver.announced["c"].generation == FLOOR + 2
    assert driver.announced["c"].reason == "two: the camera was not live there within 3 s"
    assert driver.told == {"one": {"c": FLOOR + 2}, "two": {"d": FLOOR}}


def test_a_camera_that_is_down_everywhere_stays_where_it_was_moved() -> None:
    driver = Driver(PlacementSettings(live_within_s=3))
    driver.join("one")
    driver.add("c")
    driver.live()
    driver.join("two")
    driver.step(DrainBegun("one"))
    driver.elapse(TICK_S)
    driver.report("one", {"c": Measured(FLOOR, False)})
    driver.report("two", {"c": Measured(FLOOR + 1, False)})
    driver.elapse(4)
    assert driver.place_of("c") == "two"
    assert driver.told["one"] == {}


def test_an_engine_that_refuses_a_camera_is_not_asked_again_for_a_minute() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.add("c")
    driver.report("one", {"c": Measured(FLOOR, False, refused="no such device")})
    assert driver.place_of("c") == "two"
    driver.report("two", {"c": Measured(FLOOR + 1, False, refused="no decoder")})
    assert driver.place_of("c") is None
    assert driver.announced["c"].reason == "one refused it: no such device"
    driver.elapse(59)
    assert driver.place_of("c") is None
    driver.elapse(3)
    assert driver.place_of("c") == "one"


def test_a_pinned_camera_goes_to_its_engine_or_node_only() -> None:
    driver = Driver()
    driver.join("one")
    driver.add("c", wish=Wish(pinned="two-node"))
    assert driver.announced["c"].reason == "it is pinned to two-node, which is not there"
    driver.join("two")
    driver.elapse(TICK_S)
    assert driver.place_of("c") == "two"
    driver.live()
    driver.add("c", wish=Wish(pinned="one"))
    driver.live()
    assert driver.place_of("c") == "one"
    assert driver.told["two"] == {}


def test_a_disabled_camera_is_released_and_an_enabled_one_placed_again() -> None:
    driver = Driver()
    driver.join("one")
    driver.add("c")
    assert driver.add("c", wish=Wish(enabled=False)) == [
        Release("one", "a", "c", FLOOR),
        Announce("c", "disabled", FLOOR),
    ]
    driver.add("c")
    assert driver.announced["c"].generation == FLOOR + 1


def test_a_camera_that_was_removed_and_added_again_never_goes_back_a_generation() -> None:
    driver = Driver()
    driver.join("one")
    driver.add("c")
    driver.add("c", wish=Wish(enabled=False))
    driver.add("c")
    driver.step(CameraUnwanted("c"))
    assert "c" not in driver.placement.cameras
    assert driver.placement.generation_floor == FLOOR + 2
    driver.add("c")
    assert driver.announced["c"].generation == FLOOR + 2


def test_a_camera_that_nobody_wants_is_released() -> None:
    driver = Driver()
    driver.join("one")
    assert driver.report("one", {"c": Measured(7, True)}) == [Release("one", "a", "c", 7)]


def test_a_new_coordinator_leaves_cameras_where_they_are_and_places_the_others_later() -> None:
    remembered = [Remembered(name, Wish(), FLOOR, "one") for name in ("c", "d")]
    driver = Driver(remembered=remembered, settle_s=4)
    driver.join("one", "two")
    commands = driver.report("one", {"c": Measured(FLOOR, True)})
    assert commands == [
        Assign("one", "a", "c", FLOOR),
        Announce("c", "placed", FLOOR, "one", "a", reason="its engine has it"),
    ]
    assert driver.elapse(3.75) == []
    driver.elapse(TICK_S)
    assert driver.announced["d"].engine == "two"
    assert driver.announced["d"].reason == "one has not reported it"


def test_a_store_that_is_older_than_the_reports_takes_their_generations() -> None:
    driver = Driver(remembered=[Remembered("c", Wish(), FLOOR, "one")], settle_s=4)
    driver.join("one", "two")
    driver.report("one", {"c": Measured(FLOOR, True)})
    commands = driver.report("two", {"c": Measured(FLOOR + 5, True)})
    assert commands[:2] == [Release("one", "a", "c", FLOOR), Assign("two", "a", "c", FLOOR + 5)]


def test_a_move_that_a_coordinator_did_not_see_the_end_of_is_finished_by_the_next() -> None:
    driver = Driver(remembered=[Remembered("c", Wish(), FLOOR + 1, "two")], settle_s=4)
    driver.join("one", "two")
    assert driver.report("one", {"c": Measured(FLOOR, True)}) == []
    driver.report("two", {"c": Measured(FLOOR + 1, False)})
    assert driver.told["two"] == {"c": FLOOR + 1}
    assert driver.live("two") == [Release("one", "a", "c", FLOOR)]


def test_a_coordinator_without_its_store_leaves_cameras_in_place_with_generations_above_all_before() -> None:
    driver = Driver(settle_s=4, floor=2 * FLOOR)
    driver.join("one")
    driver.add("c")
    driver.report("one", {"c": Measured(FLOOR, True)})
    assert driver.told == {"one": {"c": 2 * FLOOR}}
    driver.live()
    assert driver.elapse(10) == []


def test_an_engine_that_does_not_report_an_exclusive_camera_yet_may_still_take_it() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.add("c", wish=Wish(exclusive=True))
    driver.add("c", wish=Wish(exclusive=True, pinned="two"))
    assert not of(Assign, driver.report("one", {}))
    assert not of(Assign, driver.elapse(2 - TICK_S))
    assert of(Assign, driver.elapse(TICK_S)) == [Assign("two", "a", "c", FLOOR + 1)]


def test_an_engine_that_comes_back_keeps_a_camera_that_went_nowhere_else() -> None:
    driver = Driver()
    driver.join("one")
    driver.add("c")
    driver.live()
    driver.elapse(2.5, "one")
    assert driver.announced["c"].state == "unplaced"
    driver.report("one", {"c": Measured(FLOOR, True)})
    assert driver.told == {"one": {"c": FLOOR}}
    assert driver.announced["c"].engine == "one"


def test_a_generation_that_was_given_to_another_run_is_not_taken_over() -> None:
    driver = Driver(remembered=[Remembered("c", Wish(), FLOOR, "one", "a")], settle_s=4)
    driver.join("one", run="b")
    driver.report("one", {"c": Measured(FLOOR, True)})
    driver.elapse(4)
    assert driver.told == {"one": {"c": FLOOR + 1}}


def test_an_engine_that_comes_back_gives_up_what_is_live_elsewhere() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.add("c")
    driver.live()
    driver.elapse(2.5, "one")
    driver.live("two")
    assert driver.report("one", {"c": Measured(FLOOR, True)}) == [Release("one", "a", "c", FLOOR)]


def test_measured_costs_count_instead_of_expected_ones() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.add("c", wish=Wish(pixels=1))
    driver.report("one", {"c": Measured(FLOOR, True, pixels=50)})
    assert driver.placement.engines["one"].load == 50
    driver.add("d", "e", wish=Wish(pixels=20))
    assert driver.counts() == {"one": 1, "two": 2}


def test_an_engine_that_suffers_loses_cameras_one_by_one_until_the_load_is_even() -> None:
    driver = Driver(PlacementSettings(moves_per_minute=3, rest_s=0))
    driver.join("one")
    driver.add(*(f"c{number}" for number in range(10)))
    driver.live()
    driver.join("two")
    driver.elapse(10)
    assert driver.counts() == {"one": 10, "two": 0}, "it does not suffer"
    suffering = EngineReport(100, 64, overloaded=True)
    driver.engines["one"] = replace(driver.engines["one"], report=suffering)
    for _ in range(40):
        driver.elapse(TICK_S)
        driver.live()
    assert driver.counts() == {"one": 7, "two": 3}, "no more in a minute"
    for _ in range(400):
        driver.elapse(TICK_S)
        driver.live()
    assert driver.counts() == {"one": 6, "two": 4}, "1.25 times the mean are allowed"


def test_an_engine_that_loses_a_camera_gets_it_again_or_loses_it_for_good() -> None:
    driver = Driver(PlacementSettings(live_within_s=3))
    driver.join("one", "two")
    driver.add("c")
    driver.live()
    assert driver.report("one", {}) == []
    driver.elapse(3)
    assert driver.place_of("c") == "two"


def test_commands_never_name_an_engine_that_is_lost() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.add("c")
    commands = driver.step(EngineEnded("one", "a"))
    lost = commands.index(EngineLost("one", "a", "its process has ended"))
    assert all(getattr(command, "engine", "two") == "two" for command in commands[lost + 1 :])


def test_a_camera_can_be_moved_while_an_engine_that_had_it_earlier_still_gives_it_up() -> None:
    driver = Driver(remembered=[Remembered("c", Wish(exclusive=True), FLOOR + 1, "two")])
    driver.join("one", "two", "three")
    driver.report("two", {"c": Measured(FLOOR + 1, True)})
    driver.report("one", {"c": Measured(FLOOR, True)})
    driver.add("c", wish=Wish(exclusive=False))
    driver.step(DrainBegun("two"))
    driver.elapse(3)
    driver.live()
    assert driver.place_of("c") in ("one", "three")


def test_a_move_that_is_not_written_takes_the_camera_from_no_engine() -> None:
    driver = Driver(PlacementSettings(live_within_s=1, refused_s=5))
    driver.join("one")
    driver.add("c")
    driver.live()
    driver.join("two")
    driver.step(DrainBegun("one"))
    for _ in range(120):  # nothing that was decided reaches the engines
        driver.elapse(TICK_S)
        driver.report("one", {"c": Measured(FLOOR, True)})
        driver.report("two", {})
    assert Release("one", "a", "c", FLOOR) not in driver.all
    assert not [
        command
        for command in of(Release, driver.all)
        if isinstance(command, Release) and command.engine == "one" and command.generation >= FLOOR
    ]


def test_while_decisions_cannot_be_written_nothing_is_placed_moved_or_late() -> None:
    driver = Driver(PlacementSettings(live_within_s=1))
    driver.join("one")
    driver.add("c")
    driver.live()
    driver.join("two")
    driver.step(DrainBegun("one"))
    driver.elapse(TICK_S)
    assert driver.placement.cameras["c"].engine == "two"
    driver.held = True
    driver.add("d")
    driver.step(DrainBegun("two"))
    assert driver.elapse(30) == []
    assert driver.placement.cameras["c"].engine == "two"
    driver.held = False
    driver.step(DrainEnded("two"))
    driver.elapse(TICK_S)
    assert driver.place_of("d") == "two"
    assert driver.live("two")[0] == Release("one", "a", "c", FLOOR)


def test_an_engine_that_comes_back_goes_on_with_a_camera_until_it_is_live_elsewhere() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.add("c")
    driver.live()
    driver.elapse(2.5, "one")
    assert driver.place_of("c") == "two"
    assert driver.report("one", {"c": Measured(FLOOR, True)}) == []
    assert driver.placement.cameras["c"].state == "moving"
    assert driver.live("two") == [Release("one", "a", "c", FLOOR)]


def test_the_engine_that_was_given_a_camera_last_keeps_it_whichever_reports_first() -> None:
    for wish, fence in ((Wish(), "soft"), (Wish(exclusive=True), "soft"), (Wish(), "strict")):
        remembered = [Remembered("c", wish, FLOOR + 1, "two")]
        driver = Driver(PlacementSettings.model_validate({"fence": fence}), remembered, settle_s=4)
        driver.join("one", "two")
        driver.report("one", {"c": Measured(FLOOR, True)})
        driver.report("two", {"c": Measured(FLOOR + 1, True)})
        assert driver.told.get("two") == {"c": FLOOR + 1}
        assert of(Release, driver.all) == [Release("one", "a", "c", FLOOR)]
        driver.elapse(5)
        assert driver.place_of("c") == "two"


def test_an_engine_with_an_earlier_generation_keeps_the_camera_if_the_last_one_does_not_come() -> None:
    driver = Driver(remembered=[Remembered("c", Wish(), FLOOR + 1, "two")], settle_s=4)
    driver.join("one", "three")
    driver.report("one", {"c": Measured(FLOOR, True)})
    assert not of(Release, driver.elapse(4.25))
    assert driver.told == {"one": {"c": FLOOR + 2}}


def test_one_wild_measurement_of_a_camera_does_not_stop_it_for_good() -> None:
    for wild in (5000.0, 1e308):
        driver = Driver()
        driver.join("one", capacity=1e308)
        driver.add("c")
        driver.report("one", {"c": Measured(FLOOR, True, pixels=wild)})
        driver.join("two", capacity=100)
        driver.step(EngineEnded("one", "a"))
        del driver.engines["one"]
        assert driver.place_of("c") is None
        for _ in range(90):
            driver.elapse(1)
            driver.live()
        assert driver.place_of("c") == "two"
        assert driver.placement.engines["two"].load <= 90


def test_a_camera_costs_at_most_what_the_engine_has_that_carries_it() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.add("c", "d")
    for name, engine in (("c", "one"), ("d", "two")):
        driver.report(engine, {name: Measured(FLOOR, True, pixels=5000)})
    assert driver.placement.engines["one"].load == 90
    driver.step(CameraUnwanted("d"))
    driver.step(EngineEnded("one", "a"))
    assert driver.place_of("c") == "two"


def test_cameras_that_may_cost_too_much_are_measured_one_at_a_time_while_engines_have_room() -> None:
    driver = Driver()
    driver.join("one", capacity=15)
    cameras = [f"c{number}" for number in range(20)]
    driver.add(*cameras, wish=Wish(pixels=20))
    assert driver.counts() == {"one": 0}
    driver.elapse(3)
    assert driver.counts() == {"one": 1}, "another is measured only after the first"
    for number in range(60):
        driver.elapse(0.5)
        told = {name: given for name, given in driver.told["one"].items() if name != "c0"}
        live = {name: Measured(given, number > 20, pixels=2) for name, given in told.items()}
        driver.report("one", {"c0": Measured(FLOOR, False), **live})
    assert driver.counts() == {"one": 7}, "six that were measured, and one that is away"


def test_a_camera_that_may_cost_too_much_is_not_tried_on_an_engine_that_is_full_as_measured() -> None:
    driver = Driver()
    driver.join("one", capacity=100)
    driver.add("c", "d", wish=Wish(pixels=20))
    driver.report("one", {one: Measured(FLOOR, True, pixels=42) for one in driver.told["one"]})
    driver.add("e", wish=Wish(pixels=20))
    driver.elapse(10)
    assert driver.place_of("e") is None


def test_cameras_that_a_further_engine_could_have_are_counted() -> None:
    driver = Driver()
    driver.add("c", wish=Wish(pixels=12))
    assert driver.placement.without_room == (1, 12)
    driver.join("one", max_cameras=1)
    driver.elapse(TICK_S)
    driver.add("d", "e", wish=Wish(pixels=3))
    driver.add("f", wish=Wish(pixels=3, pinned="two"))
    driver.add("g", wish=Wish(pixels=3, enabled=False))
    assert driver.placement.without_room == (2, 6)
    driver.add("h", wish=Wish(pinned="one"))
    driver.step(CameraUnwanted("d"))
    driver.join("three")
    driver.elapse(1)
    assert driver.placement.without_room == (0, 0)


def test_a_camera_that_engines_refuse_needs_no_further_engine() -> None:
    driver = Driver()
    driver.join("one")
    driver.add("c")
    driver.report("one", {"c": Measured(FLOOR, False, refused="no such device")})
    assert driver.placement.without_room == (0, 0)
