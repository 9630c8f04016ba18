"""CameraClock: times never go backwards, jumps start a new epoch, and every time has an origin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.decoding.clock import (
    IGNORED_NS,
    LATEST_UTC_US,
    STEP_LIMIT_US,
    UNSTEADY_STEPS,
    CameraClock,
    ClockStep,
    Discontinuity,
    Stamp,
)

UTC = 1_790_000_000_000_000
YEAR_S = 365 * 86_400


def stamped(clock: CameraClock, pts_ms: float | None, arrival_ms: float, utc_ms=None, sender_ms=None) -> Stamp:
    """Stamp a picture. Times are in ms; the wall clock follows arrival unless `utc_ms` is given."""
    answer = clock.stamp(
        None if pts_ms is None else int(pts_ms * 1000),
        int(arrival_ms * 1e6),
        UTC + int((arrival_ms if utc_ms is None else utc_ms) * 1000),
        None if sender_ms is None else UTC + int(sender_ms * 1000),
    )
    assert isinstance(answer, Stamp), answer
    return answer


def test_media_time_counts_from_the_first_frame_of_the_epoch():
    clock = CameraClock()
    assert stamped(clock, 7000, 0) == Stamp(0, UTC, "arrival")
    assert stamped(clock, 7040, 41) == Stamp(40_000, UTC + 41_000, "arrival")


def test_a_first_packet_without_a_pts_is_placed_by_its_arrival():
    clock = CameraClock()
    assert stamped(clock, None, 100).media_us == 0
    assert stamped(clock, None, 140).media_us == 40_000
    # The first pts: 45 ms of arrival later; from here on the pts decides.
    assert stamped(clock, 9000, 185).media_us == 85_000
    assert stamped(clock, 9040, 200).media_us == 125_000


def test_a_small_step_back_is_clamped():
    clock = CameraClock()
    stamped(clock, 1000, 0)
    stamped(clock, 1600, 600)
    assert stamped(clock, 1100, 640).media_us == 600_000
    assert stamped(clock, 1500, 680).media_us == 600_000
    assert stamped(clock, 1640, 720).media_us == 640_000


def test_a_long_step_back_begins_a_new_epoch():
    clock = CameraClock()
    stamped(clock, 1000, 0)
    stamped(clock, 2000, 1000)
    answer = clock.stamp(1_499_999, 1_040_000_000, UTC)
    assert answer == Discontinuity("backward", -500_001)
    assert str(answer) == "media time jumped back by 0.500 s"
    clock.begin_epoch()
    assert stamped(clock, 1499.999, 1040).media_us == 0


def test_a_jump_beyond_arrival_begins_a_new_epoch():
    clock = CameraClock()
    stamped(clock, 0, 0)
    assert clock.stamp(2_040_001, 40_000_000, UTC) == Discontinuity("forward", 2_040_001)
    assert stamped(clock, 2040, 40).media_us == 2_040_000, "just within the limit"


def test_a_long_silence_is_no_jump_nor_is_the_burst_after_it():
    clock = CameraClock()
    stamped(clock, 0, 0)
    assert stamped(clock, 10_000, 10_000).media_us == 10_000_000, "nothing was sent for 10 s"
    # The network stalled for 10 s, then everything comes at once.
    assert stamped(clock, 10_040, 20_000).media_us == 10_040_000
    for frame in range(2, 250):
        stamp = stamped(clock, 10_000 + 40 * frame, 20_000 + 0.1 * frame)
        assert stamp.media_us == 10_000_000 + 40_000 * frame
        assert stamp.capture_us == UTC + 20_000_000 + 100 * frame, "in a burst, arrival is when the frame arrived"


def test_the_clock_changes_once_to_the_cameras_own_which_is_approached_at_half_speed():
    clock = CameraClock()
    assert stamped(clock, 0, 500).clock == "arrival"
    assert stamped(clock, 40, 540, sender_ms=490) == Stamp(40_000, UTC + 520_000, "rtcp")
    # A frame without a report goes on by media time.
    assert stamped(clock, 80, 590) == Stamp(80_000, UTC + 540_000, "rtcp")
    assert stamped(clock, 120, 620) == Stamp(120_000, UTC + 570_000, "rtcp")
    assert stamped(clock, 160, 660, sender_ms=611) == Stamp(160_000, UTC + 611_000, "rtcp")
    clock.begin_epoch()
    assert stamped(clock, 0, 700).clock == "arrival", "a new connection has to hear a sender report again"


@pytest.mark.parametrize("set_by_s", [-YEAR_S, -3600, -2, 2, 3600, YEAR_S])
def test_a_camera_clock_set_by_two_seconds_or_more_begins_an_epoch_that_is_right_at_once(set_by_s: int):
    clock = CameraClock()
    stamped(clock, 0, 0, sender_ms=0)
    step = clock.stamp(40_000, 40_000_000, UTC + 40_000, UTC + 40_000 + set_by_s * 1_000_000)
    assert step == ClockStep("rtcp", set_by_s * 1_000_000)
    direction = "back" if set_by_s < 0 else "forward"
    assert str(step) == f"the camera's clock was set {direction} by {abs(set_by_s)}.000 s"
    clock.begin_epoch()
    assert stamped(clock, 40, 40, sender_ms=40 + set_by_s * 1000) == Stamp(
        0, UTC + 40_000 + set_by_s * 1_000_000, "rtcp"
    )


@pytest.mark.parametrize("set_by_s", [-YEAR_S, -2, 2, YEAR_S])
def test_our_clock_set_by_two_seconds_or_more_begins_an_epoch_that_is_right_at_once(set_by_s: int):
    clock = CameraClock()
    stamped(clock, 0, 0)
    step = clock.stamp(40_000, 40_000_000, UTC + 40_000 + set_by_s * 1_000_000)
    assert step == ClockStep("arrival", set_by_s * 1_000_000)
    assert str(step).startswith("this computer's clock was set")
    clock.begin_epoch()
    assert stamped(clock, 40, 40, utc_ms=40 + set_by_s * 1000).capture_us == UTC + 40_000 + set_by_s * 1_000_000


def test_a_first_report_that_differs_from_our_clock_by_two_seconds_begins_an_epoch():
    clock = CameraClock()
    stamped(clock, 0, 0)
    step = clock.stamp(40_000, 40_000_000, UTC + 40_000, UTC + 60_040_000)
    assert step == ClockStep("rtcp", 60_000_000, from_arrival=True)
    assert str(step) == "the camera's clock is 60.000 s ahead of this computer's"
    clock.begin_epoch()
    assert stamped(clock, 40, 40, sender_ms=60_040) == Stamp(0, UTC + 60_040_000, "rtcp")


@pytest.mark.parametrize("every_s", [5, 20, 60])
def test_reports_that_set_the_clock_again_and_again_are_ignored_for_ten_minutes(every_s: int):
    clock = CameraClock()
    epochs, clocks = 1, []
    for second in range(600 + 8 * every_s):
        sender = UTC + second * 1_000_000 + 60_000_000 * (second // every_s % 2 + 1)
        times = (second * 1_000_000, second * 1_000_000_000, UTC + second * 1_000_000, sender)
        answer = clock.stamp(*times)
        if not isinstance(answer, Stamp):
            epochs += 1
            clock.begin_epoch()
            answer = clock.stamp(*times)
        assert isinstance(answer, Stamp)
        clocks.append(answer.clock)
        assert answer.capture_us == (sender if answer.clock == "rtcp" else UTC + second * 1_000_000)
    ignored = [second for second, origin in enumerate(clocks) if origin == "arrival"]
    assert ignored == list(range(ignored[0], ignored[0] + IGNORED_NS // 10**9)), "one stretch"
    assert epochs <= 2 * UNSTEADY_STEPS + 2


def test_a_file_counts_capture_from_the_epochs_start():
    clock = CameraClock(live=False)
    assert stamped(clock, 500, 0) == Stamp(0, UTC, "media")
    assert stamped(clock, 1500, 3) == Stamp(1_000_000, UTC + 1_000_000, "media")
    # Read in a blink, then looped: the next round begins where the last one's times ended.
    clock.begin_epoch()
    assert stamped(clock, 500, 6) == Stamp(0, UTC + 1_000_000, "media")
    assert stamped(clock, 540, 9) == Stamp(40_000, UTC + 1_040_000, "media")


@pytest.mark.parametrize("set_by_s", [-YEAR_S, -2, 2, YEAR_S])
def test_a_file_read_in_real_time_begins_an_epoch_when_our_clock_is_set(set_by_s: int):
    clock = CameraClock(live=False)
    stamped(clock, 0, 0)
    assert stamped(clock, 40, 40, utc_ms=40 + 1999) == Stamp(40_000, UTC + 40_000, "media")
    at_ms = 80 + set_by_s * 1000
    assert clock.stamp(80_000, 80_000_000, UTC + at_ms * 1000) == ClockStep("media", set_by_s * 1_000_000)
    clock.begin_epoch()
    assert stamped(clock, 80, 80, utc_ms=at_ms) == Stamp(0, UTC + at_ms * 1000, "media")


def test_a_time_lapse_read_fast_has_no_jumps_but_a_cut_in_a_file_is_one():
    clock = CameraClock(live=False)
    for frame in range(10):
        assert stamped(clock, 5000 * frame, frame).media_us == 5_000_000 * frame
    clock = CameraClock(live=False)
    stamped(clock, 0, 0)
    stamped(clock, 40, 1)
    assert clock.stamp(4_000_000, 2_000_000, UTC) == Discontinuity("forward", 3_960_000)


@pytest.mark.parametrize("step_us", [2**62, 100 * YEAR_S * 10**6])
def test_a_file_never_has_times_that_messages_cannot_hold(step_us: int):
    clock = CameraClock(live=False, paced=False)
    epochs = 0
    for frame in range(12):
        answer = clock.stamp(frame * step_us, frame, UTC)
        if not isinstance(answer, Stamp):
            epochs += 1
            clock.begin_epoch()
            answer = clock.stamp(frame * step_us, frame, UTC)
        assert isinstance(answer, Stamp)
        assert answer.media_us <= LATEST_UTC_US and UTC <= answer.capture_us <= LATEST_UTC_US < 2**53
    assert epochs


steps = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-3_000_000, 6_000_000), st.integers(0, 80_000)),
        st.integers(0, 3_000_000_000),
        st.integers(-10_000_000, 10_000_000),
        st.one_of(st.none(), st.integers(-5_000_000, 5_000_000)),
    ),
    min_size=1,
    max_size=60,
)


@given(
    origin=st.sampled_from(["rtcp", "arrival", "media"]),
    steps=st.lists(
        st.tuples(
            st.integers(1, 60),
            st.one_of(
                st.integers(-2 * STEP_LIMIT_US, 2 * STEP_LIMIT_US),
                st.integers(-YEAR_S, YEAR_S).map(lambda s: s * 10**6),
            ),
        ),
        max_size=UNSTEADY_STEPS - 1,
    ),
)
def test_within_an_epoch_capture_time_never_goes_back_nor_is_off_by_two_seconds(origin, steps):
    """Each of `steps` is a number of frames, and by how much the clock is set after them."""
    clock = CameraClock(live=origin != "media")
    frame, error = 0, 0
    before: int | None = None
    for frames, step in [*steps, (100, 0)]:
        for _ in range(frames):
            right = UTC + 40_000 * frame + error
            sender = right if origin == "rtcp" else None
            utc = UTC if origin == "rtcp" else right
            answer = clock.stamp(40_000 * frame, 40_000_000 * frame, utc, sender)
            if not isinstance(answer, Stamp):
                clock.begin_epoch()
                before = None
                answer = clock.stamp(40_000 * frame, 40_000_000 * frame, utc, sender)
                assert isinstance(answer, Stamp) and answer.capture_us == right, "the new epoch is right at once"
            assert answer.clock == origin
            assert before is None or answer.capture_us >= before
            assert abs(answer.capture_us - right) < STEP_LIMIT_US
            before = answer.capture_us
            frame += 1
        error += step
    if origin != "media":
        assert abs(answer.capture_us - right) <= max(0, STEP_LIMIT_US - 100 * 20_000), "the slew is over"


@given(
    frames=st.lists(st.integers(1_000, 500_000), min_size=1, max_size=50),
    origin=st.integers(-(2**33), 2**33),
    jitter=st.data(),
)
def test_a_regular_stream_keeps_its_times_exactly(frames, origin, jitter):
    clock = CameraClock()
    pts, arrival = origin, 10**9
    assert clock.stamp(pts, arrival, UTC) == Stamp(0, UTC, "arrival")
    for step in frames:
        pts += step
        arrival += max(0, step * 1000 + jitter.draw(st.integers(-900_000_000, 900_000_000)))
        answer = clock.stamp(pts, arrival, UTC + arrival // 1000 - 10**6)
        assert isinstance(answer, Stamp)
        assert answer.media_us == pts - origin
