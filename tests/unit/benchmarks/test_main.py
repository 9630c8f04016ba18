"""Tests of the benchmarks' command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import main
from benchmarks.model import model_bench


def test_figures_are_written_outside_the_published_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Measured:
        def as_json(self) -> dict[str, Any]:
            return {"batches": []}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model_bench, "measure", lambda *_: Measured())
    monkeypatch.setattr(model_bench, "print_model", lambda *_: None)
    assert main.main(["model", "--quick"]) == 0
    assert (tmp_path / "build/benchmarks/model-quick.json").is_file()
    assert "written to build/benchmarks/model-quick.json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scene", "beach"], "unknown scene ['beach']; available: still, street, room"),
        (["--cores", "1", "4096"], "--cores 4096: this process may use"),
        (["--resolution", "720p"], "'720p' is not WxH"),
    ],
)
def test_a_wrong_option_of_end_to_end_is_an_error_that_names_it(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["end-to-end", *arguments]) == 2
    assert says in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_wrong_configuration_or_video_ends_the_benchmark_before_its_trials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "engine.yaml"
    config.write_text("model: {sweeps: 5}\n")
    assert main.main(["end-to-end", "--config", str(config)]) == 1
    assert "engine.yaml: model.sweeps" in capsys.readouterr().err
    video = tmp_path / "room.mp4"
    video.write_text("no video")
    json = str(tmp_path / "figures.json")
    assert main.main(["end-to-end", "--scene", "room", "--room", str(video), "--json", json]) == 1
    assert "room.mp4: not a video that can be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--variant", "full:detectoin=full"], "detectoin: unknown; did you mean `detection`?"),
        (["--picture", "1280x721"], "--picture 1280x721: both sides must be even"),
        (["--people", "0", "--scenes", "0"], "leaves nothing to measure"),
    ],
)
def test_a_wrong_option_of_found_is_an_error_that_names_it(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["found", *arguments]) == 2
    assert says in " ".join(capsys.readouterr().err.replace("│", " ").split())
