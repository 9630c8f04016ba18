"""Which connection is closed for its subscriptions, and that no other can lower its count."""

from __future__ import annotations

import errno

from hypothesis import given
from hypothesis import strategies as st

from stream.messaging.xpub.subscriptions import CONNECTIONS_WORTH, LEAST_FLOOD, Excess, Subscriptions

FIRST, SECOND = 7, 8


class Descriptors:
    """Identities of the connections that are open, by descriptor."""

    def __init__(self, *descriptors: int) -> None:
        self.open = {descriptor: 100 + descriptor for descriptor in descriptors}

    def limited(self, most: int = 3) -> Subscriptions:
        return Subscriptions(most, 10, self.open.get, lambda: self.open)


def test_a_connection_with_more_subscriptions_than_allowed_is_to_be_closed_and_another_goes_on() -> None:
    limited = Descriptors(FIRST, SECOND).limited()
    assert [limited.add(FIRST, b"%d" % number) for number in range(4)] == [True, True, True, Excess(FIRST, "many")]
    assert limited.add(FIRST, b"late") is False
    assert limited.add(SECOND, b"a") is True
    assert len(limited) == 1


def test_a_subscription_longer_than_any_topic_closes_its_connection() -> None:
    limited = Descriptors(FIRST).limited()
    assert limited.add(FIRST, b"x" * 10) is True
    assert limited.add(FIRST, b"x" * 11) == Excess(FIRST, "long")


def test_a_repeated_subscription_counts_once_and_a_cancelled_one_no_longer() -> None:
    limited = Descriptors(FIRST).limited()
    for _ in range(10):
        assert limited.add(FIRST, b"same") is True
    for number in range(10):
        assert limited.add(FIRST, b"%d" % number) is True
        limited.cancel(FIRST, b"%d" % number)
    assert len(limited) == 1


def test_what_a_connection_has_not_subscribed_to_it_cannot_cancel() -> None:
    limited = Descriptors(FIRST, SECOND).limited()
    limited.add(FIRST, b"a")
    limited.cancel(SECOND, b"a")
    limited.cancel(FIRST, b"b")
    assert len(limited) == 1


