"""Parameter sets are kept for a decoder, in the order that it needs."""

from __future__ import annotations

from stream.sources.rtp.parameter_sets import MAX_SETS, ParameterSets
from support.rtp.nal_units import nal_units

FIRST, SECOND, PICTURE = b"\x67\x64first", b"\x67\x64second", b"\x68\xeeone"


def test_the_set_that_was_sent_last_comes_last_among_those_of_its_kind() -> None:
    sets = ParameterSets("h264", [PICTURE, b"\0\0\0\1" + FIRST, b""])
    assert sets.complete
    assert nal_units(sets.annex_b) == [FIRST, PICTURE]
    sets.add(SECOND)
    assert nal_units(sets.annex_b) == [FIRST, SECOND, PICTURE]
    sets.add(FIRST)
    assert nal_units(sets.annex_b) == [SECOND, FIRST, PICTURE]
    assert sets.prefix_for([FIRST, SECOND, PICTURE]) == b""
    assert sets.prefix_for([FIRST, PICTURE]) == sets.annex_b


def test_a_stream_of_ever_new_or_large_sets_takes_little_memory() -> None:
    sets = ParameterSets("h264", [FIRST])
    for number in range(2 * MAX_SETS):
        sets.add(b"\x68" + number.to_bytes(2, "big"))
    sets.add(b"\x68" + bytes(5000))
    assert len(nal_units(sets.annex_b)) == MAX_SETS + 1
