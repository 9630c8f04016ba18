"""`partstream rules try` on a video runs the engine, and answers as on the results that the engine writes."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream
from typer.testing import CliRunner

from run_stream import app

RULES = "rules: {empty: {people: {at_most: 0}, for: 1s}, later: {people: {at_most: 0}, for: 1h}}"


def film(path: Path, seconds: int) -> Path:
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(10 * seconds):
            picture = av.VideoFrame.from_ndarray(np.full((96, 128, 3), number % 256, np.uint8), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 10)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return path


def partstream(*words: object) -> None:
    done = CliRunner().invoke(app, list(map(str, words)), prog_name="partstream")
    assert done.exit_code == 0, done.output


def tried(folder: Path, *words: object) -> dict[str, Any]:
    partstream("rules", "try", folder / "rules.yaml", *words, "--profile", "free", "--json", folder / "out.json")
    return json.loads((folder / "out.json").read_text(encoding="utf-8"))


def test_a_video_is_analysed_and_answers_as_its_results_do(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    video = film(tmp_path / "clip.mp4", 4)
    found = tried(tmp_path, f"hall={video}")
    assert {name: rule["alerts"] for name, rule in found["rules"].items()} == {"empty": 1, "later": 0}
    assert found["results"]["cameras"][0]["results"] == 40
    results = tmp_path / "results.jsonl"
    engine = ("--profile", "free", "--pace", "fast", "--once", "--http", "off", "--results", results)
    partstream("run", f"hall={video}", *engine, "--pub", "tcp://127.0.0.1:0", "--replay", "tcp://127.0.0.1:0")
    again = tried(tmp_path, results)
    assert [one["frame"] for one in again["alerts"]] == [one["frame"] for one in found["alerts"]]
    assert again["rules"]["empty"]["alerts"] == 1
