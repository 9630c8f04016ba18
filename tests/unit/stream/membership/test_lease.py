"""Leases: which cameras an engine may publish, under which generation, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream.membership.lease import ENDED_REMEMBERED, Leases, boottime_ns
from stream.membership.protocol import Fence, Grant

SECOND = 1_000_000_000
TTL_MS = 2000
ONE, TWO = "1" * 32, "2" * 32


@dataclass
class Clock:
    now_ns: int = 1000 * SECOND

    def __call__(self) -> int:
        return self.now_ns


@dataclass
class Engine:
    """Leases with a clock, whose cameras start and end as the assignment says."""

    clock: Clock = field(default_factory=Clock)
    leases: Leases = field(init=False)

    def __post_init__(self) -> None:
        self.leases = Leases(self.clock)

    def ask(self) -> int:
        self.leases.asked(self.clock.now_ns)
        return self.clock.now_ns

    def take(self, grant: Grant) -> str:
        taken = self.leases.granted(grant)
        if taken == "assignment":
            assert grant.generations is not None
            for camera, generation in self.leases.running.items():
                if grant.generations.get(camera) != generation:
                    self.leases.end(camera)
            for camera, generation in grant.generations.items():
                if self.leases.running.get(camera) != generation:
                    self.leases.begin(camera, generation)
        return taken

    def pass_s(self, seconds: float) -> None:
        self.clock.now_ns += int(seconds * SECOND)


def grant_of(asked_ns: int, version: int, generations: dict[str, int] | None, **fields: Any) -> Grant:
    fence: Fence = fields.pop("fence", "strict")
    given: dict[str, Any] = {"protocol": 1, "coordinator": ONE, "ttl_ms": TTL_MS, **fields}
    return Grant(asked_ns=asked_ns, version=version, generations=generations, fence=fence, **given)


def test_a_strict_lease_ends_ttl_after_the_renewal_was_asked_and_not_after_the_grant_arrived() -> None:
    engine = Engine()
    asked = engine.ask()
    engine.pass_s(1.5)
    assert engine.take(grant_of(asked, 1, {"lobby": 7})) == "assignment"
    assert engine.leases.permits("lobby")
    assert engine.leases.generation("lobby") == 7
    engine.pass_s(0.5)
    assert not engine.leases.permits("lobby")
    assert engine.take(grant_of(engine.ask(), 1, None)) == "lease"
    assert engine.leases.permits("lobby")


def test_a_coordinator_that_was_left_for_another_is_followed_again_on_a_new_connection() -> None:
    engine = Engine()
    late: list[Grant] = []
    for run, generation in ((ONE, 7), (TWO, 8), (ONE, 9)):
        engine.leases.connected()
        engine.pass_s(1)
        assert engine.take(grant_of(engine.clock.now_ns, 1, {"lobby": generation}, coordinator=run)) == "ignored"
        asked = engine.ask()
        assert [engine.take(grant) for grant in late] == ["ignored"] * len(late), "asked on an earlier connection"
        late.append(grant_of(asked, 1, {"lobby": generation}, coordinator=run))
        assert engine.take(late[-1]) == "assignment"
        assert engine.leases.running == {"lobby": generation}
        assert engine.leases.permits("lobby")
    engine.pass_s(1)
    assert engine.take(grant_of(engine.ask(), 2, {}, coordinator=TWO)) == "ignored", "an earlier run, without it"


def test_a_soft_lease_never_ends_and_messages_keep_their_generation() -> None:
    engine = Engine()
    engine.take(grant_of(engine.ask(), 1, {"lobby": 7}, fence="soft"))
    engine.pass_s(3600)
    assert engine.leases.permits("lobby")
    engine.take(grant_of(engine.ask(), 2, {}, fence="soft"))
    assert engine.leases.permits("lobby")
    assert engine.leases.generation("lobby") == 7


def test_a_paused_engine_publishes_nothing_of_a_camera_that_was_moved_meanwhile() -> None:
    engine = Engine()
    engine.take(grant_of(engine.ask(), 1, {"lobby": 7, "yard": 8}))
    queued = grant_of(engine.ask(), 1, None)
    engine.pass_s(6)  # paused
    assert not engine.leases.permits("lobby")
    engine.take(queued)
    assert not engine.leases.permits("lobby"), "the queued grant's lease is over too"
    assert engine.leases.granted(grant_of(engine.ask(), 2, {"yard": 8})) == "assignment"
    assert engine.leases.permits("yard")
    assert not engine.leases.permits("lobby"), "barred before its reader has stopped"


def test_a_camera_with_another_generation_is_barred_until_it_runs_under_that() -> None:
    engine = Engine()
    engine.take(grant_of(engine.ask(), 1, {"lobby": 7}))
    engine.leases.granted(grant_of(engine.ask(), 2, {"lobby": 9}))
    assert not engine.leases.permits("lobby")
    assert engine.leases.generation("lobby") == 7
    engine.leases.end("lobby")
    engine.leases.begin("lobby", 9)
    assert engine.leases.permits("lobby")
    assert engine.leases.generation("lobby") == 9


def test_late_grants_and_those_of_an_earlier_coordinator_are_ignored() -> None:
    engine = Engine()
    first = engine.ask()
    engine.take(grant_of(first, 5, {"lobby": 7}))
    engine.pass_s(0.5)
    second = engine.ask()
    assert engine.take(grant_of(second, 4, {"lobby": 6, "yard": 1})) == "ignored"
    assert engine.take(grant_of(first, 1, {"yard": 9}, coordinator=TWO)) == "ignored", "answers an answered renewal"
    assert engine.take(grant_of(second, 1, {"yard": 9}, coordinator=TWO)) == "assignment"
    assert engine.take(grant_of(second, 6, {"lobby": 7})) == "ignored", "the first coordinator's"
    assert engine.leases.running == {"yard": 9}
    assert engine.leases.version == 1


def test_a_change_to_an_unknown_version_is_ignored_and_the_whole_assignment_asked_for() -> None:
    engine = Engine()
    engine.take(grant_of(engine.ask(), 5, {"lobby": 7}))
    assert engine.take(grant_of(engine.ask(), 6, None)) == "ignored"
    assert engine.leases.version == 0
    engine.pass_s(1)
    assert engine.take(grant_of(engine.ask(), 6, {"lobby": 7})) == "assignment"
    engine.pass_s(1)
    assert engine.take(grant_of(engine.ask(), 1, None, coordinator=TWO)) == "ignored"
    assert engine.leases.version == 0


def test_a_coordinator_may_answer_without_prolonging_the_lease() -> None:
    engine = Engine()
    engine.take(grant_of(engine.ask(), 1, {"lobby": 7}))
    engine.pass_s(1)
    engine.take(grant_of(engine.ask(), 1, None, ttl_ms=0))
    engine.pass_s(1)
    assert not engine.leases.permits("lobby")


def test_answers_to_another_process_are_ignored() -> None:
    engine = Engine()
    assert engine.take(grant_of(engine.clock.now_ns, 1, {"lobby": 7})) == "ignored"
    asked = engine.ask()
    assert engine.take(grant_of(asked - 1, 1, {"lobby": 7})) == "ignored"
    assert engine.take(grant_of(asked + 1, 1, {"lobby": 7})) == "ignored"


def test_the_last_generation_of_cameras_that_are_gone_is_remembered_for_some_of_them() -> None:
    leases = Leases()
    for number in range(ENDED_REMEMBERED + 1):
        leases.begin(f"cam{number}", number)
        leases.end(f"cam{number}")
    leases.end("never-here")
    assert leases.generation("cam0") is None
    assert leases.generation(f"cam{ENDED_REMEMBERED}") == ENDED_REMEMBERED
    assert leases.running == {}


def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    assert boottime_ns() > 0


@dataclass
class Coordinator:
    """A run of the coordinator that has one camera here and elsewhere in turn, under rising generations."""

    run: str
    version: int = 0
    generation: int = 0
    here: bool = False

    def move(self) -> None:
        self.version += 1
        self.generation += 1
        self.here = not self.here

    def answer(self, asked_ns: int, knows: int) -> Grant:
        same = knows == self.version
        generations = None if same else {"lobby": self.generation} if self.here else {}
        return grant_of(asked_ns, self.version, generations, coordinator=self.run)


@given(st.lists(st.sampled_from(["ask", "move", "pass", "pause", "deliver", "deliver late", "restart"]), max_size=60))
def test_nothing_is_published_of_a_camera_after_the_coordinator_counts_its_lease_as_over(steps: list[str]) -> None:
    """Grants may be late, out of order, lost, and of two coordinators; the engine may be paused at any time."""
    engine = Engine()
    coordinator = Coordinator("0" * 32)
    held: list[Grant] = []
    longest_ns = {}  # (run, version) → the end of the longest lease that the coordinator gave with it
    published: list[int] = []
    for number, step in enumerate(steps):
        match step:
            case "ask":
                asked = engine.ask()
                if coordinator.version:
                    held.append(coordinator.answer(asked, engine.leases.version))
                    key = coordinator.generation if coordinator.here else 0
                    longest_ns[key] = max(longest_ns.get(key, 0), asked + TTL_MS * 1_000_000)
            case "move":
                coordinator.move()
            case "pass":
                engine.pass_s(0.5)
            case "pause":
                engine.pass_s(6)
            case "deliver":
                if held:
                    engine.take(held.pop(0))
            case "deliver late":
                if held:
                    engine.take(held.pop())
            case _:
                generation = coordinator.generation + 1
                coordinator = Coordinator(f"{number + 1:032x}", 0, generation, coordinator.here)
        if engine.leases.permits("lobby") and engine.leases.strict:
            generation = engine.leases.generation("lobby")
            assert generation is not None
            assert engine.clock.now_ns < longest_ns[generation]
            published.append(generation)
    assert published == sorted(published), "generations only grow"
