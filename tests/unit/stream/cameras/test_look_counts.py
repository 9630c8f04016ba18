"""Frames are counted by what the detector looked at, since the start and over the last minute."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages.looks import NOTHING, SKIPPED, WHOLE, LookKind, Region, look_at
from stream.cameras.look_counts import KINDS, LookCounts, in_words

TWO_REGIONS = look_at([Region(0, 0, 160), Region(320, 64, 256)])


def of(**counts: int) -> dict[LookKind, int]:
    return {kind: counts.get(kind, 0) for kind in KINDS}


def test_frames_and_regions_are_counted_since_the_start() -> None:
    looks = LookCounts()
    for look in (WHOLE, TWO_REGIONS, SKIPPED, TWO_REGIONS, NOTHING):
        looks.add(look)
    assert looks.frames == of(whole=1, regions=2, nothing=1, skipped=1)
    assert looks.regions == 4 and looks.objects == looks.searched == 0
    assert looks.recent() == looks.frames
    looks.add(replace(WHOLE, objects=Region(0, 0, 256)))
    assert looks.objects == 1 and looks.searched == 0
    looks.add(WHOLE.with_search(Region(0, 0, 1280)))
    looks.add(NOTHING.with_search(Region(0, 0, 474)))
    assert looks.searched == 2 and looks.regions == 4, "searched views have a count of their own"


@pytest.mark.parametrize("every_s", [0.2, 1.0, 7.0, 30.0])
def test_recent_frames_are_those_of_up_to_a_minute_however_often_it_is_measured(every_s: float) -> None:
    looks = LookCounts()
    for _ in range(round(120 / every_s)):
        looks.add(WHOLE)
        looks.measure(every_s)
    for _ in range(round(120 / every_s)):
        looks.add(NOTHING)
        looks.measure(every_s)
        assert 30 - every_s <= sum(looks.recent().values()) * every_s <= 60 + 2 * every_s
    assert looks.recent()["whole"] == 0


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        (of(), ""),
        (of(whole=7), "100 % of frames looked at as a whole"),
        (
            of(nothing=930, regions=50, whole=20),
            "nothing moves: 93 % of frames not looked at, 5 % looked at in regions, 2 % looked at as a whole",
        ),
        (
            of(skipped=500, regions=498, whole=2),
            "50 % of frames skipped between detections, 50 % looked at in regions, under 1 % looked at as a whole",
        ),
        (of(regions=6, nothing=4), "60 % of frames looked at in regions, 40 % not looked at because nothing moves"),
    ],
)
def test_the_shares_are_told_in_words_the_largest_first(frames: dict[LookKind, int], text: str) -> None:
    assert in_words(frames) == text
