"""Which connections are closed because of what they have sent that was not read."""

from __future__ import annotations

from stream.messaging.connections.unread_bytes import HEARTBEATS, UnreadBytes

MOST = 1000
DAY_S = 24 * 3600


class Connections:
    """Connections by descriptor, what they have sent, and what was read."""

    def __init__(self, *descriptors: int, together: int = 10 * MOST) -> None:
        self.identities = {one: 100 + one for one in descriptors}
        self.sent = dict.fromkeys(descriptors, 0)
        self.read = dict.fromkeys(descriptors, 0)
        self.now = 0.0
        self.unread = UnreadBytes(MOST, together, self.read, self.identities.get)
        for one in descriptors:
            assert self.unread.accepted(one, self.now)

    def look(self, descriptor: int, sent: int = 0) -> list[int]:
        self.sent[descriptor] += sent
        excess = self.unread.look(descriptor, lambda one, _: self.sent[one], self.now)
        return [one for one, identity in excess if identity == self.identities[one]]


def test_a_connection_is_closed_once_if_more_is_taken_while_it_has_too_much_that_was_not_read() -> None:
    connections = Connections(1)
    assert connections.look(1, MOST) == []
    connections.read[1] += 10
    assert connections.look(1, 11) == []
    assert connections.look(1) == []  # nothing more is taken from it
    assert connections.look(1, 1) == [1]
    assert connections.look(1, 5 * MOST) == []


def test_what_is_read_does_not_add_up_for_later() -> None:
    connections = Connections(1)
    for _ in range(100):
        connections.read[1] += 70  # a frame counts for more than it has
        assert connections.look(1, 20) == []
    assert connections.look(1, MOST + 1) == []
    assert connections.look(1, 1) == [1]


def test_heartbeats_of_a_day_do_not_close_a_connection() -> None:
    connections = Connections(1)
    for _ in range(DAY_S // 5):
        connections.now += 5.0
        assert connections.look(1, 5 * HEARTBEATS) == []
    connections.now += DAY_S  # silence does not add up
    assert connections.look(1) == []
    assert connections.look(1, MOST + 1) == []
    assert connections.look(1, 1) == [1]


def test_a_later_connection_with_the_same_descriptor_begins_with_nothing() -> None:
    connections = Connections(1)
    assert connections.look(1, MOST + 1) == []
    connections.identities[1] += 1
    assert connections.look(1, MOST) == []  # the watch has not yet been told of the new one
    assert connections.unread.accepted(1, 0.0)
    connections.sent[1] = 0
    assert connections.look(1, MOST) == []
    assert connections.look(1, 1) == []
    assert connections.look(1, 1) == [1]


def test_if_all_have_sent_too_much_together_those_with_most_are_closed() -> None:
    connections = Connections(1, 2, 3, 4, together=1000)
    assert connections.look(1, 400) == connections.look(2, 300) == connections.look(3, 300) == []
    connections.read[3] += 300  # has been read since
    assert connections.look(4, 300) == []
    del connections.identities[2]  # has ended
    assert connections.look(3, 300) == []
    assert connections.look(3, 1) == [1]
    assert connections.look(4, 300) == []
