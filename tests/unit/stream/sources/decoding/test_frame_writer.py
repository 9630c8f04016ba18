from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import Colours, FrameMeta, SlotFormat
from ring_buffers.policy import Policy
from stream.settings.engine import CameraConfig
from stream.sources.decoding.clock import CameraClock
from stream.sources.decoding.decoder import Decoder
from stream.sources.decoding.frame_writer import FrameWriter, RateLimit
from stream.sources.demuxed.file import file_transport
from stream.sources.errors import SourceError
from support.engines.fake_source import picture
from support.engines.film_models import make_film
from telemetry.reasons import EpochReason


def planes(source: tuple[int, int], detector: tuple[int, int] | None) -> SlotFormat:
    return SlotFormat("planes", source, source)


class Written:
    """A writer and its ring. `metas` takes all ready frames from the ring."""

    def __init__(
        self, slots: int = 64, policy: Policy = "latest", live: bool = True, max_fps: float | None = None
    ) -> None:
        self.ring = FrameRing("cam", slots, policy)
        self.changes: list[tuple[int, str | None]] = []
        self.stopping = threading.Event()
        self.writer = FrameWriter(
            "cam", self.ring, planes, CameraClock(live=live), max_fps=max_fps, stopping=self.stopping.is_set
        )

    def write(self, *arguments: Any, **keywords: Any) -> None:
        if self.writer.write(picture(*arguments, **keywords)):
            self.changes.append((self.writer.epoch, self.writer.clock))

    def metas(self) -> list[FrameMeta]:
        found: list[FrameMeta] = []
        while lease := self.ring.lease():
            found.append(lease.meta)
            self.ring.release(lease)
        return found

    def play(self, count: int, start_us: int = 0, arrival_us: int = 0, size: tuple[int, int] = (64, 48)) -> None:
        for number in range(count):
            self.write(start_us + number * 40_000, arrival_us + number * 40_000, size)


def test_pictures_are_numbered_from_0_in_an_epoch_that_begins_at_1() -> None:
    camera = Written()
    camera.play(3, start_us=7_000_000)
    assert [(meta.epoch, meta.frame, meta.media_us) for meta in camera.metas()] == [
        (1, 0, 0),
        (1, 1, 40_000),
        (1, 2, 80_000),
    ]


def test_a_change_of_aspect_begins_an_epoch_whose_boxes_are_in_the_new_size() -> None:
    camera = Written()
    camera.play(2, size=(64, 48))
    before = camera.metas()
    camera.play(2, start_us=80_000, arrival_us=80_000, size=(96, 48))
    assert [(meta.epoch, meta.size) for meta in before] == [(1, (64, 48))] * 2
    assert [(meta.epoch, meta.frame, meta.size) for meta in camera.metas()] == [(2, 0, (96, 48)), (2, 1, (96, 48))]


@pytest.mark.parametrize("size", [(32, 24), (128, 96), (65, 48), (66, 49)])
def test_a_change_of_size_at_the_same_aspect_keeps_the_epoch_and_the_size_of_its_boxes(size: tuple[int, int]) -> None:
    camera = Written()
    camera.play(1)
    camera.write(40_000, 40_000, size)
    assert [(meta.epoch, meta.frame, meta.size, meta.format.size) for meta in camera.metas()] == [
        (1, 0, (64, 48), (64, 48)),
        (1, 1, (64, 48), (64, 48)),
    ]


@pytest.mark.parametrize(
    ("jump_us", "epochs"), [(-400_000, [1, 1]), (-600_000, [1, 2]), (1_900_000, [1, 1]), (2_100_000, [1, 2])]
)
def test_media_time_that_jumps_begins_an_epoch_and_jitter_does_not(jump_us: int, epochs: list[int]) -> None:
    camera = Written()
    camera.write(10_000_000, 0)
    first = camera.metas()
    camera.write(10_000_000 + 40_000 + jump_us, 40_000)
    second = camera.metas()
    assert [meta.epoch for meta in first + second] == epochs
    assert second[0].frame == (1 if epochs == [1, 1] else 0)
    assert second[0].media_us >= 0