def test_a_connection_that_does_not_answer_is_closed_before_larger_ones() -> None:
    descriptors = Descriptors(*range(10))
    limited = Subscriptions(10, 10, descriptors.open.get, lambda: descriptors.open, answers=lambda one: one != 1)
    limited.add(1, b"a")
    found = [limited.add(2 + number // 9, b"%d" % number) for number in range(CONNECTIONS_WORTH * 10)]
    assert found == [True] * (CONNECTIONS_WORTH * 10 - 1) + [Excess(1, "many_together")]


def test_together_connections_have_a_limit_and_the_one_with_the_most_is_closed() -> None:
    descriptors = Descriptors(*range(10))
    limited = descriptors.limited(most=10)
    for descriptor in range(10):
        for number in range(3 + (descriptor == 4) * 5):
            assert limited.add(descriptor, b"%d" % number) is True
    room = CONNECTIONS_WORTH * 10 - len(limited)
    assert all(limited.add(5, b"more%d" % number) is True for number in range(min(room, 4)))
    assert limited.add(6, b"more") is True
    assert limited.add(6, b"most") == Excess(4, "many_together")
    assert limited.add(6, b"later") is True


def test_more_messages_than_there_may_be_subscriptions_are_a_flood_unless_all_were_read_meanwhile() -> None:
    limited = Descriptors(FIRST, SECOND).limited(most=LEAST_FLOOD)
    most = CONNECTIONS_WORTH * LEAST_FLOOD
    for _ in range(2):
        assert not any(limited.read(FIRST + number % 2) for number in range(most))
        limited.all_read()
    told = [number for number in range(2 * most) if limited.read(FIRST)]
    assert told == list(range(most, 2 * most, most // 8))


def test_in_a_flood_the_connections_with_half_of_the_messages_are_the_busiest() -> None:
    descriptors = Descriptors(*range(5))
    limited = descriptors.limited()
    for descriptor, messages in enumerate((1, 4, 0, 2, 6)):
        assert not any(limited.read(descriptor) for _ in range(messages))
    assert limited.busiest() == [4, 1]
    descriptors.open[4] += 1000  # another connection
    assert limited.busiest() == [1]
    limited.all_read()
    limited.read(3)
    assert limited.busiest() == [3]


def test_what_a_connection_had_sent_that_is_being_closed_or_has_ended_is_no_flood() -> None:
    descriptors = Descriptors(FIRST, SECOND)
    limited = descriptors.limited()
    limited.add(FIRST, b"a")
    limited.end(FIRST, 0)
    assert len(limited) == 1, "another connection was meant"
    limited.end(FIRST, descriptors.open[FIRST])
    del descriptors.open[SECOND]
    assert not any(limited.read(one) for one in (FIRST, SECOND) for _ in range(2 * LEAST_FLOOD))
    assert len(limited) == 0 and limited.busiest() == []


def test_an_ended_connection_is_forgotten_and_one_with_its_descriptor_begins_at_nothing() -> None:
    descriptors = Descriptors(FIRST)
    limited = descriptors.limited()
    for number in range(4):
        limited.add(FIRST, b"%d" % number)
    descriptors.open[FIRST] = 1
    assert limited.add(FIRST, b"a") is True
    assert len(limited) == 1
    del descriptors.open[FIRST]
    assert limited.add(FIRST, b"b") is False
    assert limited.sweep() is False
    assert len(limited) == 0


def test_the_end_of_a_connection_that_was_to_be_closed_is_noticed_once() -> None:
    descriptors = Descriptors(FIRST)
    limited = descriptors.limited()
    limited.add(FIRST, b"x" * 11)
    assert limited.sweep() is False
    del descriptors.open[FIRST]
    assert limited.sweep() is True
    assert limited.sweep() is False


def test_without_descriptors_all_connections_are_to_be_closed() -> None:
    limited = Descriptors(FIRST).limited()
    limited.add(FIRST, b"a")
    assert [limited.add(None, b"%d" % number) for number in range(4)] == [True, True, True, Excess(None, "many")]
    assert len(limited) == 0


def test_subscriptions_without_descriptors_count_until_only_connections_with_them_are_open() -> None:
    old, reconnected = SECOND, 9
    descriptors = Descriptors(FIRST, old)
    limited = descriptors.limited()
    for number in range(2):
        limited.add(None, b"%d" % number)
    limited.add(FIRST, b"a")
    limited.sweep()
    assert len(limited) == 3, "the old client is still connected"
    del descriptors.open[old]
    descriptors.open[reconnected] = 1
    limited.sweep()
    assert len(limited) == 3, "it is connected again"
    del descriptors.open[reconnected]
    limited.sweep()
    assert len(limited) == 1


def test_while_no_descriptor_is_free_subscriptions_without_descriptors_go_on_counting() -> None:
    free: list[int] = []

    def descriptors() -> list[int]:
        if not free:
            raise OSError(errno.EMFILE, "Too many open files")
        return []

    limited = Subscriptions(3, 10, lambda descriptor: None, descriptors)
    limited.add(None, b"a")
    limited.sweep()
    assert len(limited) == 1
    free.append(1)
    limited.sweep()
    assert len(limited) == 0


def test_a_connection_that_is_known_not_to_have_subscribed_yet_is_not_sought_again() -> None:
    descriptors, looks = Descriptors(FIRST, SECOND), list[int]()

    def look() -> list[int]:
        looks.append(1)
        return list(descriptors.open)

    limited = Subscriptions(3, 10, descriptors.open.get, look)
    limited.add(None, b"a")
    for _ in range(10):
        limited.sweep()
    assert (len(looks), len(limited)) == (1, 1)
    for descriptor in (FIRST, SECOND):
        limited.add(descriptor, b"b")
    limited.sweep()
    assert (len(looks), len(limited)) == (2, 2)
    limited.sweep()
    assert len(looks) == 2, "there is nothing to look for"


@given(st.lists(st.tuples(st.booleans(), st.none() | st.integers(0, 4), st.integers(0, 9)), max_size=200))
def test_the_limits_hold_whatever_peers_send(sent: list[tuple[bool, int | None, int]]) -> None:
    limited = Descriptors(*range(5)).limited()
    for adds, descriptor, number in sent:
        if adds:
            limited.add(descriptor, b"%d" % number)
        elif descriptor is not None:
            limited.cancel(descriptor, b"%d" % number)
        assert 0 <= len(limited) <= CONNECTIONS_WORTH * 3
