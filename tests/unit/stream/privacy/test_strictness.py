"""Cameras become stricter over HTTP, never laxer, whatever is removed, renamed or added again."""

from __future__ import annotations

import time
from typing import Any

import pytest

from stream.privacy import known_privacy
from stream.privacy.known_privacy import HiddenCamera, KnownPrivacy, stricter
from stream.settings.engine import CameraConfig

LEFT = {"points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
RIGHT = {"points": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}
ALL = {"points": [[0, 0], [1, 0], [1, 1], [0, 1]]}


def camera(name: str = "hall", source: str = "rtsp://10.0.0.7/a", **settings: Any) -> CameraConfig:
    return CameraConfig.model_validate({"id": name, "source": source, **settings})


HIDDEN = camera(masks={"left": LEFT})


@pytest.mark.parametrize(
    ("now", "permitted"),
    [
        (camera(masks={"left": LEFT}), True),
        (camera(masks={"other-name": LEFT}), True),
        (camera(masks={"left": LEFT, "right": RIGHT}), True),
        (camera(masks={"all": ALL}), True),
        (camera(masks={"right": RIGHT}), False),
        (camera(), False),
        (camera(source="rtsp://10.0.0.8/other"), False),
        (camera("lobby"), True),
    ],
)
def test_masks_may_grow_and_never_shrink(now: CameraConfig, permitted: bool) -> None:
    known = KnownPrivacy([HIDDEN])
    refusal = known.refusal(now)
    assert (refusal is None) == permitted
    assert permitted or (refusal is not None and f"camera {now.id}" in refusal and "10.0.0" not in refusal)


def test_a_mask_that_one_camera_got_hides_nothing_of_another_with_its_address() -> None:
    known = KnownPrivacy()
    known.add(camera("of-the-token", masks={"all": ALL}))
    assert known.refusal(camera("hall")) is None
    assert known.refusal(camera("of-the-token")) is not None


def test_what_shows_no_more_than_now_is_never_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_privacy, "MOST_KNOWN", 1)
    known = KnownPrivacy([HIDDEN])
    other, shown = camera("b", "rtsp://10.0.0.8/b"), camera("c")
    assert known.refusal(other.model_copy(update={"privacy": "skeleton"}), other) is None
    assert known.refusal(shown.model_copy(update={"max_fps": 5}), shown) is None
    assert known.refusal(camera("c", masks={"left": LEFT}), camera("c", masks={"all": ALL})) is not None


def test_pictures_and_clips_from_before_one_more_mask_are_no_longer_permitted() -> None:
    known, before_us = KnownPrivacy([HIDDEN]), time.time_ns() // 1000
    known.add(HIDDEN)
    assert known.permits("hall", "masked", before_us) and not known.permits("hall", None, before_us)
    known.add(camera(masks={"left": LEFT, "right": RIGHT}))
    again, configured = KnownPrivacy([HIDDEN]), KnownPrivacy([camera(masks={"left": LEFT, "right": RIGHT, "all": ALL})])
    for one in (again, configured):  # also if the configuration has the mask by now
        one.remember(known.hidden)
    for one in (known, again, configured):
        assert not one.permits("hall", "masked", before_us)
        assert one.permits("hall", "masked", before_us + 60_000_000) and one.permits("yard", None, before_us)


def test_nothing_is_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_privacy, "MOST_KNOWN", 1)
    known = KnownPrivacy([HIDDEN])
    added = known.refusal(camera("b", masks={"left": LEFT}))
    assert added is not None and "the limit" in added
    assert known.refusal(HIDDEN) is None and known.refusal(camera("b")) is None
    assert KnownPrivacy([HIDDEN], most=2).refusal(camera("b", masks={"left": LEFT})) is None


def test_a_removed_camera_hides_as_much_as_it_ever_did() -> None:
    known = KnownPrivacy()
    known.add(HIDDEN)
    known.add(camera(source="rtsp://10.0.0.8/b", privacy="skeleton"))
    known.remember([HiddenCamera.of(camera())])
    assert (known.mode_of("hall"), known.mode_of("other")) == ("skeleton", "off")
    assert len(known.hidden) == 2, "neither covers what the other hides"
    known.add(camera(privacy="skeleton", masks={"all": ALL}))
    assert len(known.hidden) == 1


def test_what_was_kept_gets_the_masks_of_the_configuration_beside_its_own() -> None:
    kept = camera(masks={"left": RIGHT}, max_fps=5)
    both = stricter(HIDDEN, kept)
    assert both.max_fps == 5
    assert {name: mask.points for name, mask in both.masks.items()} == {
        "left": kept.masks["left"].points,
        "left-2": HIDDEN.masks["left"].points,
    }
    assert stricter(HIDDEN, both) is both


def test_too_many_masks_together_are_an_error() -> None:
    many = {f"m{number}": RIGHT for number in range(32)}
    with pytest.raises(ValueError, match="more than 32 masks"):
        stricter(HIDDEN, camera(masks=many))
