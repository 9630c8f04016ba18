"""Which last messages a proxy keeps for new subscribers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import support.engines.wire_messages as wire
from fleet.proxy import KeptTopics
from stream.results import Place, decode_head, topic_of


class Kept:
    """What a new subscriber would get: the generation of each topic's last message."""

    def __init__(self) -> None:
        self.topics = KeptTopics()
        self.last: dict[str, int] = {}

    def passes(self, message: Any, generation: int | None = None, ended: bool = False, **changes: Any) -> None:
        if generation is not None:
            changes["generation"] = generation
        head = decode_head(msgspec.json.encode(msgspec.structs.replace(message, **changes)))
        topic = topic_of(head)
        kept, dropped = self.topics.passed(head, topic.encode(), ended=ended)
        if kept:
            self.last[topic] = generation or 0
        self.forgets(dropped)

    def moves(self, generation: int) -> None:
        self.forgets(self.topics.moved("lobby", generation))

    def forgets(self, topics: set[bytes]) -> None:
        for name in topics:
            self.last.pop(name.decode(), None)


@pytest.fixture
def kept() -> Kept:
    """A proxy that has passed messages of two cameras."""
    kept = Kept()
    for message in (wire.status(), wire.frame(), wire.event(), wire.frame("yard")):
        kept.passes(message, 1)
    return kept


def place(state: Any, generation: int) -> Place:
    return Place(run=wire.RUN, seq=0, camera="lobby", state=state, generation=generation, at_us=0)


def test_a_move_drops_what_is_kept_of_earlier_placements(kept: Kept) -> None:
    kept.moves(2)
    kept.passes(wire.frame(), 2)
    assert kept.last == {"results/v1/lobby/": 2, "results/v1/yard/": 1}


def test_a_status_of_a_new_engine_that_connects_outlasts_the_move(kept: Kept) -> None:
    kept.passes(wire.status(), 2, state="connecting")
    assert kept.last == {f"{kind}/v1/lobby/": 1 for kind in ("results", "events")} | {
        "status/v1/lobby/": 2,
        "results/v1/yard/": 1,
    }
    kept.moves(2)
    assert kept.last == {"status/v1/lobby/": 2, "results/v1/yard/": 1}


def test_of_a_camera_that_its_engine_has_removed_nothing_is_kept_until_it_is_placed_again(kept: Kept) -> None:
    kept.passes(wire.status(), 1, state="removed")
    assert kept.last == {"results/v1/yard/": 1}
    assert len(kept.topics) == 1
    kept.passes(wire.frame(), 2)
    assert kept.last == {"results/v1/yard/": 1, "results/v1/lobby/": 2}


def test_of_a_removed_camera_nothing_is_kept_and_of_a_disabled_one_its_place(kept: Kept) -> None:
    kept.passes(place("disabled", 2), 2, ended=True)
    kept.passes(wire.frame(), 1, ended=True)  # the engine has not heard of it yet
    assert kept.last == {"directory/v1/lobby/": 2, "results/v1/yard/": 1}
    kept.passes(place("removed", 3), 3, ended=True)
    assert kept.last == {"results/v1/yard/": 1}
    kept.passes(place("placed", 4), 4)
    kept.passes(wire.frame(), 4)
    assert kept.last == {"results/v1/yard/": 1, "directory/v1/lobby/": 4, "results/v1/lobby/": 4}


def test_statistics_are_not_kept_but_messages_outside_a_fleet_are() -> None:
    kept = Kept()
    kept.passes(wire.stats(), engine="north")
    assert kept.last == {}
    kept.passes(wire.frame())
    assert kept.last == {"results/v1/lobby/": 0}
