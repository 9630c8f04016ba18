"""The exit of a camera: what may be shown in each mode, and who gets packets."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stream.privacy.camera_exit import CameraExit
from stream.privacy.drawn_video import DrawnVideos
from stream.privacy.known_privacy import KnownPrivacy, stricter
from stream.recording.packets import PacketRing
from stream.settings.engine import CameraConfig
from support.engines.wire_messages import frame

FORMAT = SlotFormat("rgb24", (64, 48), (64, 48))
MASKS = {"left": {"points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}


def camera(**settings: Any) -> CameraConfig:
    return CameraConfig.model_validate({"id": "lobby", "source": "rtsp://10.0.0.7/a", **settings})


class Unreadable:
    """A lease whose pixels must not be touched."""

    meta = FrameMeta("lobby", 1, 0, 0, 0, "arrival", 0, 0, (1280, 720), FORMAT)


def lease() -> Lease:
    return Lease(Unreadable.meta, np.full(FORMAT.shape, 200, np.uint8), 0)


@pytest.mark.parametrize(
    ("settings", "mode"),
    [({}, "off"), ({"masks": MASKS}, "masked"), ({"privacy": "skeleton"}, "skeleton"), ({"privacy": False}, "off")],
)
def test_only_a_camera_that_hides_nothing_has_a_receiver_of_packets(settings: dict[str, Any], mode: str) -> None:
    leaving = CameraExit(camera(**settings))
    assert leaving.mode == mode and (leaving.stated or "off") == mode
    assert (leaving.packet_sink([PacketRing(1, 10, 1000)]) is None) == (mode != "off")
    assert (leaving.video_refusal is None) == (mode == "off")
    drawing = CameraExit(camera(**settings), DrawnVideos())
    assert (drawing.packet_sink([PacketRing(1, 10, 1000)]) is None) == (mode != "off")
    assert drawing.video_refusal is None
    refusing = CameraExit(camera(**settings), DrawnVideos("refuse"))
    assert (refusing.video_refusal or "").endswith("privacy.video is `refuse`") == (mode != "off")


def test_a_slot_is_copied_when_it_is_shown_and_never_touched_in_skeleton_mode() -> None:
    shown = CameraExit(camera()).show(lease(), frame()).copy()
    assert np.all(shown.frame.to_ndarray() == 200)
    drawn = CameraExit(camera(privacy="skeleton", masks=MASKS)).show(cast(Lease, Unreadable()), frame())
    assert drawn.copy().frame.to_ndarray().shape == (720, 1280, 3)


def test_skeleton_mode_is_never_left_over_http_and_older_pictures_are_not_shown() -> None:
    known = KnownPrivacy([camera(privacy="skeleton")])
    assert known.refusal(camera()) is not None and known.refusal(camera(masks=MASKS)) is not None
    assert known.refusal(camera(privacy="skeleton", masks=MASKS)) is None
    assert not known.permits_picture(frame()) and not known.permits_picture(None)
    assert known.mode_of("lobby") == "skeleton" and known.mode_of("other") == "off"
    assert stricter(camera(privacy="skeleton", masks=MASKS), camera(max_fps=3)).privacy_mode == "skeleton"
    everywhere = KnownPrivacy([], "skeleton")
    assert everywhere.mode_of("any") == "skeleton" and not everywhere.permits_picture(frame())
    assert KnownPrivacy([camera(masks=MASKS)]).mode_of("lobby") == "masked"
    assert KnownPrivacy().permits_picture(None) and KnownPrivacy().permits_picture(frame())
