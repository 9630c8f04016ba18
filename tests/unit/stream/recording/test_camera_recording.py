"""What the log says about the end of a clip."""

from __future__ import annotations

from typing import get_args

from stream.recording.camera_recording import ENDINGS
from stream.recording.clips import EndReason


def test_every_reason_for_the_end_of_a_clip_is_explained() -> None:
    assert set(ENDINGS) == set(get_args(EndReason))
    assert ENDINGS["longest"].format(longest_s=60.0) == "cut at 60 s"
