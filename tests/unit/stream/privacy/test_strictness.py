"""Cameras become stricter over HTTP, never laxer, whatever is removed, renamed or added again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream.privacy import known_privacy
from stream.privacy.hidden_camera import HiddenCamera, place_of
from stream.privacy.known_privacy import KnownPrivacy
from stream.privacy.strictness import stricter
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


def test_a_camera_that_moves_to_another_address_leaves_its_former_one_hidden() -> None:
    known = KnownPrivacy([HIDDEN])
    known.add(camera(source="rtsp://10.0.0.8/other", masks={"left": LEFT}))
    assert known.refusal(camera("lobby")) is not None
    assert known.refusal(camera("lobby", "rtsp://10.0.0.8/other")) is not None


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://10.0.0.7/a",
        "rtsp://user:word@10.0.0.7/a",
        "RTSP://10.0.0.7:554/a/",
        "rtsp://10.0.0.7/a?",
        "rtsp://10.0.0.7/a#x",
        "rtsp://10.0.0.7.:554//a",
        "rtsp://10.0.0.7/b/../%61;",
        "rtsps://10.0.0.7:322/a",
    ],
)
def test_an_address_is_the_same_however_it_is_written(source: str) -> None:
    refusal = KnownPrivacy([HIDDEN]).refusal(camera("lobby", source))
    assert refusal is not None and "word" not in refusal


def test_other_ports_paths_queries_and_schemes_are_other_addresses(tmp_path: Path) -> None:
    others = [
        "rtsp://h/a",
        "rtsp://h:555/a",
        "rtsp://h/b",
        "rtsp://h/a?channel=2",
        "rtsps://h:554/a",
        "whep+https://h/a",
    ]
    assert len({place_of(camera(source=other).source) for other in others}) == len(others)
    (tmp_path / "link").symlink_to(tmp_path / "film.mp4")
    assert place_of(camera(source=f"{tmp_path}/link").source) == str(tmp_path / "film.mp4")


def test_what_shows_no_more_than_now_is_never_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_privacy, "MOST_KNOWN", 1)
    known = KnownPrivacy([HIDDEN])
    other, shown = camera("b", "rtsp://10.0.0.8/b"), camera("c")
    assert known.refusal(other.model_copy(update={"privacy": "skeleton"}), other) is None
    assert known.refusal(shown.model_copy(update={"max_fps": 5}), shown) is None
    assert known.refusal(camera("c", masks={"left": LEFT}), camera("c", masks={"all": ALL})) is not None


def test_nothing_is_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_privacy, "MOST_KNOWN", 1)
    known = KnownPrivacy([HIDDEN])
    added = known.refusal(camera("b", "rtsp://10.0.0.8/b"))
    assert added is not None and "the limit" in added
    assert known.refusal(HIDDEN) is None
    assert KnownPrivacy([HIDDEN], most=2).refusal(camera("b", "rtsp://10.0.0.8/b")) is None


def test_a_removed_camera_hides_as_much_as_it_ever_did() -> None:
    known = KnownPrivacy()
    known.add(HIDDEN)
    known.add(camera(source="rtsp://10.0.0.8/b", privacy="skeleton"))
    known.remember([HiddenCamera.of(camera())])
    assert (known.mode_of("hall"), known.mode_of("other")) == ("skeleton", "off")
    assert len(known.hidden) == 2


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
