"""Tests of the benchmarks' command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import main

WITHOUT_EXTRAS = """
import sys
for name in ("numba", "mmdet", "mmengine", "mmcv", "cv2", "ray"):
    sys.modules[name] = None
from benchmarks.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_help_needs_no_extra_and_a_benchmark_names_the_one_that_it_needs() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS, *arguments], capture_output=True, text=True)

    shown = run("--help")
    assert shown.returncode == 0 and "end-to-end" in shown.stdout
    found = run("found", "--quick")
    assert found.returncode == 1
    assert "extra `train`" in found.stderr and len(found.stderr.splitlines()) == 1
    assert "partstream[fleet]" in run("fleet").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["engine", "--contender", "nobody"],
        ["engine", "--transport", "carrier pigeon"],
        ["ingest", "--against", "nowhere"],
        ["model", "--size", "large"],
        ["end-to-end", "--scene", "beach"],
        ["end-to-end", "--cores", "1", "4096"],
        ["found", "--variant", "full:detectoin=full"],
        ["found", "--picture", "1280x721"],
    ],
)
def test_a_wrong_option_is_a_usage_error(arguments: list[str]) -> None:
    assert main.main(arguments) == 2


def test_all_numbers_after_a_repeatable_option_belong_to_it() -> None:
    written = main.spread(["engine", "--cameras", "1", "4", "8", "--runs", "9", "--json", "f"])
    assert written == ["engine", "--cameras", "1", "--cameras", "4", "--cameras", "8", "--runs", "9", "--json", "f"]


def test_a_wrong_configuration_ends_the_benchmark_before_its_trials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "engine.yaml"
    config.write_text("model: {sweeps: 5}\n")
    assert main.main(["end-to-end", "--config", str(config)]) == 1
    assert "engine.yaml: model.sweeps" in capsys.readouterr().err


def test_the_model_is_measured_by_stage_into_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.models.drawn_people import write_film

    monkeypatch.chdir(tmp_path)
    film = write_film(tmp_path / "film.mp4", 40)
    arguments = ["--video", str(film), "--threads", "1", "--batch", "1", "--repeats", "2", "--size", "256x256"]
    assert main.main(["model", *arguments]) == 0
    (batch,) = json.loads((tmp_path / "build/benchmarks/model.json").read_text())["batches"]
    assert {"detection", "tracking"} <= {stage["stage"] for stage in batch["stages"]}
    assert batch["gemm_multiply_adds_per_s"] > 0
