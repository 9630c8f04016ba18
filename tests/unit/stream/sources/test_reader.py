from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta, SlotFormat
from stream.settings.engine import CameraConfig
from stream.sources.errors import SourceError
from stream.sources.open_transport import OnDiscard
from stream.sources.reader import CameraReader, secrets_of
from stream.sources.status import CameraStatus
from stream.sources.transport import AccessUnit
from stream.sources.webrtc.transport import PublisherErrorDiagnosis
from support.engines.fake_source import FRAME_US, FakeConnections, FakeTransport, faults_of, unit
from support.waiting import PATIENCE_S, wait_until, waits
from telemetry.observer import Observer

REFUSED = SourceError("refused", "cam", "nothing listens", "Switch it on")


class Watching(Observer):
    def __init__(self) -> None:
        self.reconnects: list[str] = []
        self.discarded: list[str] = []
        self.clocks: list[str] = []
        self.epochs: list[str] = []

    def reconnecting(self, camera: str, reason: str) -> None:
        self.reconnects.append(reason)

    def unit_discarded(self, camera: str, reason: str) -> None:
        self.discarded.append(reason)

    def epoch_began(self, camera: str, reason: str) -> None:
        self.epochs.append(reason)

    def clock_source(self, camera: str, clock: str) -> None:
        self.clocks.append(clock)


