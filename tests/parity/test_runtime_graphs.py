"""ONNX files of networks in the cache, with a small network that any runtime can compute."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.detection.computation import Computation
from stages.export.graph import Graph, Port
from stages.runtimes.building import build
from stages.runtimes.choosing import choose_runtime
from stages.runtimes.graph_files import UNUSED_S, _sha256, graph_file
from stages.runtimes.network import Candidate, Detected, RuntimeUnavailableError


class Brightness(nn.Module):
    """uint8 [B, H, W, 3] → the brightness of cells of 32 pixels [B, 1, h, w]."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(3, 1, 32, 32)
        nn.init.constant_(self.weigh.weight, 1 / (3 * 32 * 32 * 255))
        nn.init.zeros_(self.weigh.bias or torch.zeros(1))

    def forward(self, pictures: Tensor) -> tuple[Tensor]:
        return (self.weigh(pictures.permute(0, 3, 1, 2).float()),)


class BrightestCell:
    """Implements `RunnableNetwork`: detects the brightest cell of a picture, an object without keypoints."""

    name = "brightest-cell"
    sure_score = 0.1
    sources: Sequence[Path] = (Path(__file__),)

    def __init__(self) -> None:
        self.module = Brightness().eval().requires_grad_(False)
        self.computation: Computation | None = None

    def graph(self) -> Graph:
        return Graph(
            self.name,
            self.module,
            (Port("pictures", ("pictures", "height", "width", 3), "RGB pictures", "bytes", "uint8"),),
            (Port("brightness", ("pictures", 1, "height/32", "width/32"), "brightness", "none"),),
            [(torch.zeros(2, 96, 160, 3, dtype=torch.uint8),)],
            multiples={"height": 32, "width": 32},
        )

    def use(self, precision: torch.dtype, computation: Computation | None) -> None:
        self.computation = computation

    def detect(self, picture: NDArray[np.uint8]) -> Detected:
        (brightness,) = (self.computation or self.module)(torch.from_numpy(picture)[None])
        best = int(brightness.argmax())
        y, x = 32 * (best // brightness.shape[-1]), 32 * (best % brightness.shape[-1])
        return Detected(
            np.array([[x, y, x + 32, y + 32]], np.float32),
            np.array([float(brightness.max())], np.float32),
            np.zeros(1, np.int64),
            np.zeros((1, 0, 3), np.float32),
        )


@pytest.fixture
def network() -> BrightestCell:
    return BrightestCell()


def test_another_network_runs_in_every_runtime(network: BrightestCell, tmp_path: Path) -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[32:, 64:] = 200
    for runtime in ("onnxruntime", "openvino"):
        chosen = choose_runtime(network, runtime, "auto", [(64, 96)], tmp_path)
        assert chosen == Candidate(runtime, "float32") and network.computation is not None
        found = network.detect(picture)
        assert found.boxes.tolist() == [[64, 32, 96, 64]] and found.scores[0] == pytest.approx(200 / 255, rel=1e-4)


def test_a_file_is_written_once_and_then_read(network: BrightestCell, tmp_path: Path) -> None:
    with graph_file(network, tmp_path) as first:
        written = first.read_bytes()
    first.touch()
    with graph_file(network, tmp_path) as second:
        assert second == first and second.read_bytes() == written
    assert list(tmp_path.iterdir()) == [first]


def test_a_network_with_other_weights_has_a_file_of_its_own(network: BrightestCell, tmp_path: Path) -> None:
    with graph_file(network, tmp_path) as first:
        pass
    network.module.weigh.weight[0] += 1
    with graph_file(network, tmp_path) as second:
        assert second != first
    assert sorted(tmp_path.iterdir()) == sorted([first, second])


def test_a_damaged_file_is_made_again(network: BrightestCell, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with graph_file(network, tmp_path) as path:
        whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:1000])
    with graph_file(network, tmp_path) as made:
        assert made.stat().st_size == whole
        assert f"{path} is damaged and is made again" in caplog.text
    assert list(tmp_path.iterdir()) == [made]


def test_without_a_writable_cache_the_file_is_temporary(
    network: BrightestCell, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert build(network, Candidate("onnxruntime", "float32"), blocked) is not None
    assert f"{blocked} can't be written" in caplog.text and "it is made at each start" in caplog.text
    assert list(tmp_path.iterdir()) == [blocked]


def test_files_that_were_not_used_for_a_month_are_removed(network: BrightestCell, tmp_path: Path) -> None:
    old, recent, foreign = (
        tmp_path / name for name in ("brightest-cell-1.2.onnx", "brightest-cell-3.4.onnx", "x.onnx")
    )
    for path in (old, recent, foreign):
        path.write_text("")
    before = time.time() - UNUSED_S - 60
    for path in (old, foreign):
        os.utime(path, (before, before))
    with graph_file(network, tmp_path) as made:
        assert sorted(tmp_path.iterdir()) == sorted([recent, foreign, made])


def test_a_network_that_a_runtime_cannot_load_is_an_error(network: BrightestCell, tmp_path: Path) -> None:
    with graph_file(network, tmp_path) as path:
        pass
    path.write_bytes(b"not a network")
    path.rename(tmp_path / f"{path.name.split('.')[0]}.{_sha256(path)}.onnx")
    for runtime, title in (("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO")):
        with pytest.raises(
            RuntimeUnavailableError, match=rf"model\.runtime: {title} can't load brightest-cell: .*use torch"
        ):
            build(network, Candidate(runtime, "float32"), tmp_path)
