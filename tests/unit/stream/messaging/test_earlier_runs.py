"""Which alerts of the engine's earlier runs are requested, and which of an answer were missed."""

from __future__ import annotations

from msgspec.structs import replace

from stream.messaging.gap_filling import EarlierRuns
from stream.messaging.gaps import Hole, Position, Sequences
from stream.messaging.replay import ALERTS
from stream.results import Alert
from support.notify.fed_alerts import alert

DOOR, YARD = f"{ALERTS}door/", f"{ALERTS}yard/"


def kept(run: str, camera: str, epoch: int, seq: int) -> Alert:
    return replace(alert("a"), run=run, camera=camera, epoch=epoch, seq=seq)


def test_all_since_the_run_that_was_read_last_are_requested_and_what_was_read_of_it_is_not_missed() -> None:
    earlier = EarlierRuns(Sequences([Position(YARD, "r0", 1, 9), Position(DOOR, "r1", 1, 2)]), [ALERTS])
    assert earlier.began("r3") == [Hole(ALERTS, "r1", 0, 0, None)]
    answer = [("r1", "door", 1, 1), ("r1", "door", 1, 2), ("r1", "yard", 1, 0), ("r1", "door", 2, 0)]
    answer += [("r2", "door", 1, 0), ("r2", "door", 1, 1), ("r3", "door", 1, 0)]
    assert [earlier.missed(kept(*one)) for one in answer] == [0, 1, 1, 1, 1, 1, 0]


def test_messages_that_are_no_longer_kept_are_missed_too() -> None:
    earlier = EarlierRuns(Sequences([Position(DOOR, "r1", 1, 2)]), [ALERTS])
    earlier.began("r2")
    assert [earlier.missed(kept("r1", "door", *one)) for one in ((1, 5), (1, 6), (3, 2))] == [4, 1, 3]


def test_only_topics_that_are_subscribed_to_are_wanted() -> None:
    earlier = EarlierRuns(Sequences([Position(DOOR, "r1", 1, 0)]), [DOOR, "results/v1/door/"])
    assert earlier.began("r2")
    assert [earlier.missed(kept("r1", name, 1, 0)) for name in ("door", "door-2", "yard")] == [1, 0, 0]
    assert EarlierRuns(Sequences([Position(DOOR, "r1", 1, 0)]), ["results/v1/"]).began("r2") == []


def test_each_run_is_requested_once_also_if_two_engines_take_turns() -> None:
    earlier = EarlierRuns(Sequences(), [ALERTS])
    asked = [hole.run for run in ("r1", "r1", "r2", "r1", "r2", "r3") for hole in earlier.began(run)]
    assert asked == ["r1", "r2"]