class Clock:
    """The reader's clock, which only a script advances."""

    def __init__(self) -> None:
        self.now_ns = time.monotonic_ns()

    def __call__(self) -> int:
        return self.now_ns

    def go_on(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


class Played:
    """A reader that has read all scripted connections."""

    def __init__(
        self,
        connections: FakeConnections,
        source: str = "rtsp://bob:geheim@host/x",
        keyframe_wanted: Callable[[float], bool] = lambda now_s: False,
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        settings = {"reconnect_initial_s": 0.001, "reconnect_max_s": 0.002, **settings}
        config = CameraConfig(id="cam", source=source, **settings)  # pyright: ignore
        self.said: list[CameraStatus] = []
        self.observer = Watching()
        self.ring = FrameRing("cam", 64)
        self.connections = connections
        self.reader = CameraReader(
            config,
            self.ring,
            lambda source, detector: SlotFormat("planes", source, source),
            self.observer,
            self.said.append,
            keyframe_wanted=keyframe_wanted,
            make_opener=connections,
            now_ns=clock or Clock(),
        )
        self.reader.start()
        assert self.reader.join(PATIENCE_S)
        self.metas: list[FrameMeta] = []
        while lease := self.ring.lease():
            self.metas.append(lease.meta)
            self.ring.release(lease)

    @property
    def states(self) -> list[tuple[str, str | None]]:
        return [(status.state, status.reason) for status in self.said]


def frames(count: int, first: int = 0) -> Iterator[AccessUnit]:
    now_us = time.monotonic_ns() // 1000
    for number in range(first, first + count):
        yield unit(number * FRAME_US, now_us + number * FRAME_US)


def ended() -> Exception:
    return faults_of().ended()


def test_a_camera_connects_is_live_and_ends_when_told_to_stop() -> None:
    played = Played(FakeConnections([*frames(3), ended()]))
    assert played.states == [("connecting", None), ("live", None), ("reconnecting", "ended"), ("ended", None)]
    assert played.ring.finished
    assert played.connections.made[0].closed
    assert [meta.frame for meta in played.metas] == [0, 1, 2]


def test_every_connection_is_an_epoch_of_its_own() -> None:
    played = Played(FakeConnections([*frames(2), ended()], [*frames(1), ended()]))
    live = [status.epoch for status in played.said if status.state == "live"]
    assert live == [1, 2]
    assert played.observer.reconnects == ["ended", "ended"]
    assert played.ring.decoded == 3


def test_a_camera_that_never_opened_is_connecting_with_its_reason() -> None:
    played = Played(FakeConnections(REFUSED, REFUSED))
    assert played.states == [("connecting", None), ("connecting", "refused"), ("ended", None)]
    assert played.observer.reconnects == ["refused", "refused"]
    assert not played.reader.ever_live
    assert all(status.epoch == 0 and status.size is None and status.clock is None for status in played.said)


class Publishing(FakeConnections):
    """Publishers in turn, each of which was awaited."""

    def __call__(self, config: CameraConfig, stopping: threading.Event, on_discard: OnDiscard) -> FakeTransport:
        transport = super().__call__(config, stopping, on_discard)
        transport.diagnosis = PublisherErrorDiagnosis(config)
        return transport


def test_a_whip_camera_reports_that_it_waits_and_is_ready_again_at_once() -> None:
    played = Played(Publishing([*frames(1), ended()], [*frames(1), ended()]), "whip", reconnect_initial_s=60)
    again = [("reconnecting", "ended"), ("reconnecting", "no_publisher")]
    assert played.states == [
        ("connecting", None),
        ("connecting", "no_publisher"),
        ("live", None),
        *again,
        ("live", None),
        *again,
        ("ended", None),
    ]
    assert "Publish to /whip/cam" in played.said[1].message


def test_waiting_for_a_publisher_does_not_count_towards_the_start_timeout() -> None:
    clock = Clock()

    class Slow(Publishing):
        def __call__(self, config: CameraConfig, stopping: threading.Event, on_discard: OnDiscard) -> FakeTransport:
            transport = super().__call__(config, stopping, on_discard)
            opened = transport.open()

            def open_late() -> object:
                clock.go_on(8)
                return opened

            transport.open = open_late
            return transport

    played = Played(Slow([None, *frames(1), ended()]), "whip", clock=clock, start_timeout_s=5)
    assert ("live", None) in played.states


def test_a_keyframe_is_requested_when_a_picture_cannot_be_decoded() -> None:
    now_us = time.monotonic_ns() // 1000
    played = Played(FakeConnections([*frames(1), unit(FRAME_US, now_us, undecodable=True), ended()]))
    assert played.connections.made[0].undecoded == 1
    assert played.observer.discarded == ["corrupt"]


def test_a_keyframe_is_requested_when_a_viewer_needs_one() -> None:
    wishes = iter([False, True, False, False])
    connections = FakeConnections([*frames(3), ended()])
    Played(connections, keyframe_wanted=lambda now_s: next(wishes))
    assert connections.made[0].wished == 1
    assert connections.made[0].undecoded == 0


def test_silence_of_a_live_camera_is_a_stall_and_then_a_reconnection() -> None:
    clock = Clock()

    def silence() -> Iterator[AccessUnit | None]:
        yield from frames(1)
        while True:
            clock.go_on(0.5)
            yield None

    played = Played(FakeConnections(silence()), clock=clock, stall_timeout_s=3)
    assert played.states == [
        ("connecting", None),
        ("live", None),
        ("stalled", "stalled"),
        ("reconnecting", "stalled"),
        ("ended", None),
    ]
    assert played.observer.reconnects == ["stalled"]


def test_no_first_picture_within_the_start_timeout_is_a_timeout_and_not_a_stall() -> None:
    clock = Clock()

    def nothing() -> Iterator[None]:
        while True:
            clock.go_on(0.5)
            yield None

    played = Played(FakeConnections(nothing()), clock=clock, start_timeout_s=10, stall_timeout_s=1)
    assert played.states[1] == ("connecting", "timeout")


def test_discarded_units_are_counted_by_reason_and_reading_goes_on_at_the_next_keyframe() -> None:
    sent = list(frames(6))
    broken = unit(2 * FRAME_US, undecodable=True)
    after = unit(3 * FRAME_US, is_keyframe=False)
    played = Played(FakeConnections([*sent[:2], broken, after, *sent[4:], ended()]))
    assert played.observer.discarded == ["corrupt", "awaiting_keyframe"]
    assert [meta.media_us // FRAME_US for meta in played.metas] == [0, 1, 4, 5]
    assert [meta.frame for meta in played.metas] == [0, 1, 2, 3]


def test_a_jump_of_media_time_is_an_epoch_within_the_connection() -> None:
    now_us = time.monotonic_ns() // 1000
    sent = [unit(0, now_us), unit(3_600_000_000, now_us + FRAME_US), unit(3_600_040_000, now_us + 2 * FRAME_US)]
    played = Played(FakeConnections([*sent, ended()]))
    assert [status.epoch for status in played.said if status.state == "live"] == [1, 2]
    assert played.observer.reconnects == ["ended"]
    assert [(meta.epoch, meta.frame) for meta in played.metas] == [(2, 0), (2, 1)]


def test_a_clock_set_back_by_a_year_begins_an_epoch_that_status_log_and_metrics_give_the_reason_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="stream.sources.reader")
    now_us, year_us = time.monotonic_ns() // 1000, 365 * 86_400 * 1_000_000
    utc_us = [now_us + year_us, now_us + year_us + FRAME_US, now_us + 2 * FRAME_US, now_us + 3 * FRAME_US]
    sent = [unit(at * FRAME_US, now_us + at * FRAME_US, sender_utc_us=utc) for at, utc in enumerate(utc_us)]
    played = Played(FakeConnections([*sent, ended()]))
    assert [(meta.epoch, meta.capture_us) for meta in played.metas] == [(2, utc_us[2]), (2, utc_us[3])]
    live = [(status.epoch, status.epoch_reason) for status in played.said if status.state == "live"]
    assert live == [(1, "connected"), (2, "clock_step")]
    assert played.said[-1].wire("0" * 32, 0).epoch_reason == "clock_step"
    assert played.observer.epochs == ["connected", "clock_step"]
    (logged,) = (record for record in caplog.records if record.levelname == "WARNING" and "clock" in record.message)
    assert logged.message == (f"camera cam: the camera's clock was set back by {year_us / 1e6:.3f} s: epoch 2 begins")


def test_a_looped_file_restarts_in_a_new_epoch_without_a_reconnection() -> None:
    played = Played(FakeConnections([*frames(2), ended()], [*frames(2), ended()]), source="clip.mp4", pace="loop")
    assert [state for state, _ in played.states] == ["connecting", "live", "live", "ended"]
    assert [status.epoch for status in played.said] == [0, 1, 2, 2]
    assert played.observer.reconnects == []


def test_an_internal_error_is_logged_without_secrets_and_the_camera_reconnects(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault = RuntimeError("can't read rtsp://bob:geheim@host/x with geheim")
    with caplog.at_level(logging.DEBUG):
        played = Played(FakeConnections([fault], [*frames(1), ended()]))
    assert played.states[1] == ("connecting", "internal_error")
    assert ("live", None) in played.states
    assert "RuntimeError" in caplog.text
    assert "geheim" not in caplog.text
    assert "bob" not in caplog.text


def test_a_failing_listener_does_not_affect_the_camera(caplog: pytest.LogCaptureFixture) -> None:
    config = CameraConfig(id="cam", source="clip.mp4")  # pyright: ignore[reportArgumentType]
    ring = FrameRing("cam", 64)

    def fail(status: CameraStatus) -> None:
        raise RuntimeError("not listening")

    reader = CameraReader(
        config,
        ring,
        lambda source, detector: SlotFormat("planes", source, source),
        Observer(),
        fail,
        make_opener=FakeConnections([*frames(3), ended()]),
    )
    reader.start()
    assert reader.join(PATIENCE_S)
    assert ring.decoded == 3
    assert "status could not be reported" in caplog.text


def test_stop_ends_a_camera_that_waits_to_reconnect_at_once() -> None:
    config = CameraConfig(
        id="cam",
        source="rtsp://host/x",  # pyright: ignore[reportArgumentType]
        reconnect_initial_s=3600,
        reconnect_max_s=3600,
    )
    reader = CameraReader(
        config,
        FrameRing("cam", 2),
        lambda source, detector: SlotFormat("planes", source, source),
        Observer(),
        lambda status: None,
        make_opener=FakeConnections(REFUSED),
    )
    reader.start()
    wait_until(lambda: reader.status.reason == "refused" and waits(reader._thread))
    reader.stop()
    assert reader.join(PATIENCE_S)


def test_a_camera_added_again_in_the_same_run_continues_its_epochs() -> None:
    said: list[CameraStatus] = []
    reader = CameraReader(
        CameraConfig(id="cam", source="clip.mp4"),  # pyright: ignore[reportArgumentType]
        FrameRing("cam", 8),
        lambda source, detector: SlotFormat("planes", source, source),
        Observer(),
        said.append,
        first_epoch=5,
        make_opener=FakeConnections([*frames(1), ended()]),
    )
    reader.start()
    assert reader.join(PATIENCE_S)
    assert said[-1].epoch == 5


@pytest.mark.parametrize(
    ("address", "secrets"),
    [
        ("rtsp://bob:geheim@host/x", {"rtsp://bob:geheim@host/x", "bob:geheim", "geheim"}),
        ("rtsp://bob:ge%40heim@host/x", {"rtsp://bob:ge%40heim@host/x", "bob:ge%40heim", "ge%40heim", "ge@heim"}),
        ("rtsp://host/x", set()),
        ("/videos/clip.mp4", set()),
    ],
)
def test_the_secrets_of_an_address_are_known(address: str, secrets: set[str]) -> None:
    source = CameraConfig(id="cam", source=address).source  # pyright: ignore[reportArgumentType]
    assert {secret for secret, _ in secrets_of(source)} == secrets
