"""`partstream annotate` draws what its options ask for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from run_stream import app
from support.engines.drawn_results import a_frame

GREY = 90
SIZE = (320, 240)


def recorded(tmp_path: Path) -> tuple[Path, Path]:
    """Return a video of a grey picture, and the file of its result."""
    video, results = tmp_path / "in.mp4", tmp_path / "results.jsonl"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.full((SIZE[1], SIZE[0], 3), GREY, np.uint8), format="rgb24")
        picture.pts, picture.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    frame = msgspec.structs.replace(a_frame(0, []), look="regions", regions=[(40.0, 60.0, 200.0, 220.0)])
    results.write_bytes(msgspec.json.encode(frame) + b"\n")
    return video, results


def drawn(tmp_path: Path, *options: str) -> np.ndarray:
    """Annotate a grey picture, and return the annotated one, twice as large: uint8 [H, W, 3]."""
    (video, results), out = recorded(tmp_path), tmp_path / "out.mp4"
    done = CliRunner().invoke(app, ["annotate", *options, str(video), str(results), str(out)])
    assert done.exit_code == 0, done.output
    with av.open(str(out)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def test_what_the_detector_looked_at_is_drawn_with_the_option_only(tmp_path: Path) -> None:
    edge = (slice(2 * 100, 2 * 180), 2 * 40)
    assert drawn(tmp_path)[edge].mean() == pytest.approx(GREY, abs=6)
    assert drawn(tmp_path, "--detector")[edge].mean() > GREY + 40


def test_neither_the_video_nor_the_results_are_replaced_by_the_drawing(tmp_path: Path) -> None:
    video, results = recorded(tmp_path)
    before = video.read_bytes(), results.read_bytes()
    (tmp_path / "link.mp4").symlink_to(video)
    for out in (video, tmp_path / "link.mp4", results):
        done = CliRunner().invoke(app, ["annotate", str(video), str(results), str(out)])
        assert done.exit_code == 2
        assert "choose another file" in done.output
    assert (video.read_bytes(), results.read_bytes()) == before
    assert len(list(tmp_path.iterdir())) == 3
