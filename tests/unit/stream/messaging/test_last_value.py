"""Which last values are sent again, and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.messaging.topic_socket import RESEND_INTERVAL_S, LastValues


def two_cameras() -> LastValues:
    values = LastValues()
    for name in (b"results/v1/a/", b"status/v1/a/", b"results/v1/b/"):
        values.published(name, b"last of " + name)
    return values


def test_a_new_subscriber_gets_the_last_value_of_every_topic_under_its_prefix() -> None:
    values = two_cameras()
    values.subscribed(b"results/v1/", 10.0)
    assert dict(values.take_due(10.0, 100)) == {
        b"results/v1/a/": b"last of results/v1/a/",
        b"results/v1/b/": b"last of results/v1/b/",
    }
    assert values.next_due() is None


def test_a_second_subscriber_within_a_second_gets_the_last_value_later() -> None:
    values = two_cameras()
    values.subscribed(b"status/", 10.0)
    values.take_due(10.0, 100)
    values.subscribed(b"status/", 10.25)
    assert values.take_due(10.25, 100) == []
    assert values.next_due() == 10.0 + RESEND_INTERVAL_S
    assert [name for name, _ in values.take_due(11.0, 100)] == [b"status/v1/a/"]


def test_a_message_published_meanwhile_cancels_the_resend() -> None:
    values = two_cameras()
    values.subscribed(b"results/v1/a/", 10.0)
    values.published(b"results/v1/a/", b"newer")
    assert values.take_due(10.0, 100) == []


def test_a_topic_that_was_dropped_and_returns_is_sent_at_once() -> None:
    values = two_cameras()
    for now in (10.0, 10.25):
        values.subscribed(b"results/v1/b/", now)
        values.take_due(now, 100)
    values.forget({b"results/v1/b/"})
    values.published(b"results/v1/b/", b"new")
    values.subscribed(b"results/v1/b/", 10.5)
    assert values.take_due(10.5, 100) == [(b"results/v1/b/", b"new")]
    values.subscribed(b"results/v1/b/", 10.75)
    assert values.next_due() == 10.5 + RESEND_INTERVAL_S


topics = st.sampled_from([b"a/", b"a/b/", b"ab/", b"c/"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), topics),
        st.tuples(st.just("subscribe"), st.sampled_from([b"", b"a", b"a/", b"ab/", b"z", b"a/b/c"])),
        st.tuples(st.just("wait"), st.floats(0.01, 1.5)),
        st.tuples(st.just("forget"), topics),
    ),
    max_size=60,
)


@given(steps)
def test_every_subscriber_gets_every_last_value_within_a_second_and_no_topic_is_resent_more_often(
    actions: list[tuple[str, object]],
) -> None:
    values = LastValues()
    last: dict[bytes, bytes] = {}
    now = 100.0
    owed: dict[bytes, float] = {}  # topic → since when a subscriber waits for it
    resent: dict[bytes, float] = {}

    def send_due() -> None:
        for name, body in values.take_due(now, 100):
            assert body == last[name]
            assert name not in resent or now - resent[name] >= RESEND_INTERVAL_S - 1e-9
            resent[name] = now
            owed.pop(name, None)
        for since in owed.values():
            assert now - since < RESEND_INTERVAL_S + 1e-9

    for number, (what, value) in enumerate(actions):
        if what == "publish":
            assert isinstance(value, bytes)
            last[value] = b"%d" % number
            values.published(value, last[value])
            owed.pop(value, None)
        elif what == "subscribe":
            assert isinstance(value, bytes)
            values.subscribed(value, now)
            for name in last:
                if name.startswith(value):
                    owed.setdefault(name, now)
            send_due()
        elif what == "forget":
            assert isinstance(value, bytes)
            values.forget({value})
            for known in (last, owed, resent):
                known.pop(value, None)
        else:
            assert isinstance(value, float)
            until = now + value
            while (due := values.next_due()) is not None and due <= until:
                now = max(now, due)
                send_due()
            now = until
