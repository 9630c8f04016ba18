"""Detection of missed messages from their numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.messaging import gaps
from stream.messaging.gaps import Filling, Hole, Position, Sequences

TOPIC = "results/v1/lobby/"


def test_a_skipped_number_is_a_hole_before_the_message() -> None:
    follow = Sequences()
    follow.seen(TOPIC, "run", 1, 10)
    assert follow.seen(TOPIC, "run", 1, 14) == [Hole(TOPIC, "run", 1, 11, 14)]
    assert follow.seen(TOPIC, "run", 1, 15) == []


def test_a_message_seen_before_is_a_duplicate() -> None:
    follow = Sequences()
    follow.seen(TOPIC, "run", 1, 4)
    follow.seen(TOPIC, "run", 1, 7)
    assert [follow.seen(TOPIC, "run", 1, seq) for seq in (7, 5, 0)] == [None, None, None]


def test_after_a_resume_new_messages_are_a_hole_and_old_ones_duplicates() -> None:
    follow = Sequences([Position(TOPIC, "run", 2, 10), Position(TOPIC, "run", 3, 4)])
    assert follow.seen(TOPIC, "run", 3, 3) is None
    assert follow.seen(TOPIC, "run", 3, 6) == [Hole(TOPIC, "run", 3, 4, 6)]
    assert follow.seen(TOPIC, "run", 2, 10) == []


def test_after_a_resume_new_runs_and_topics_are_wanted_from_their_beginning() -> None:
    follow = Sequences([Position(TOPIC, "first", 3, 4)])
    assert follow.seen(TOPIC, "second", 2, 5) == [
        Hole(TOPIC, "second", 0, 0, None),
        Hole(TOPIC, "second", 1, 0, None),
        Hole(TOPIC, "second", 2, 0, 5),
    ]
    assert follow.seen("results/v1/added/", "second", 0, 2) == [Hole("results/v1/added/", "second", 0, 0, 2)]


def test_with_an_empty_resume_only_later_runs_are_wanted_from_their_beginning() -> None:
    follow = Sequences([])
    assert follow.seen(TOPIC, "first", 0, 1000) == []
    assert follow.seen(TOPIC, "second", 0, 1) == [Hole(TOPIC, "second", 0, 0, 1)]


def test_an_expected_topic_is_wanted_from_the_beginning_of_the_epoch_of_its_first_message() -> None:
    follow = Sequences()
    follow.expect(TOPIC)
    assert follow.followed("") == []
    assert follow.seen(TOPIC, "run", 3, 2) == [Hole(TOPIC, "run", 3, 0, 2)]
    follow.expect(TOPIC)
    assert follow.seen(TOPIC, "run", 3, 3) == []
    follow.forget(TOPIC)
    assert follow.seen(TOPIC, "run", 4, 7) == []


def test_a_new_epoch_gives_holes_at_the_end_of_the_old_one_and_at_its_own_beginning() -> None:
    follow = Sequences()
    follow.seen(TOPIC, "run", 1, 9)
    assert follow.seen(TOPIC, "run", 2, 0) == [Hole(TOPIC, "run", 1, 10, None)]
    assert follow.seen(TOPIC, "run", 4, 2) == [
        Hole(TOPIC, "run", 2, 1, None),
        Hole(TOPIC, "run", 3, 0, None),
        Hole(TOPIC, "run", 4, 0, 2),
    ]


def test_a_late_message_of_the_previous_epoch_is_followed_by_its_own_numbers() -> None:
    follow = Sequences()
    follow.seen("events/v1/lobby/", "run", 1, 3)
    follow.seen("events/v1/lobby/", "run", 2, 0)
    assert follow.seen("events/v1/lobby/", "run", 1, 4) == []
    assert follow.seen("events/v1/lobby/", "run", 2, 1) == []


def test_a_replayed_message_that_arrives_again_is_a_duplicate() -> None:
    follow = Sequences()
    follow.seen(TOPIC, "run", 1, 9)
    (hole,) = follow.seen(TOPIC, "run", 2, 0) or []
    follow.recovered(hole, 10)
    assert follow.seen(TOPIC, "run", 1, 10) is None
    assert follow.seen(TOPIC, "run", 1, 11) == []


def test_of_a_jump_over_many_epochs_only_the_latest_are_requested() -> None:
    follow = Sequences()
    follow.seen(TOPIC, "run", 1, 0)
    end, *latest = follow.seen(TOPIC, "run", 1_000_000, 0) or []
    assert end == Hole(TOPIC, "run", 1, 1, None)
    assert [hole.epoch for hole in latest] == list(range(1_000_000 - gaps.EPOCHS_SKIPPED, 1_000_000))


def test_remembered_topics_and_epochs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "TOPICS_FOLLOWED", 3)
    follow = Sequences()
    for number in range(10):
        follow.seen(f"topic{number}/", "run", 1, 0)
        assert len(follow) <= 3
    for epoch in range(1, 100):
        follow.seen("topic9/", "run", epoch, 0)
    assert follow.seen("topic9/", "run", 99 - gaps.EPOCHS_FOLLOWED, 5) is None  # long over: as good as seen


# What is published: (epoch step, arrives?, comes twice?) for each message.
published = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 0, 1, 2]), st.booleans(), st.booleans()), min_size=1, max_size=80
)


@given(published)
def test_seen_and_holes_together_are_exactly_what_was_published_from_the_first_seen_to_the_last(
    messages: list[tuple[int, bool, bool]],
) -> None:
    follow = Sequences()
    epoch = 1
    counts: dict[int, int] = {}
    accounted: list[tuple[int, int]] = []
    sent: list[tuple[int, int]] = []
    open_ends: list[tuple[int, int]] = []
    first: int | None = None
    last = 0
    for step, arrives, twice in messages:
        epoch += step
        seq = counts.get(epoch, 0)
        counts[epoch] = seq + 1
        sent.append((epoch, seq))
        if not arrives:
            continue
        first = len(sent) - 1 if first is None else first
        last = len(sent)
        for hole in follow.seen(TOPIC, "run", epoch, seq) or []:
            if hole.end_seq is None:
                open_ends.append((hole.epoch, hole.first_seq))
            else:
                accounted += [(hole.epoch, missing) for missing in range(hole.first_seq, hole.end_seq)]
        accounted.append((epoch, seq))
        if twice:
            assert follow.seen(TOPIC, "run", epoch, seq) is None
    for over, from_seq in open_ends:  # what replay would say of them
        accounted += [(over, missing) for missing in range(from_seq, counts.get(over, 0))]
    if first is not None:
        assert sorted(accounted) == sent[first:last]


def test_a_hole_is_filled_page_by_page_to_its_end_and_not_beyond() -> None:
    filling = Filling.of(Hole(TOPIC, "run", 1, 10, 25))
    assert filling.missed == 15
    assert filling.wants(10) == 10
    filling.advance(20)
    assert filling.wants(10) == 5
    assert [filling.holds(seq) for seq in (19, 20, 24, 25)] == [False, True, True, False]
    filling.advance(1000)  # all that was asked for is too old: the oldest lies beyond the hole
    assert filling.wants(10) == 0
    assert filling.missed == 15
