"""Which alerts of the engine's earlier runs are requested, from a server that is simulated."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from stream.messaging.earlier import ALERTS
from stream.messaging.gap_filling import EarlierRuns
from stream.messaging.gaps import Hole, Position, Sequences
from stream.messaging.replay import ReplayEnd

DOOR, YARD, HALL = (f"{ALERTS}{name}/" for name in ("door", "yard", "hall"))
Published = dict[tuple[str, str, int], int]
"""The number of messages by run, topic and epoch. Runs are named in their order."""
Message = tuple[str, str, int, int]


class Server:
    """Answers for the runs that have ended before `run`."""

    def __init__(self, published: Published, runs: list[str]) -> None:
        self.published = published
        self.runs = runs
        self.asked: list[str] = []

    def answer(self, hole: Hole) -> tuple[list[Message], ReplayEnd | None]:
        if hole.run not in self.runs:
            return [], None
        if hole.topic == ALERTS:
            self.asked.append(hole.run)
            topics = sorted({topic for run, topic, _ in self.published if run == hole.run})
            later = [run for run in self.runs if run > hole.run and any(key[0] == run for key in self.published)]
            return [], ReplayEnd(0, 0, "ok", [], topics, later[0] if later else "")
        count = self.published.get((hole.run, hole.topic, hole.epoch), 0)
        messages = [(hole.run, hole.topic, hole.epoch, seq) for seq in range(hole.first_seq, count)]
        epochs = sorted(e for run, topic, e in self.published if (run, topic) == (hole.run, hole.topic))
        return messages, ReplayEnd(count, 0, "ok", [epoch for epoch in epochs if epoch > hole.epoch])


def filled(earlier: EarlierRuns, server: Server, holes: list[Hole]) -> list[Message]:
    """Return what is received until nothing more is requested."""
    received: list[Message] = []
    waiting = deque(holes)
    while waiting:
        hole = waiting.popleft()
        messages, end = server.answer(hole)
        received += messages
        waiting.extendleft(reversed(earlier.answered(hole, end)))
    return received


def after_restart(
    published: Published, resumed: list[Position], run: str, *prefixes: str
) -> tuple[list[Message], Server]:
    earlier = EarlierRuns(Sequences(resumed), prefixes or (ALERTS,))
    server = Server(published, sorted({key[0] for key in published} | {one.run for one in resumed}))
    received = filled(earlier, server, earlier.began(run))
    assert not earlier.pending
    return received, server


def test_the_rest_of_the_last_run_and_all_of_those_after_it_are_requested_in_order() -> None:
    published = {("r1", DOOR, 1): 3, ("r1", DOOR, 4): 1, ("r2", DOOR, 0): 1, ("r2", YARD, 2): 2, ("r3", DOOR, 1): 9}
    received, _ = after_restart(published, [Position(DOOR, "r1", 1, 1)], "r3")
    assert received == [
        ("r1", DOOR, 1, 1),
        ("r1", DOOR, 1, 2),
        ("r1", DOOR, 4, 0),
        ("r2", DOOR, 0, 0),
        ("r2", YARD, 2, 0),
        ("r2", YARD, 2, 1),
    ]


def test_a_topic_that_was_never_read_is_wanted_from_its_beginning() -> None:
    published = {("r1", DOOR, 1): 2, ("r1", YARD, 1): 1}
    received, _ = after_restart(published, [Position("stats/v1/", "r1", 0, 50)], "r2")
    assert received == [("r1", DOOR, 1, 0), ("r1", DOOR, 1, 1), ("r1", YARD, 1, 0)]


def test_only_runs_after_the_one_that_was_read_last_are_requested() -> None:
    resumed = [Position(DOOR, "r1", 1, 1), Position(YARD, "r2", 1, 1)]
    published = {("r1", DOOR, 1): 5, ("r1", YARD, 1): 5, ("r2", YARD, 1): 2, ("r2", DOOR, 1): 1}
    received, server = after_restart(published, resumed, "r3")
    assert received == [("r2", DOOR, 1, 0), ("r2", YARD, 1, 1)]
    assert server.asked == ["r2"]


def test_only_topics_that_are_subscribed_to_are_requested() -> None:
    published = {("r1", DOOR, 1): 1, ("r1", f"{ALERTS}door-2/", 1): 1, ("r2", YARD, 1): 1, ("r2", DOOR, 1): 1}
    received, _ = after_restart(published, [Position(DOOR, "r1", 1, 0)], "r3", DOOR, "results/v1/door/")
    assert received == [("r1", DOOR, 1, 0), ("r2", DOOR, 1, 0)]
    received, server = after_restart(published, [Position(DOOR, "r1", 1, 0)], "r3", "results/v1/")
    assert (received, server.asked) == ([], [])


def test_without_positions_topics_that_are_not_known_are_left_out() -> None:
    sequences = Sequences()
    earlier = EarlierRuns(sequences, [ALERTS])
    assert earlier.began("r1") == []
    sequences.seen(DOOR, "r1", 1, 4)
    server = Server({("r1", DOOR, 1): 6, ("r1", YARD, 1): 3, ("r2", DOOR, 1): 1, ("r2", YARD, 1): 3}, ["r1", "r2"])
    assert filled(earlier, server, earlier.began("r3")) == [("r1", DOOR, 1, 5), ("r2", DOOR, 1, 0)]


def test_an_empty_resume_wants_all_topics_of_which_nothing_was_read_also_of_the_first_run() -> None:
    sequences = Sequences([])
    earlier = EarlierRuns(sequences, [ALERTS])
    earlier.began("r1")
    sequences.seen(DOOR, "r1", 1, 4)
    server = Server({("r1", DOOR, 1): 5, ("r1", YARD, 1): 1, ("r2", YARD, 1): 1}, ["r1", "r2"])
    assert filled(earlier, server, earlier.began("r3")) == [("r1", YARD, 1, 0), ("r2", YARD, 1, 0)]


def test_a_server_that_does_not_know_the_run_leaves_nothing_to_request() -> None:
    earlier = EarlierRuns(Sequences([Position(DOOR, "r1", 1, 1)]), [ALERTS])
    (question,) = earlier.began("r2")
    assert question == Hole(ALERTS, "r1", 0, 0, None)
    assert earlier.pending
    assert earlier.answered(question, None) == []
    assert not earlier.pending
    assert earlier.began("r1") == [Hole(ALERTS, "r2", 0, 0, None)]
    assert earlier.began("r2") == [], "each run is asked for once, also if two engines take turns"


runs_published = st.dictionaries(
    st.tuples(st.sampled_from(["r1", "r2", "r3", "r4"]), st.sampled_from([DOOR, YARD, HALL]), st.integers(0, 3)),
    st.integers(1, 3),
    max_size=20,
)


@given(published=runs_published, reads=st.integers(0, 8), restarts_after=st.integers(0, 12))
def test_every_message_is_received_once_run_by_run_also_if_the_engine_is_restarted_meanwhile(
    published: Published, reads: int, restarts_after: int
) -> None:
    published = {("r1", DOOR, 0): 1, **published}
    key_order = sorted(published)
    everything = [(*key, seq) for key in key_order for seq in range(published[key])]
    in_r1 = [one for one in everything if one[0] == "r1"]
    read = in_r1[: max(1, reads)]
    positions: dict[tuple[str, int], int] = {(topic, epoch): seq + 1 for _, topic, epoch, seq in read}
    resumed = [Position(topic, "r1", epoch, seq) for (topic, epoch), seq in positions.items()]

    earlier = EarlierRuns(Sequences(resumed), [ALERTS])
    server = Server(published, ["r1", "r2"])
    received: list[Message] = []
    waiting = deque(earlier.began("r3"))  # r3 has published nothing yet that was received
    for step in range(1000):
        if step == restarts_after:
            server.runs = ["r1", "r2", "r3", "r4"]
            waiting.extend(earlier.began("r5"))
        if not waiting:
            if step > restarts_after:
                break
            continue
        hole = waiting.popleft()
        messages, end = server.answer(hole)
        received += messages
        waiting.extendleft(reversed(earlier.answered(hole, end)))
    assert not earlier.pending
    assert received == everything[len(read) :]
