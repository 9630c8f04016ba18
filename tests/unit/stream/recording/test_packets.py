"""The ring of encoded units is bounded, begins at a keyframe, and can be read in time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.recording.packets import PacketRing
from stream.sources.transport import CodecParameters
from support.rtp.recorded_units import CODEC, INTERVAL_US, Stream

MILLISECONDS = 1e-3


def held(ring: PacketRing) -> list[int]:
    return [unit.serial for unit in ring.settled_from(0)]


units = st.lists(
    st.tuples(st.booleans(), st.integers(1, 400), st.booleans(), st.sampled_from(["", "", "", "begin", "epoch"])),
    max_size=120,
)


@given(units, st.integers(0, 400), st.integers(400, 1200), st.integers(50, 3000), st.integers(0, 3))
def test_any_input_is_bounded_in_bytes_and_seconds_and_begins_at_a_keyframe(
    script: list[tuple[bool, int, bool, str]], keep_ms: int, max_ms: int, max_bytes: int, delay: int
) -> None:
    ring = PacketRing(keep_ms * MILLISECONDS, max_ms * MILLISECONDS, max_bytes)
    stream = Stream(ring, delay)
    for key, size, shown, turn in script:
        if turn == "begin":
            ring.begin(CODEC)
        elif turn == "epoch":
            stream.next_epoch()
        stream.put(key=key, size=size, shown=shown)
        inside = list(ring._units)
        assert ring.bytes_held == sum(unit.unit.packet.size for unit in inside) <= max_bytes
        assert list(ring._keys) == [unit for unit in inside if unit.is_key]
        if inside:
            assert inside[0].is_key
            assert [unit.serial for unit in inside] == list(range(inside[0].serial, inside[-1].serial + 1))
            span_ms = (inside[-1].unit.times.arrival_ns - inside[0].unit.times.arrival_ns) / 1e6
            assert span_ms <= max_ms
        read = ring.settled_from(0)
        assert all(unit.shown for unit in read)
        assert [unit.serial for unit in read] == sorted({unit.serial for unit in read})


def test_the_seconds_asked_for_are_held_with_the_key_frame_that_they_need_and_no_more() -> None:
    ring = PacketRing(keep_s=1.0, max_s=10.0, max_bytes=1 << 20)
    Stream(ring).play(200, group=10)  # keyframes 0.4 s apart
    newest_us = 199 * INTERVAL_US
    first = ring.settled_from(0)[0]
    assert first.is_key
    assert newest_us - 1_400_000 <= first.media_us <= newest_us - 1_000_000
    start = ring.start_for(1, newest_us - 1_000_000)
    assert start is not None and start.is_key and start.media_us <= newest_us - 1_000_000


def test_nothing_is_kept_before_the_first_key_frame_of_a_connection() -> None:
    ring = PacketRing(1, 10, 1 << 20)
    stream = Stream(ring)
    stream.put()
    assert len(ring) == 0
    stream.put(key=True)
    ring.begin(CodecParameters("h264", b"other", (64, 48), None))
    stream.put()
    stream.put(key=True)
    assert [unit.codec.extradata for unit in ring.settled_from(0)] == [b"", b"other"]


def test_a_group_that_is_too_large_is_discarded_until_the_next_keyframe() -> None:
    ring = PacketRing(1, 10, max_bytes=1000)
    stream = Stream(ring)
    stream.put(key=True, size=600)
    stream.put(size=600)
    assert (len(ring), ring.bytes_held, ring.overflows) == (0, 0, 1)
    stream.put(size=10)
    assert len(ring) == 0
    stream.put(key=True, size=10)
    assert held(ring) == [2]


def test_a_group_that_is_too_long_is_discarded_too() -> None:
    ring = PacketRing(0.1, 0.5, 1 << 20)
    stream = Stream(ring)
    stream.play(40, group=100)
    assert ring.overflows == 1
    assert len(ring) == 0


def test_units_are_read_once_it_is_known_when_they_are_shown() -> None:
    ring = PacketRing(1, 10, 1 << 20)
    stream = Stream(ring, delay=2)
    stream.play(5)
    assert held(ring) == [0, 1, 2]
    assert ring.reorder == 2
    stream.show()
    assert held(ring) == [0, 1, 2, 3]


def test_a_unit_that_is_never_shown_is_left_out_once_a_later_one_is_shown() -> None:
    ring = PacketRing(5, 10, 1 << 20)
    stream = Stream(ring)
    stream.put(key=True)
    stream.put(shown=False)
    assert held(ring) == [0]
    stream.put()
    assert held(ring) == [0, 2]


def test_the_end_of_a_connection_settles_what_was_never_shown() -> None:
    ring = PacketRing(5, 10, 1 << 20)
    stream = Stream(ring)
    stream.put(key=True)
    stream.put(shown=False)
    stream.put()
    ring.close()
    assert ring.closed
    assert held(ring) == [0, 2]
    stream.put(key=True)
    assert held(ring) == [0, 2], "a closed ring takes nothing"


def test_the_start_is_searched_in_the_epoch_of_the_event() -> None:
    ring = PacketRing(5, 10, 1 << 20)
    stream = Stream(ring)
    stream.play(20, group=5)
    stream.next_epoch()
    stream.play(20, group=5)
    second = ring.start_for(2, 0)
    assert second is not None and (second.serial, second.media_us) == (20, 0)
    first = ring.start_for(1, 15 * INTERVAL_US - 1)
    assert first is not None and first.serial == 10
    assert ring.start_for(3, 0) is None


def test_a_late_reader_sees_that_units_are_gone() -> None:
    ring = PacketRing(0.4, 10, 1 << 20)
    stream = Stream(ring)
    stream.play(10, group=5)
    begun = ring.start_for(1, 0)
    assert begun is not None and ring.oldest_serial <= begun.serial
    stream.play(50, group=5)
    assert ring.oldest_serial > begun.serial