def test_the_reason_of_an_epoch_is_known_and_a_jump_in_time_is_put_into_words() -> None:
    camera, reasons = Written(), []
    for pts_us, arrival_us, size, sender_utc_us in [
        (0, 0, (64, 48), 1_000_000),
        (40_000, 40_000, (64, 48), 31_040_000),
        (80_000, 80_000, (96, 48), 31_080_000),
        (9_000_000, 120_000, (96, 48), 40_000_000),
    ]:
        camera.write(pts_us, arrival_us, size, sender_utc_us)
        reasons.append((camera.writer.epoch, camera.writer.epoch_reason, camera.writer.epoch_cause))
    camera.writer.request_epoch(EpochReason.MOVED)
    camera.write(9_040_000, 160_000, (96, 48), 40_040_000)
    reasons.append((camera.writer.epoch, camera.writer.epoch_reason, camera.writer.epoch_cause))
    assert reasons == [
        (1, "connected", ""),
        (2, "clock_step", "the camera's clock was set forward by 30.000 s"),
        (3, "aspect_ratio", ""),
        (4, "media_jump", "media time jumped forward by 8.920 s"),
        (5, "moved", ""),
    ]


def test_a_full_ring_of_a_live_camera_never_holds_its_thread() -> None:
    camera = Written(slots=2)
    camera.play(1)
    leases = [camera.ring.lease()]
    camera.play(1, start_us=40_000, arrival_us=40_000)
    leases.append(camera.ring.lease())
    camera.play(3, start_us=80_000, arrival_us=80_000)
    assert all(leases)
    assert camera.ring.counts().dropped == {"all_leased": 3}
    assert camera.ring.counts().decoded == 5


def test_a_full_ring_of_a_file_is_waited_for_and_nothing_is_lost() -> None:
    camera = Written(slots=2, policy="every", live=False)
    taken: list[FrameMeta] = []

    def read() -> None:
        while len(taken) < 20:
            taken.extend(camera.metas())

    reader = threading.Thread(target=read)
    reader.start()
    camera.play(20)
    reader.join()
    assert [meta.frame for meta in taken] == list(range(20))
    assert camera.ring.counts().dropped == {}


# -- rate ------------------------------------------------------------------------------------------------------------


def kept(limit: RateLimit, times_us: list[int]) -> list[int]:
    return [time_us for time_us in times_us if limit.keeps(time_us)]


def test_a_rate_limit_keeps_its_rate() -> None:
    times = [n * 40_000 for n in range(250)]
    assert len(kept(RateLimit(10), times)) == 100
    assert len(kept(RateLimit(12.5), times)) == 125
    assert len(kept(RateLimit(25), times)) == 250
    assert len(kept(RateLimit(1000), times)) == 250
    assert len(kept(RateLimit(None), times)) == 250


def test_a_rotated_file_has_boxes_and_pictures_as_displayed(tmp_path: Path) -> None:
    film = make_film(tmp_path / "upright.mp4", shown_turned=True)
    camera = Written()
    config = CameraConfig(id="cam", source=str(film), pace="fast")  # pyright: ignore[reportArgumentType]
    file = file_transport(config, camera.stopping)
    decoder = Decoder(file.open().codec, lambda reason: None)
    pictures = []
    try:
        while unit := file.read():
            pictures += decoder.decode(unit)
    except SourceError:
        pictures += decoder.flush()
    finally:
        file.close()
    for one in pictures:
        camera.writer.write(one)
    lease = camera.ring.lease()
    assert lease is not None and len(pictures) == 11 and camera.writer.epoch == 1
    assert lease.meta.size == lease.meta.format.content == (120, 160)
    luma = lease.picture[: 120 * 160].reshape(160, 120)
    assert luma[:76].min() > 225 and luma[84:].max() < 30, "the white left half is shown above"


