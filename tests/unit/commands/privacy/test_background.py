"""`partstream privacy background`: a picture without what moves, and the lines that approve it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import av
import numpy as np
import yaml
from PIL import Image
from typer.testing import CliRunner

from run_stream import app
from stream.privacy.background import Background
from stream.settings.privacy import BackgroundConfig


def film(path: Path) -> Path:
    """A white block that walks through a grey room for 4 s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(40):
            picture = np.full((96, 160, 3), 90, np.uint8)
            picture[20:80, number * 4 : number * 4 + 16] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


def run(source: str | Path, out: Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["privacy", "background", str(source), "--out", str(out), "--seconds", "3"])
    return done.exit_code, done.stdout, done.stderr


def test_who_moves_is_missing_and_the_printed_lines_approve_the_picture(tmp_path: Path) -> None:
    out = tmp_path / "hall.jpg"
    code, printed, said = run(film(tmp_path / "film.mp4"), out)
    assert code == 0 and "Look at" in said
    assert out.stat().st_mode & 0o777 == 0o600
    picture = np.asarray(Image.open(out))
    assert picture.shape == (96, 160, 3) and np.all(np.abs(picture.astype(int) - 90) < 12)
    lines = yaml.safe_load(printed)["background"]
    assert lines["sha256"] == sha256(out.read_bytes()).hexdigest()
    assert Background(BackgroundConfig.model_validate(lines)).problem is None


def test_a_picture_that_may_have_been_approved_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "hall.jpg"
    out.write_bytes(b"approved")
    code, _, said = run(film(tmp_path / "film.mp4"), out)
    assert code == 1 and "exists" in said and out.read_bytes() == b"approved"


def test_a_camera_that_cannot_be_opened_is_an_error_with_the_reason(tmp_path: Path) -> None:
    for source, code, reason in ((tmp_path / "none.mp4", 1, "none.mp4"), ("whip:", 2, "publishes")):
        found, _, said = run(source, tmp_path / "hall.jpg")
        assert found == code and reason in said
    assert not (tmp_path / "hall.jpg").exists()
