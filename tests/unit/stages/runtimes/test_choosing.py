"""The choice between torch and ONNX Runtime for a small network, and what is kept of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from stages.runtimes import choosing
from stages.runtimes.choosing import choose_runtime, use_runtime
from stages.runtimes.network import REFERENCE, Candidate, RuntimeUnavailableError
from support.models.brightest_cell import BrightestCell

ONNXRUNTIME = Candidate("onnxruntime", "float32")
SIZES = [(64, 96)]
SLOW = 100


@pytest.fixture(autouse=True)
def _onnx_runtime_and_one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "onnxruntime", onnxruntime)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def stored(folder: Path) -> dict[str, Any]:
    (path,) = folder.iterdir()
    return json.loads(path.read_bytes())


def refuse(*arguments: object) -> None:
    raise AssertionError("not to be called")


def test_auto_without_another_runtime_is_torch_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    monkeypatch.setattr(choosing, "check_pictures", refuse)
    network = BrightestCell()
    assert choose_runtime(network, "auto", "auto", SIZES, 1, tmp_path) == REFERENCE
    assert network.computation is None and not list(tmp_path.iterdir())


def test_auto_measures_nothing_more_if_torch_is_clearly_slower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "measure", refuse)
    network = BrightestCell(torch_runs=SLOW)
    assert choose_runtime(network, "auto", "auto", SIZES, 1, tmp_path) == ONNXRUNTIME
    assert network.computation is not None
    milliseconds = stored(tmp_path)["milliseconds"]
    assert {name: list(times) for name, times in milliseconds.items()} == {
        "torch in float32": ["256x256"],
        "ONNX Runtime in float32": ["256x256"],
    }


def test_a_stored_choice_is_used_without_measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_runtime(BrightestCell(torch_runs=SLOW), "auto", "auto", SIZES, 1, tmp_path)
    monkeypatch.setattr(choosing._Auto, "_try", refuse)
    network = BrightestCell()
    assert choose_runtime(network, "auto", "auto", SIZES, 1, tmp_path) == ONNXRUNTIME
    assert network.computation is not None


def test_a_damaged_choice_is_made_again_and_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    choose_runtime(BrightestCell(torch_runs=SLOW), "auto", "auto", SIZES, 1, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    assert choose_runtime(BrightestCell(torch_runs=SLOW), "auto", "auto", SIZES, 1, tmp_path) == ONNXRUNTIME
    assert f"{path} is ignored" in caplog.text and stored(tmp_path)["runtime"] == "onnxruntime"


def test_auto_does_not_use_a_runtime_that_detects_something_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = BrightestCell(torch_runs=SLOW, error=1.01)
    assert choose_runtime(network, "auto", "auto", SIZES, 1, tmp_path) == REFERENCE
    assert network.computation is None
    reason = stored(tmp_path)["rejected"][str(ONNXRUNTIME)]
    assert "a score differs by" in reason and f"auto does not use {ONNXRUNTIME}: {reason}" in caplog.text


def test_another_network_uses_the_chosen_runtime_without_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = choose_runtime(BrightestCell(torch_runs=SLOW), "auto", "auto", SIZES, 1, tmp_path)
    monkeypatch.setattr(choosing, "_Auto", refuse)
    network = BrightestCell()
    use_runtime(network, chosen, 1)
    assert network.computation is not None
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[32:, 64:] = 200
    found = network.detect(picture)
    assert found.boxes.tolist() == [[64, 32, 96, 64]] and found.scores[0] == pytest.approx(200 / 255, rel=1e-4)


def test_a_configured_runtime_that_detects_something_else_is_an_error_and_torch_stays_in_use(tmp_path: Path) -> None:
    network = BrightestCell(error=1.01)
    with pytest.raises(RuntimeUnavailableError, match=r"model\.runtime: ONNX Runtime in float32 does not detect what"):
        choose_runtime(network, "onnxruntime", "auto", SIZES, 1, tmp_path)
    assert network.computation is None and network.precision == torch.float32
