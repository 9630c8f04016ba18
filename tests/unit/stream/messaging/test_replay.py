"""Replay without sockets: valid and invalid requests, and answers while the history changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.messaging.history import EPOCHS_NUMBERED, History
from stream.messaging.replay import ALERTS, EarlierUnavailableError, ReplayAnswer, ReplayEnd, read_request

TOPIC = "results/v1/lobby/"
RUN = "a" * 32


def published(count: int, keep: int = 10_000) -> History:
    history = History(keep, 1 << 30)
    for number in range(count):
        history.append(TOPIC, 1, b"%d" % number)
    return history


def request(**changes: Any) -> bytes:
    fields = {"id": "q", "topic": TOPIC, "run": RUN, "epoch": 1, "from_seq": 0, "limit": 10}
    return json.dumps({**fields, **changes}).encode()


def answer_to(frame: bytes, history: History) -> ReplayAnswer:
    _, answer = read_request(frame, RUN, history)
    assert isinstance(answer, ReplayAnswer)
    return answer


def drain(answer: ReplayAnswer, size: int = 4) -> list[int]:
    numbers: list[int] = []
    while chunk := answer.chunk(size):
        for seq, body in chunk:
            assert body == b"%d" % seq
            answer.sent_message(seq)
            numbers.append(seq)
    return numbers


def test_messages_dropped_while_an_answer_is_sent_are_reported_as_too_old() -> None:
    history = published(100, keep=100)
    answer = answer_to(request(limit=100), history)
    for seq, _ in answer.chunk(10):
        answer.sent_message(seq)
    for number in range(100, 150):
        history.append(TOPIC, 1, b"%d" % number)
    assert drain(answer)[0] == 50
    assert answer.end().status == "too_old"


@pytest.mark.parametrize("name", ["q", "", "ünï", 0, 17])
def test_an_id_may_be_text_or_a_number(name: object) -> None:
    assert read_request(request(id=name), RUN, published(1))[0] == str(name).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": -1},
        {"from_seq": -1},
        {"limit": 0},
        {"limit": 2**53},
        {"from_seq": 10**30},
        {"epoch": None},
        {"limit": True},
        {"topic": 1},
        {"run": ["x"]},
    ],
)
def test_a_field_out_of_its_range_is_a_bad_request_with_the_senders_id(changes: dict[str, object]) -> None:
    assert read_request(request(**changes), RUN, published(1)) == (b"q", ReplayEnd(0, 0, "bad_request"))


@given(
    keep=st.integers(1, 30),
    before=st.integers(0, 60),
    from_seq=st.integers(0, 80),
    limit=st.integers(1, 50),
    chunks=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 20)), max_size=12),
)
def test_an_answer_is_in_order_without_repeats_within_its_limit_and_reports_what_it_skipped(
    keep: int, before: int, from_seq: int, limit: int, chunks: list[tuple[int, int]]
) -> None:
    history = published(before, keep)
    count = before
    answer = answer_to(request(from_seq=from_seq, limit=limit), history)
    numbers: list[int] = []
    for size, more in chunks:  # the publisher goes on between the chunks
        for seq, body in answer.chunk(size):
            assert body == b"%d" % seq
            answer.sent_message(seq)
            numbers.append(seq)
        for _ in range(more):
            history.append(TOPIC, 1, b"%d" % count)
            count += 1
    numbers += drain(answer)
    end = answer.end()
    assert len(numbers) <= limit
    assert numbers == sorted(set(numbers))
    assert all(number >= from_seq for number in numbers)
    if end.status == "ok":
        assert numbers == list(range(from_seq, from_seq + len(numbers)))
    if numbers:
        assert end.next_seq == numbers[-1] + 1
    assert len(numbers) == limit or end.next_seq >= count
    assert end.oldest_seq == max(0, count - keep)


# -- earlier runs ---------------------------------------------------------------------------------------------------
class Kept:
    """Messages of an earlier run; `missing` of them are lost, and after `breaks_after` reads it cannot be read."""

    def __init__(self, count: int, missing: frozenset[int] = frozenset(), breaks_after: int = 1000) -> None:
        self.seqs = [seq for seq in range(count) if seq not in missing]
        self.reads_left = breaks_after

    def __call__(self, topic: str, run: str, epoch: int) -> Kept | None:
        if self.reads_left < 0:
            raise EarlierUnavailableError("disk I/O error")
        return self if run == EARLIER and topic.startswith(ALERTS) else None

    def oldest_seq(self) -> int:
        return self.seqs[0] if self.seqs else 0

    def read(self, from_seq: int, limit: int) -> list[tuple[int, bytes]]:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise EarlierUnavailableError("disk I/O error")
        return [(seq, b"%d" % seq) for seq in self.seqs if seq >= from_seq][:limit]

    def later_epochs(self) -> list[int]:
        return [4, 9]


EARLIER = "b" * 32
ALERT_TOPIC = f"{ALERTS}lobby/"


def earlier_answer(kept: Kept, **changes: Any) -> ReplayAnswer | ReplayEnd:
    frame = request(**{"run": EARLIER, "topic": ALERT_TOPIC, **changes})
    return read_request(frame, RUN, published(3), kept)[1]


def test_alerts_of_an_earlier_run_are_answered_with_the_epochs_that_follow() -> None:
    answer = earlier_answer(Kept(5), from_seq=2)
    assert isinstance(answer, ReplayAnswer)
    assert drain(answer) == [2, 3, 4]
    assert answer.end() == ReplayEnd(5, 0, "ok", [4, 9])


def test_numbers_of_all_alerts_since_a_run_may_be_left_out() -> None:
    answer = earlier_answer(Kept(8, frozenset({0, 1, 5})), topic=ALERTS, from_seq=2)
    assert isinstance(answer, ReplayAnswer)
    assert drain(answer) == [2, 3, 4, 6, 7]
    assert (answer.end().status, answer.end().next_seq) == ("ok", 8)


def test_messages_that_were_not_kept_are_reported_as_too_old() -> None:
    answer = earlier_answer(Kept(8, frozenset({0, 1, 5})))
    assert isinstance(answer, ReplayAnswer)
    assert drain(answer) == [2, 3, 4, 6, 7]
    assert answer.end() == ReplayEnd(8, 2, "too_old", [4, 9])


def test_what_is_not_kept_of_earlier_runs_is_of_an_unknown_run() -> None:
    unknown = ReplayEnd(0, 0, "unknown_run")
    assert earlier_answer(Kept(5), topic=TOPIC) == unknown
    assert earlier_answer(Kept(5), run="c" * 32) == unknown


def test_a_store_that_cannot_be_read_is_not_an_unknown_run() -> None:
    with pytest.raises(EarlierUnavailableError, match="disk I/O error"):
        earlier_answer(Kept(5, breaks_after=-1))


def test_the_end_of_an_answer_names_later_epochs_of_which_messages_are_held() -> None:
    history = published(3, keep=4)
    for epoch in (2, 5, 3, 7):
        history.append(TOPIC, epoch, b"0")
    for epoch, later in ((0, [2, 3, 5, 7]), (2, [3, 5, 7]), (6, [7]), (7, [])):
        answer = answer_to(request(epoch=epoch), history)
        drain(answer)
        assert answer.end().later_epochs == later
    many = History(1000, 1 << 30)
    for epoch in range(EPOCHS_NUMBERED):
        many.append(TOPIC, epoch, b"0")
    assert many.later_epochs(TOPIC, 3, most=5) == [4, 5, 6, 7, 8]
    assert many.later_epochs("results/v1/other/", 0, most=5) == []
