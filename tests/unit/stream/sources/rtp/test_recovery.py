"""After a start or a loss, all correct pictures are shown, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.sources.rtp.codecs.h265_syntax import IDR_N_LP, RADL_N, RASL_N, RASL_R
from stream.sources.rtp.recovery import (
    MAX_REORDER,
    H264Picture,
    H264Recovery,
    H265Picture,
    H265Recovery,
    Verdict,
)
from support.examples import examples
from support.rtp.coded_pictures import TICKS
from support.rtp.nal_units import Codec
from support.rtp.packetiser import Markers, Packetiser
from support.rtp.rtp_streams import CHANGING, COUNT, NAMES, POINT, POINT_AT, POINT_COUNT, Receiving, decoded, stream

ALL = [*NAMES, *CHANGING]
runs = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from((1, 1, 1, 2, 3, 10, 60))), min_size=1, max_size=5
)


@settings(max_examples=examples(25))
@given(
    st.sampled_from(ALL),
    st.sampled_from((60, 200, 1400)),
    st.booleans(),
    st.sampled_from(("last", "last", "none", "all", "slices", "parameter_sets")),
    st.booleans(),
    runs,
)
def test_whatever_packets_are_lost_no_picture_is_shown_that_differs_from_the_lossless_one(
    name: str, mtu: int, aggregate: bool, markers: Markers, reorder: bool, lost: list[tuple[float, int]]
) -> None:
    codec, coded = stream(name)
    packets = Packetiser(codec, mtu, aggregate, markers).packets(coded)
    gone = {index for at, count in lost for index in range(int(at * len(packets)), int(at * len(packets)) + count)}
    receiving = Receiving(codec, reorder=reorder)
    for index, packet in enumerate(packets):
        if index not in gone:
            receiving.add([packet])
        if index % 10 == 0:
            receiving.pass_ms(11)
    receiving.pass_ms(1000)
    right = decoded(name)
    pictures = receiving.pictures
    assert {timestamp for timestamp, picture in pictures.items() if picture != right[timestamp]} == set()
    # And the decoder gives all that it was given to show.
    assert pictures.keys() == {unit.rtp_timestamp for unit in receiving.units if unit.shown}
    assert all(reason in ("incomplete", "awaiting_keyframe", "leading") for reason in receiving.discarded)


@pytest.mark.parametrize("name", ALL)
def test_from_the_middle_of_a_stream_all_pictures_are_shown_from_the_next_entry_point(name: str) -> None:
    codec, coded = stream(name)
    packetiser = Packetiser(codec)
    pictures = [packetiser.packets([picture]) for picture in coded]
    for start in range(1, COUNT, 8):
        receiving = Receiving(codec)
        receiving.add(packet for packets in pictures[start:] for packet in packets)
        shown = receiving.pictures
        right = decoded(name)
        assert all(picture == right[timestamp] for timestamp, picture in shown.items())
        begun = [number for number, picture in enumerate(coded[start:], start) if picture.keyframe]
        if "h265 intra refresh" in name or not begun or name == POINT:
            continue
        expected = {picture.timestamp for picture in coded[begun[0] :]}
        if "intra refresh" in name:  # the columns take this long
            expected = {at for at in expected if at >= coded[begun[0]].timestamp + 6 * TICKS}
        elif "open GOP" in name:
            expected = {at for at in expected if at >= coded[begun[0]].timestamp}
        assert set(shown) == expected
        assert receiving.units[0].restart and sum(unit.restart for unit in receiving.units) == 1


def test_after_an_h265_recovery_point_pictures_are_hidden_up_to_its_order_count() -> None:
    codec, coded = stream(POINT)
    receiving = Receiving(codec)
    receiving.add(Packetiser(codec).packets(coded[3:]))
    assert [unit.rtp_timestamp // TICKS for unit in receiving.units] == list(range(POINT_AT, COUNT))
    assert [unit.shown for unit in receiving.units] == [False] * POINT_COUNT + [True] * (COUNT - POINT_AT - POINT_COUNT)
    assert receiving.pictures == {
        at: picture for at, picture in decoded(POINT).items() if at >= (POINT_AT + POINT_COUNT) * TICKS
    }


@pytest.mark.parametrize("name", ["h264 B pictures", "h265 B pictures"])
def test_a_loss_within_a_picture_that_no_other_refers_to_costs_that_picture_only(name: str) -> None:
    codec, coded = stream(name)
    packetiser = Packetiser(codec, mtu=20)
    pictures = [packetiser.packets([picture]) for picture in coded]
    lost: list[int] = []
    receiving = Receiving(codec)
    for picture, packets in zip(coded, pictures, strict=True):
        first = picture.nals[-1][0]
        disposable = first & 0x60 == 0 if codec == "h264" else first >> 1 & 0x3F in (0, 8)
        if disposable and len(packets) > 2:
            lost.append(picture.timestamp)
            packets = [packets[0], *packets[2:]]
        receiving.add(packets)
    assert len(lost) > 2
    assert receiving.discarded == ["incomplete"] * len(lost)
    assert receiving.pictures == {at: picture for at, picture in decoded(name).items() if at not in lost}


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_decoding_does_not_begin_at_a_keyframe_whose_parameter_sets_may_be_lost_unless_the_stream_omits_them(
    codec: Codec,
) -> None:
    _, coded = stream(CHANGING[codec == "h265"])
    for bare in (False, True):
        packetiser = Packetiser(codec)
        receiving = Receiving(codec)
        sets = 2 if codec == "h264" else 3
        for number, picture in enumerate(coded[:20]):
            nals = picture.nals[sets:] if bare and number == 5 else picture.nals
            packets = packetiser.picture(nals, picture.timestamp)
            if number == 10:
                packets = packets[sets - 1 :]  # the PPS is still there
            receiving.add(packets)
        restarts = [unit.rtp_timestamp // TICKS for unit in receiving.units if unit.restart]
        assert restarts == ([0, 10] if bare else [0, 15])


def h264(timestamp: int, number: int, count: int | None = None, *, reference: bool = True) -> H264Picture:
    return H264Picture(timestamp & 0xFFFFFFFF, False, reference, number & 15, 4, False, count)


def test_frames_up_to_the_recovery_are_counted_across_the_wrap_of_their_number_and_not_twice() -> None:
    recovery = H264Recovery()
    assert recovery.judge(h264(0, 3)) is Verdict.DISCARDED
    verdicts = [recovery.judge(h264(0, 7, 20))]
    for step in range(1, 25):
        verdicts.append(recovery.judge(h264(step, 7 + step, reference=False)))
        verdicts.append(recovery.judge(h264(step, 7 + step)))
    # 20 reference frames later, and not with the one that none refers to before it
    assert verdicts.index(Verdict.SHOWN) == 40
    assert set(verdicts[40:]) == {Verdict.SHOWN}


def test_frame_numbers_that_restart_count_as_one_frame_each() -> None:
    recovery = H264Recovery()
    verdicts = [
        recovery.judge(h264(at, number, 5 if at == 0 else None)) for at, number in enumerate((3, 4, 0, 1, 2, 3))
    ]
    assert verdicts == [Verdict.HIDDEN] * 5 + [Verdict.SHOWN]


def test_frame_numbers_may_be_skipped_if_the_stream_allows_it() -> None:
    recovery = H264Recovery()
    recovery.judge(H264Picture(0, False, True, 14, 4, True, 6))
    assert recovery.judge(H264Picture(1, False, True, 3, 4, True, None)) is Verdict.HIDDEN
    assert recovery.judge(H264Picture(2, False, True, 5, 4, True, None)) is Verdict.SHOWN


def test_leading_pictures_are_hidden_if_referred_to_and_discarded_otherwise_also_when_timestamps_wrap() -> None:
    recovery = H264Recovery()
    assert recovery.judge(h264(100, 1, 0)) is Verdict.SHOWN
    assert recovery.judge(h264(-100, 2)) is Verdict.HIDDEN
    assert recovery.judge(h264(-200, 3, reference=False)) is Verdict.DISCARDED
    assert recovery.judge(h264(200, 3)) is Verdict.SHOWN
    assert not recovery.settled
    for number in range(MAX_REORDER):
        recovery.judge(h264(300 + number, 4 + number))
    assert recovery.settled


def test_an_idr_picture_ends_a_recovery_and_a_nearer_point_shortens_it() -> None:
    recovery = H264Recovery()
    recovery.judge(h264(0, 1, 100))
    assert recovery.judge(h264(1, 2)) is Verdict.HIDDEN
    assert recovery.judge(h264(2, 3, 0)) is Verdict.SHOWN
    recovery.lose()
    recovery.judge(h264(3, 4, 100))
    assert recovery.judge(H264Picture(4, True, True, 0, 4, False, None)) is Verdict.SHOWN
    assert recovery.settled


def h265(order: int, kind: int = 1, count: int | None = None, layer: int = 0) -> H265Picture:
    return H265Picture(kind, layer, order & 15, 4, count)


CRA, BLA = 21, 16


def test_pictures_that_refer_to_others_before_a_random_access_picture_are_discarded_only_after_a_loss() -> None:
    recovery = H265Recovery()
    assert recovery.judge(h265(0, RASL_N)) is Verdict.DISCARDED
    assert recovery.judge(h265(8, CRA)) is Verdict.SHOWN
    assert recovery.judge(h265(6, RASL_R)) is Verdict.DISCARDED
    assert recovery.judge(h265(7, RADL_N)) is Verdict.SHOWN
    assert recovery.judge(h265(0, CRA)) is Verdict.SHOWN
    assert recovery.judge(h265(14, RASL_R)) is Verdict.SHOWN
    assert recovery.judge(h265(8, BLA)) is Verdict.SHOWN
    assert recovery.judge(h265(6, RASL_R)) is Verdict.DISCARDED
    recovery.lose()
    assert recovery.judge(h265(9)) is Verdict.DISCARDED
    assert recovery.judge(h265(0, IDR_N_LP)) is Verdict.SHOWN


def test_order_counts_are_followed_across_their_wrap_from_pictures_of_the_lowest_layer() -> None:
    recovery = H265Recovery()
    shown: list[int] = []
    recovery.judge(h265(10, count=20))
    for order in range(11, 40):
        if recovery.judge(h265(order + 2, 0, layer=1)) is Verdict.SHOWN:
            shown.append(order + 2)
        if recovery.judge(h265(order)) is Verdict.SHOWN:
            shown.append(order)
    assert min(shown) == 30
    assert not set(range(30, 40)).difference(shown)
    assert recovery.settled


def test_order_counts_are_derived_from_the_last_picture_of_the_base_layer_that_is_not_leading() -> None:
    for other in (h265(7, layer=1), h265(7, 0), h265(7, RADL_N)):
        recovery = H265Recovery()
        recovery.judge(h265(0, count=6))
        assert recovery.judge(other) is Verdict.SHOWN
        assert recovery.judge(h265(-4)) is Verdict.HIDDEN  # from 7 on it would be 12


def test_during_recovery_pictures_after_a_random_access_picture_are_correct() -> None:
    recovery = H265Recovery()
    recovery.judge(h265(0, count=100))
    assert recovery.judge(h265(1)) is Verdict.HIDDEN
    assert recovery.judge(h265(4, CRA)) is Verdict.SHOWN
    assert recovery.judge(h265(2, RASL_R)) is Verdict.HIDDEN
    assert recovery.judge(h265(5)) is Verdict.SHOWN