def test_planes_carry_the_colours_of_their_epochs_first_picture() -> None:
    camera = Written()
    decoded = picture(0, 0, (64, 48))
    decoded.frame.color_range = ColorRange.JPEG
    decoded.frame.colorspace = Colorspace.ITU709
    camera.writer.write(decoded)
    (meta,) = camera.metas()
    assert meta.format.colours == Colours("bt709", full_range=True)


class Blackening:
    """A mask that blackens everything, or fails."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def apply(self, picture: np.ndarray) -> None:
        if self.fails:
            raise ValueError("odd")
        picture[:] = 0

    def hidden(self, width: int, height: int) -> NDArray[np.bool_]:
        return np.ones((height, width), np.bool_)


def with_motion(source: tuple[int, int], detector: tuple[int, int] | None) -> SlotFormat:
    return SlotFormat("planes", source, source, motion=True)


def test_a_mask_is_applied_before_a_slot_becomes_ready() -> None:
    ring = FrameRing("cam", 4)
    writer = FrameWriter(
        "cam", ring, with_motion, CameraClock(live=True), mask_for=lambda format, enlarged: Blackening()
    )
    writer.write(picture(0, 0))
    lease = ring.lease()
    assert lease is not None and not lease.picture.any()


def test_what_happens_behind_a_mask_neither_moves_nor_begins_a_scene() -> None:
    ring = FrameRing("cam", 8)
    writer = FrameWriter(
        "cam", ring, with_motion, CameraClock(live=True), mask_for=lambda format, enlarged: Blackening()
    )
    for number in range(8):
        decoded = picture(number * 40_000, number * 40_000)
        decoded.frame.planes[0].update(bytes([250 * (number % 2)]) * decoded.frame.planes[0].buffer_size)
        writer.write(decoded)
    motions = []
    while lease := ring.lease():
        motions.append(lease.meta.motion)
        ring.release(lease)
    assert len(motions) == 8 and {motion.scene for motion in motions} == {1}
    assert not any(motion.moves for motion in motions[1:])


def test_the_mask_is_wider_where_a_smaller_picture_is_enlarged_within_an_epoch() -> None:
    made: list[int] = []

    def mask_for(format: SlotFormat, enlarged: int) -> Blackening:
        made.append(enlarged)
        return Blackening()

    writer = FrameWriter("cam", FrameRing("cam", 8), with_motion, CameraClock(live=True), mask_for=mask_for)
    for number, size in enumerate([(64, 48), (32, 24), (16, 12), (24, 18), (128, 96), (64, 48)]):
        writer.write(picture(number * 40_000, number * 40_000, size))
    assert made == [1, 2, 4]


def test_a_picture_whose_mask_fails_never_becomes_ready() -> None:
    ring = FrameRing("cam", 4)
    writer = FrameWriter(
        "cam", ring, with_motion, CameraClock(live=True), mask_for=lambda format, enlarged: Blackening(True)
    )
    for number in range(3):
        with pytest.raises(ValueError, match="odd"):
            writer.write(picture(number * 40_000, number * 40_000))
    assert ring.ready == 0 and ring.lease() is None


def test_without_the_mask_for_a_new_size_nothing_becomes_ready() -> None:
    ring = FrameRing("cam", 4)

    def mask_for(format: SlotFormat, enlarged: int) -> Blackening:
        if format.size != (64, 48):
            raise ValueError("no mask")
        return Blackening()

    writer = FrameWriter("cam", ring, with_motion, CameraClock(live=True), mask_for=mask_for)
    writer.write(picture(0, 0))
    for number in range(1, 4):
        with pytest.raises(ValueError, match="no mask"):
            writer.write(picture(number * 40_000, number * 40_000, (96, 96)))
    assert ring.ready == 1
