"""Backgrounds: shown only if the file is the one that was approved, and never where a mask is."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from stream.privacy.background import Background
from stream.privacy.drawn_pictures import GREY, DrawnPicture
from stream.privacy.known_privacy import KnownPrivacy
from stream.settings.engine import CameraConfig
from stream.settings.privacy import BackgroundConfig
from support.engines.wire_messages import frame

RED = (200, 30, 30)


def approved(file: Path, content: bytes | None = None) -> BackgroundConfig:
    digest = sha256(file.read_bytes() if content is None else content).hexdigest()
    return BackgroundConfig(file=file, sha256=digest, approved_by="Ann")


def red(folder: Path) -> Path:
    Image.new("RGB", (320, 180), RED).save(folder / "hall.png")
    return folder / "hall.png"


def test_people_are_drawn_over_the_approved_picture_at_the_drawings_size(tmp_path: Path) -> None:
    background = Background(approved(red(tmp_path)))
    assert background.problem is None
    shown = DrawnPicture(frame(), background.at).frame.to_ndarray()
    assert shown.shape == (720, 1280, 3) and tuple(shown[0, 0]) == RED
    assert np.any(shown != RED), "the person"
    clean = background.at((1280, 720))
    assert clean is not None and np.all(np.asarray(clean) == RED), "drawings do not change it"
    for side in range(20, 60):
        background.at((side, side))
    assert len(background._scaled) <= 4


def test_a_mask_is_black_in_the_background_too(tmp_path: Path) -> None:
    outline = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
    picture = Background(approved(red(tmp_path)), [outline]).at((320, 180))
    assert picture is not None
    assert not np.asarray(picture)[:, :160].any() and np.all(np.asarray(picture)[:, 168:] == RED)


def test_grey_is_shown_instead_of_any_other_file_and_the_reason_is_given(tmp_path: Path) -> None:
    file = red(tmp_path)
    text = tmp_path / "text.png"
    text.write_bytes(b"no picture")
    changed = approved(file)
    Image.new("RGB", (320, 180), (0, 0, 0)).save(file)
    reasons = {
        "SHA-256 differs": changed,
        "not a picture": approved(text),
        "No such file": approved(tmp_path / "missing.png", b""),
        "Is a directory": approved(tmp_path, b""),
    }
    for reason, config in reasons.items():
        background = Background(config)
        assert reason in (background.problem or ""), background.problem
        assert background.at((64, 48)) is None
    assert tuple(DrawnPicture(frame(people=0), Background(changed).at).frame.to_ndarray()[0, 0]) == GREY
    assert Background(None).problem is None


def test_only_the_configuration_approves_a_background(tmp_path: Path) -> None:
    one = approved(red(tmp_path))
    other = BackgroundConfig(file=one.file, sha256="0" * 64, approved_by="Bob")

    def camera(background: BackgroundConfig | None) -> CameraConfig:
        return CameraConfig.model_validate({"id": "hall", "source": "rtsp://10.0.0.7/a", "background": background})

    known = KnownPrivacy([camera(one)], "skeleton")
    assert known.refusal(camera(one)) is None and known.refusal(camera(None)) is None
    assert "configuration file" in (known.refusal(camera(other)) or "")
    assert known.applied(camera(other)).background is None, "kept from an earlier configuration"
    assert known.applied(camera(one)).background == one
