"""Which last messages a proxy keeps for new subscribers."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

import support.engines.wire_messages as wire
from fleet.proxy import kept_topics
from fleet.proxy.kept_topics import KeptTopics
from stream.results import ClipReady, Place, decode_head, topic_of


class Kept:
    """What a new subscriber would get: the generation of each topic's last message."""

    def __init__(self) -> None:
        self.topics = KeptTopics()
        self.last: dict[str, int] = {}

    def passes(self, message: Any, generation: int | None = None, **changes: Any) -> None:
        if generation is not None:
            changes["generation"] = generation
        head = decode_head(msgspec.json.encode(msgspec.structs.replace(message, **changes)))
        topic = topic_of(head)
        kept, dropped = self.topics.passed(head, topic.encode())
        if kept:
            self.last[topic] = generation or 0
        self.forgets(dropped)

    def moves(self, generation: int) -> None:
        self.forgets(self.topics.moved("lobby", generation))

    def forgets(self, topics: frozenset[bytes]) -> None:
        for name in topics:
            self.last.pop(name.decode(), None)


def place(state: Any, generation: int) -> Place:
    return Place(run=wire.RUN, seq=0, camera="lobby", state=state, generation=generation, at_us=0)


def clip() -> ClipReady:
    return ClipReady(
        run=wire.RUN,
        seq=0,
        camera="lobby",
        epoch=1,
        clip="lobby-1",
        start_us=0,
        end_us=1,
        start_media_time_us=0,
        end_media_time_us=1,
        ended="complete",
        bytes=1,
        events=[],
        alerts=[],
    )


def test_results_of_a_new_placement_drop_what_is_kept_of_earlier_ones() -> None:
    kept = Kept()
    for message in (wire.status(), wire.frame(), wire.event(), wire.frame("yard")):
        kept.passes(message, 1)
    kept.passes(wire.frame(), 2)
    assert kept.last == {"results/v1/lobby/": 2, "results/v1/yard/": 1}


def test_a_new_engine_that_only_connects_leaves_the_results_of_the_earlier_one() -> None:
    kept = Kept()
    kept.passes(wire.status(), 1)
    kept.passes(wire.frame(), 1)
    kept.passes(wire.status(), 2, state="connecting")
    assert kept.last == {"status/v1/lobby/": 2, "results/v1/lobby/": 1}
    kept.passes(wire.event(), 2)
    assert kept.last == {"status/v1/lobby/": 2, "events/v1/lobby/": 2}


def test_a_move_that_shows_in_no_message_drops_what_is_kept_of_earlier_placements() -> None:
    kept = Kept()
    kept.moves(1)
    kept.passes(wire.event(), 1)
    kept.passes(wire.status(), 3, state="connecting")
    kept.moves(2)
    assert kept.last == {"status/v1/lobby/": 3}
    kept.moves(4)
    assert (kept.last, len(kept.topics)) == ({}, 0)


def test_of_a_camera_that_its_engine_has_removed_nothing_is_kept_until_it_is_placed_again() -> None:
    kept = Kept()
    for message in (wire.status(), wire.frame(), wire.event(), wire.frame("yard")):
        kept.passes(message, 1)
    kept.passes(wire.status(), 1, state="removed")
    assert kept.last == {"results/v1/yard/": 1}
    assert len(kept.topics) == 1
    kept.passes(wire.status(), 2, state="connecting")
    kept.passes(wire.frame(), 2)
    assert kept.last == {"results/v1/yard/": 1, "status/v1/lobby/": 2, "results/v1/lobby/": 2}


def test_statistics_and_clips_are_not_kept() -> None:
    kept = Kept()
    kept.passes(wire.stats(), engine="north")
    kept.passes(clip(), 1)
    assert kept.last == {}


def test_of_a_removed_camera_nothing_is_kept_and_of_a_disabled_one_its_place() -> None:
    kept = Kept()
    kept.passes(place("placed", 1), 1)
    kept.passes(wire.frame(), 1)
    kept.passes(place("disabled", 2), 2)
    kept.passes(wire.frame(), 1)  # the engine has not heard of it yet
    assert kept.last == {"directory/v1/lobby/": 2}
    kept.passes(place("removed", 3), 3)
    assert kept.last == {}
    kept.passes(place("placed", 4), 4)
    kept.passes(wire.frame(), 4)
    assert kept.last == {"directory/v1/lobby/": 4, "results/v1/lobby/": 4}
    assert len(kept.topics) == 1


def test_messages_outside_a_fleet_are_kept() -> None:
    kept = Kept()
    kept.passes(wire.frame())
    kept.passes(wire.event())
    assert len(kept.last) == 2


def test_memory_of_ended_cameras_is_limited(monkeypatch: Any) -> None:
    monkeypatch.setattr(kept_topics, "CAMERAS_ENDED", 2)
    kept = Kept()
    for name in ("a", "b", "c"):
        kept.passes(place("removed", 1), 1, camera=name)
    kept.passes(wire.frame("a"), 1)
    kept.passes(wire.frame("c"), 1)
    assert kept.last == {"results/v1/a/": 1}


STEPS = st.lists(st.tuples(st.sampled_from(["results", "events", "live", "connecting"]), st.integers(0, 1)))


@given(STEPS)
def test_a_new_subscriber_never_gets_a_generation_below_one_that_it_has_got(steps: list[tuple[str, int]]) -> None:
    kept, begun, announced = Kept(), 1, 1
    for step, more in steps:  # in the order in which a subscription to a fleet hands them out
        if step == "connecting":
            announced = max(announced, begun) + more
            kept.passes(wire.status(), announced, state="connecting")
        elif step == "live":
            begun = announced = max(announced, begun + more)
            kept.passes(wire.status(), begun)
        else:
            begun += more
            announced = max(announced, begun)
            kept.passes(wire.frame() if step == "results" else wire.event(), begun)
        of_results = {number for topic, number in kept.last.items() if not topic.startswith("status/")}
        assert len(of_results) <= 1
        assert kept.last.get("status/v1/lobby/", begun) >= max(of_results, default=0)
