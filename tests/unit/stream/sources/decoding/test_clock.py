"""CameraClock: times never go backwards, jumps start a new epoch, and every time has an origin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.decoding.clock import BACKWARD_LIMIT_US, FORWARD_LIMIT_US, CameraClock, Discontinuity, Stamp

UTC = 1_790_000_000_000_000


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


def test_a_packet_without_a_pts_between_others_is_placed_by_its_arrival():
    clock = CameraClock()
    stamped(clock, 1000, 0)
    assert stamped(clock, None, 35).media_us == 35_000
    assert stamped(clock, 1080, 80).media_us == 80_000


def test_a_packet_without_a_pts_after_a_stall_does_not_run_ahead_of_those_that_follow():
    clock = CameraClock()
    stamped(clock, 1000, 0)
    stamped(clock, 1040, 40)
    assert stamped(clock, None, 9000).media_us == 80_000
    assert stamped(clock, 1120, 9001).media_us == 120_000


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


def test_a_discontinuity_changes_nothing_until_the_epoch_begins():
    clock = CameraClock()
    stamped(clock, 0, 0)
    for _ in range(2):
        assert isinstance(clock.stamp(60_000_000, 40_000_000, UTC), Discontinuity)
    assert stamped(clock, 40, 40).media_us == 40_000


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


def test_a_clock_that_runs_fast_for_days_is_no_jump():
    clock = CameraClock()
    for hour in range(72):
        assert stamped(clock, hour * 3_600_000 * 1.0005, hour * 3_600_000).clock == "arrival"


def test_the_clock_changes_once_to_the_cameras_own():
    clock = CameraClock()
    assert stamped(clock, 0, 500).clock == "arrival"
    assert stamped(clock, 40, 540, sender_ms=100) == Stamp(40_000, UTC + 100_000, "rtcp")
    # A frame without one goes on by media time.
    assert stamped(clock, 80, 590) == Stamp(80_000, UTC + 140_000, "rtcp")
    assert stamped(clock, 120, 620, sender_ms=181) == Stamp(120_000, UTC + 181_000, "rtcp")
    clock.begin_epoch()
    assert stamped(clock, 0, 700).clock == "arrival", "a new connection has to hear a sender report again"


def test_a_camera_clock_set_back_is_caught_up_with_at_half_speed():
    clock = CameraClock()
    stamped(clock, 0, 0, sender_ms=1000)
    # Set back by 100 ms; 40 ms frames.
    captures = [
        stamped(clock, 40 * frame, 40 * frame, sender_ms=900 + 40 * frame).capture_us - UTC for frame in range(1, 8)
    ]
    assert captures == [1_020_000, 1_040_000, 1_060_000, 1_080_000, 1_100_000, 1_140_000, 1_180_000]


def test_our_wall_clock_set_forward_is_followed_at_once():
    clock = CameraClock()
    stamped(clock, 0, 0, utc_ms=0)
    assert stamped(clock, 40, 40, utc_ms=3_600_040).capture_us == UTC + 3_600_040_000


def test_capture_times_never_go_back_after_a_reconnection():
    clock = CameraClock()
    stamped(clock, 0, 0, utc_ms=5000)
    clock.begin_epoch()
    assert stamped(clock, 0, 100, utc_ms=2000).capture_us == UTC + 5_000_000


def test_a_file_counts_capture_from_the_epochs_start():
    clock = CameraClock(live=False)
    assert stamped(clock, 500, 0) == Stamp(0, UTC, "media")
    assert stamped(clock, 1500, 3) == Stamp(1_000_000, UTC + 1_000_000, "media")
    # Read in a blink, then looped: the next round begins where the last one's times ended.
    clock.begin_epoch()
    assert stamped(clock, 500, 6) == Stamp(0, UTC + 1_000_000, "media")
    assert stamped(clock, 540, 9) == Stamp(40_000, UTC + 1_040_000, "media")


def test_a_time_lapse_read_fast_has_no_jumps_but_a_cut_in_a_file_is_one():
    clock = CameraClock(live=False)
    for frame in range(10):
        assert stamped(clock, 5000 * frame, frame).media_us == 5_000_000 * frame
    clock = CameraClock(live=False)
    stamped(clock, 0, 0)
    stamped(clock, 40, 1)
    assert clock.stamp(4_000_000, 2_000_000, UTC) == Discontinuity("forward", 3_960_000)


@pytest.mark.parametrize("live", [True, False])
def test_no_keyframe_is_requested_for_a_file(live):
    stamp = stamped(CameraClock(live), 0, 0, sender_ms=5)
    assert stamp.clock == ("rtcp" if live else "media")


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


@given(live=st.booleans(), steps=steps, origin=st.integers(-(2**40), 2**40))
def test_times_never_go_back_and_jumps_are_reported_for_any_input(live, steps, origin):
    clock = CameraClock(live)
    pts, arrival, utc = origin, 0, UTC
    newest: int | None = None  # the newest pts of the epoch
    arrived_at_newest = arrival
    started = False
    media = 0
    guessed = False  # media time is where a frame without pts was put
    captures: dict[str, int] = {}
    kinds: list[str] = []
    for pts_step, arrival_step, utc_error, sender_error in steps:
        arrival += arrival_step
        utc += arrival_step // 1000
        if pts_step is not None:
            pts += pts_step
        given_pts = None if pts_step is None else pts
        sender = None if sender_error is None else utc + sender_error
        answer = clock.stamp(given_pts, arrival, utc + utc_error, sender)
        if isinstance(answer, Discontinuity):
            assert started and given_pts is not None, "neither the first frame nor one without a pts can jump"
            if answer.direction == "backward":
                assert guessed or newest is None or given_pts < newest
                assert answer.jump_us < -BACKWARD_LIMIT_US
            else:
                assert answer.jump_us > FORWARD_LIMIT_US
            clock.begin_epoch()
            started, media, newest, kinds = False, 0, None, []
            answer = clock.stamp(given_pts, arrival, utc + utc_error, sender)
        assert isinstance(answer, Stamp)
        if not started:
            assert answer.media_us == 0
        assert answer.media_us >= media
        if live and started and given_pts is not None and newest is not None:
            allowed = (arrival - arrived_at_newest) / 1000 + 1 + FORWARD_LIMIT_US
            assert answer.media_us - media <= allowed
        assert answer.capture_us >= captures.get(answer.clock, answer.capture_us)
        captures[answer.clock] = answer.capture_us
        media_before = media
        media = answer.media_us
        if given_pts is not None:
            newest = given_pts if newest is None else max(newest, given_pts)
        arrived_at_newest = arrival
        started = True
        guessed = given_pts is None or (guessed and answer.media_us == media_before)
        kinds.append(answer.clock)
        assert kinds == sorted(kinds), "within an epoch the clock changes once, from arrival to rtcp"
        assert live == (answer.clock != "media")


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
