"""Replay without sockets: valid and invalid requests, and answers while the history changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.messaging import history as history_module
from stream.messaging.history import History
from stream.messaging.replay import MAX_LIMIT, ReplayAnswer, ReplayEnd, ReplayRequest, read_request

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


def drain(answer: ReplayAnswer, history: History, size: int = 4) -> list[int]:
    numbers: list[int] = []
    while chunk := answer.chunk(history, size):
        for seq, body in chunk:
            assert body == b"%d" % seq
            answer.sent_message(seq)
            numbers.append(seq)
    return numbers


def test_an_answer_has_at_most_the_limit_and_names_the_next_number() -> None:
    history = published(100)
    answer = answer_to(request(from_seq=20, limit=15), history)
    assert drain(answer, history) == list(range(20, 35))
    assert answer.end(history) == ReplayEnd(35, 0, "ok")


def test_an_empty_answer_leaves_next_seq_unchanged() -> None:
    history = published(100)
    for from_seq in (100, 5000):
        answer = answer_to(request(from_seq=from_seq), history)
        assert drain(answer, history) == []
        assert answer.end(history) == ReplayEnd(from_seq, 0, "ok")


def test_an_answer_above_the_maximum_is_shortened_and_names_the_next_number() -> None:
    history = published(MAX_LIMIT + 5, keep=MAX_LIMIT + 5)
    answer = answer_to(request(limit=2**53 - 1), history)
    assert len(drain(answer, history, 1000)) == MAX_LIMIT
    assert answer.end(history).next_seq == MAX_LIMIT


def test_messages_dropped_while_an_answer_is_sent_are_reported_as_too_old() -> None:
    history = published(100, keep=100)
    answer = answer_to(request(limit=100), history)
    for seq, _ in answer.chunk(history, 10):
        answer.sent_message(seq)
    for number in range(100, 150):
        history.append(TOPIC, 1, b"%d" % number)
    assert drain(answer, history)[0] == 50
    assert answer.end(history).status == "too_old"


def test_messages_of_a_forgotten_epoch_are_too_old() -> None:
    history = published(3)
    for epoch in range(2, history_module.EPOCHS_NUMBERED + 2):
        history.append(TOPIC, epoch, b"x")
    assert read_request(request(from_seq=1), RUN, history) == (b"q", ReplayEnd(1, 0, "too_old"))


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


@pytest.mark.parametrize("depth", [100, 5000])
def test_json_nested_too_deep_is_a_bad_request(depth: int) -> None:
    for frame in (b'{"x":' + b"[" * depth, b'{"id":"q","x":' + b"[" * depth + b"]" * depth + b"}"):
        assert read_request(frame, RUN, published(1))[1] == ReplayEnd(0, 0, "bad_request")


def test_a_request_of_another_run_gets_unknown_run_before_other_checks() -> None:
    assert read_request(request(run="b" * 32, topic="?"), RUN, published(1)) == (b"q", ReplayEnd(0, 0, "unknown_run"))


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(frame: bytes) -> None:
    name, answer = read_request(frame, RUN, published(1))
    assert isinstance(name, bytes)
    assert answer == ReplayEnd(0, 0, "bad_request")


@given(
    st.dictionaries(
        st.sampled_from(ReplayRequest.__struct_fields__), st.integers() | st.text() | st.none() | st.floats()
    )
)
def test_any_fields_are_answered(fields: dict[str, object]) -> None:
    name, answer = read_request(request(**fields), RUN, published(1))
    assert isinstance(name, bytes)
    assert isinstance(answer, ReplayAnswer | ReplayEnd)


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
        for seq, body in answer.chunk(history, size):
            assert body == b"%d" % seq
            answer.sent_message(seq)
            numbers.append(seq)
        for _ in range(more):
            history.append(TOPIC, 1, b"%d" % count)
            count += 1
    numbers += drain(answer, history)
    end = answer.end(history)
    assert len(numbers) <= limit
    assert numbers == sorted(set(numbers))
    assert all(number >= from_seq for number in numbers)
    if end.status == "ok":
        assert numbers == list(range(from_seq, from_seq + len(numbers)))
    if numbers:
        assert end.next_seq == numbers[-1] + 1
    assert len(numbers) == limit or end.next_seq >= count
    assert end.oldest_seq == max(0, count - keep)
