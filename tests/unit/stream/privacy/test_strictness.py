"""Cameras become stricter over HTTP, never laxer, whatever is removed, renamed or added again."""

from __future__ import annotations

from typing import Any

import pytest

from stream.privacy import strictness
from stream.privacy.strictness import KnownPrivacy, stricter
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
        (camera("lobby"), False),
        (camera("lobby", masks={"all": ALL}), True),
        (camera("lobby", "rtsp://10.0.0.8/other"), True),
    ],
)
def test_masks_may_grow_and_never_shrink(now: CameraConfig, permitted: bool) -> None:
    known = KnownPrivacy([HIDDEN])
    refusal = known.refusal(now)
    assert (refusal is None) == permitted
    assert permitted or (refusal is not None and f"camera {now.id}" in refusal and "10.0.0" not in refusal)


def test_publishers_and_patterns_do_not_count_as_one_camera() -> None:
    for source in ("whip", "pattern:128x96@50"):
        known = KnownPrivacy([camera("a", source, masks={"left": LEFT})])
        assert known.refusal(camera("b", source)) is None


def test_nothing_is_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strictness, "MOST_KNOWN", 1)
    known = KnownPrivacy([HIDDEN])
    assert known.refusal(camera("b", "rtsp://10.0.0.8/b", masks={"left": LEFT})) is not None
    assert known.refusal(camera("b", "rtsp://10.0.0.8/b")) is None
    assert known.refusal(HIDDEN) is None


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
