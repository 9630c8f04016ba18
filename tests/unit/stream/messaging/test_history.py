"""The history's numbering and bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.messaging import history
from stream.messaging.history import BYTES_PER_MESSAGE, History, StaleEpochError

TOPIC = "results/v1/lobby/"


def filled(count: int, messages_per_topic: int = 1000, total_bytes: int = 1 << 30) -> History:
    kept = History(messages_per_topic, total_bytes)
    for number in range(count):
        kept.append(TOPIC, 1, b"%d" % number)
    return kept


def test_messages_are_numbered_from_0_without_gaps_for_each_topic_and_epoch() -> None:
    kept = History(10, 1 << 20)
    numbers = []
    for name, epoch in [("a/", 1), ("a/", 1), ("b/", 1), ("a/", 2), ("a/", 2), ("a/", 1), ("b/", 1)]:
        numbers.append((name, epoch, kept.next_seq(name, epoch)))
        kept.append(name, epoch, b"")
    assert numbers == [("a/", 1, 0), ("a/", 1, 1), ("b/", 1, 0), ("a/", 2, 0), ("a/", 2, 1), ("a/", 1, 2), ("b/", 1, 1)]


def test_a_full_topic_drops_its_oldest_message_and_counts_it() -> None:
    kept = filled(3, messages_per_topic=3)
    assert kept.evicted == 0
    for number in (3, 4):
        kept.append(TOPIC, 1, b"%d" % number)
    assert kept.evicted == 2
    assert kept.read(TOPIC, 1, 0, 10) == [(2, b"2"), (3, b"3"), (4, b"4")]
    assert (kept.span(TOPIC, 1).oldest_seq, kept.span(TOPIC, 1).next_seq) == (2, 5)


def test_the_byte_bound_drops_the_oldest_of_all_topics_first() -> None:
    kept = History(1000, 3 * (BYTES_PER_MESSAGE + 100))
    kept.append("a/", 1, bytes(100))
    kept.append("b/", 1, bytes(100))
    kept.append("a/", 1, bytes(100))
    kept.append("b/", 1, bytes(100))
    assert kept.evicted == 1
    assert kept.span("a/", 1).oldest_seq == 1
    assert kept.span("b/", 1).oldest_seq == 0
    kept.append("b/", 1, bytes(100 + BYTES_PER_MESSAGE + 100))
    assert kept.evicted == 1 + 2, "two small ones for one of their size"
    assert kept.span("b/", 1).oldest_seq == 1


def test_an_old_epoch_is_forgotten_with_its_messages() -> None:
    kept = History(1000, 1 << 20)
    for epoch in range(1, history.EPOCHS_NUMBERED + 2):
        kept.append(TOPIC, epoch, b"x")
    assert len(kept) == history.EPOCHS_NUMBERED
    assert kept.span(TOPIC, 1).forgotten
    assert not kept.span(TOPIC, 2).forgotten
    assert not kept.span(TOPIC, 1000).forgotten  # not begun
    with pytest.raises(StaleEpochError, match="epoch 1 is too old"):
        kept.append(TOPIC, 1, b"late")
    assert len(kept) == history.EPOCHS_NUMBERED


def test_the_numbering_of_topics_is_bounded_and_unused_topics_go_first() -> None:
    kept = History(10, 1 << 20)
    kept.topics_numbered = 2
    for name in ["a/", "b/", "a/", "c/"]:
        kept.append(name, 1, b"x")
    assert [kept.next_seq(name, 1) for name in ("a/", "b/", "c/")] == [2, 0, 1]
    assert len(kept) == 3


appended = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.integers(0, 900)), max_size=120)


@given(appended, st.integers(1, 12), st.integers(1000, 20_000))
def test_history_is_bounded_contiguous_exact_and_accounted_for(
    messages: list[tuple[str, int, int]], messages_per_topic: int, total_bytes: int
) -> None:
    kept = History(messages_per_topic, total_bytes)
    published: dict[tuple[str, int], list[bytes]] = {}
    for number, (name, epoch, size) in enumerate(messages):
        body = b"%d " % number + bytes(size)
        so_far = published.setdefault((name, epoch), [])
        assert kept.next_seq(name, epoch) == len(so_far)
        so_far.append(body)
        kept.append(name, epoch, body)
        assert kept.bytes_held <= total_bytes
    assert len(kept) == len(messages) - kept.evicted
    held = 0
    for (name, epoch), bodies in published.items():
        span = kept.span(name, epoch)
        assert span.next_seq == len(bodies)
        expected = list(enumerate(bodies))[span.oldest_seq :]
        assert kept.read(name, epoch, 0, 1000) == expected
        held += sum(len(body) + BYTES_PER_MESSAGE for _, body in expected)
    assert held == kept.bytes_held
    for letter in "abc":
        assert sum(len(kept.read(letter, epoch, 0, 1000)) for epoch in (1, 2, 3)) <= messages_per_topic
