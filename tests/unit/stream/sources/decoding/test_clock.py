"""CameraClock: times never go backwards, jumps start a new epoch, and every time has an origin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.decoding.clock import (
    BACKWARD_LIMIT_US,
    FORWARD_LIMIT_US,
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


def test_a_camera_clock_set_back_is_caught_up_with_at_half_speed():
    clock = CameraClock()
    stamped(clock, 0, 0, sender_ms=1000)
    # Set back by 100 ms; 40 ms frames.
    captures = [
        stamped(clock, 40 * frame, 40 * frame, sender_ms=900 + 40 * frame).capture_us - UTC for frame in range(1, 8)
    ]
    assert captures == [1_020_000, 1_040_000, 1_060_000, 1_080_000, 1_100_000, 1_140_000, 1_180_000]


def test_a_clock_set_forward_by_less_than_two_seconds_is_followed_at_one_and_a_half_times_the_speed():
    clock = CameraClock()
    stamped(clock, 0, 0, utc_ms=0)
    captures = [
        stamped(clock, 40 * frame, 40 * frame, utc_ms=50 + 40 * frame).capture_us - UTC for frame in range(1, 5)
    ]
    assert captures == [60_000, 120_000, 170_000, 210_000]


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


def test_our_clock_is_of_no_account_while_the_cameras_own_is_known():
    clock = CameraClock()
    stamped(clock, 0, 0, sender_ms=0)
    assert stamped(clock, 40, 40, utc_ms=YEAR_S * 1000, sender_ms=40) == Stamp(40_000, UTC + 40_000, "rtcp")
    assert stamped(clock, 80, 80, utc_ms=-YEAR_S * 1000) == Stamp(80_000, UTC + 80_000, "rtcp")


def test_a_first_report_that_differs_from_our_clock_by_two_seconds_begins_an_epoch():
    clock = CameraClock()
    stamped(clock, 0, 0)
    step = clock.stamp(40_000, 40_000_000, UTC + 40_000, UTC + 60_040_000)
    assert step == ClockStep("rtcp", 60_000_000, from_arrival=True)
    assert str(step) == "the camera's clock is 60.000 s ahead of this computer's"
    clock.begin_epoch()
    assert stamped(clock, 40, 40, sender_ms=60_040) == Stamp(0, UTC + 60_040_000, "rtcp")


def test_a_step_changes_nothing_until_the_epoch_begins():
    clock = CameraClock()
    stamped(clock, 0, 0, sender_ms=0)
    for _ in range(2 * UNSTEADY_STEPS):
        assert isinstance(clock.stamp(40_000, 40_000_000, UTC, UTC + 9_000_000), ClockStep)
    assert stamped(clock, 40, 40, sender_ms=40) == Stamp(40_000, UTC + 40_000, "rtcp")


def test_small_corrections_that_add_up_to_two_seconds_begin_an_epoch():
    clock = CameraClock()
    stamped(clock, 0, 0, sender_ms=0)
    stamped(clock, 40, 40, sender_ms=40 - 1500)
    step = clock.stamp(80_000, 80_000_000, UTC, UTC + 80_000 - 3_000_000)
    assert step == ClockStep("rtcp", -2_980_000)


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


def test_capture_times_are_right_at_once_after_a_reconnection_at_which_the_clock_was_set_back():
    clock = CameraClock()
    stamped(clock, 0, 0, utc_ms=5000)
    clock.begin_epoch()
    assert stamped(clock, 0, 100, utc_ms=2000).capture_us == UTC + 2_000_000


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


def test_a_looped_files_next_round_follows_our_clock_that_was_set_back():
    clock = CameraClock(live=False)
    stamped(clock, 0, 0, utc_ms=YEAR_S * 1000)
    stamped(clock, 1000, 1000, utc_ms=YEAR_S * 1000 + 1000)
    clock.begin_epoch()
    assert stamped(clock, 0, 1040, utc_ms=1040) == Stamp(0, UTC + 1_040_000, "media")


def test_a_file_read_fast_keeps_its_epoch_when_our_clock_is_set():
    clock = CameraClock(live=False, paced=False)
    stamped(clock, 0, 0)
    assert stamped(clock, 40, 1, utc_ms=-YEAR_S * 1000) == Stamp(40_000, UTC + 40_000, "media")


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
    capture: int | None = None
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
        if not isinstance(answer, Stamp):
            assert started
            clock.begin_epoch()
            started, media, newest, capture, kinds = False, 0, None, None, []
            answer = clock.stamp(given_pts, arrival, utc + utc_error, sender)
        assert isinstance(answer, Stamp)
        if not started:
            assert answer.media_us == 0
        assert answer.media_us >= media
        if live and started and given_pts is not None and newest is not None:
            allowed = (arrival - arrived_at_newest) / 1000 + 1 + FORWARD_LIMIT_US
            assert answer.media_us - media <= allowed
        assert capture is None or answer.capture_us >= capture
        if not started and live:
            assert answer.capture_us == (utc + utc_error if answer.clock == "arrival" else sender), "right at once"
        capture = answer.capture_us
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
