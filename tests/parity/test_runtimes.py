"""Detection networks in each runtime, compared with torch in float32 on real pictures, and the settings that choose.

OpenVINO is that of the extra `openvino`. `tests/unit/stages/runtimes` tests the choice itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from torch import Tensor

from stages.detection.detections import Computation
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import MoveNet, Thunder
from stages.detection.nanodet.nanodet import NanoDet
from stages.export.onnx_file import onnx_model
from stages.profiles import load_checkpoint, load_detector, load_profile
from stages.runtimes import choosing
from stages.runtimes.agreement import BOUNDS, differences
from stages.runtimes.building import build
from stages.runtimes.network import CANDIDATES, TYPES, Candidate, Detected, RunnableNetwork, RuntimeUnavailableError
from stages.runtimes.onnx_runtime import onnxruntime_computation
from stages.runtimes.runnable_networks import RunnableMoveNet, RunnableNanoDet, RunnableThunder
from stages.settings import ModelSettings, PipelineSettings
from stream.config import Config
from stream.inference.model_loading import load_model
from stream.settings.config_error import ConfigError
from support.models.reference_frames import (
    BFLOAT16_CASES,
    CASES,
    EMULATES_BFLOAT16,
    NANODET_CASES,
    THUNDER_CASES,
    Case,
    picture,
)
from telemetry.observer import Observer

pytestmark = pytest.mark.usefixtures("all_runtimes")

NETWORKS = ("movenet-multipose", "movenet-thunder", "nanodet")
PICTURES = {"movenet-multipose": CASES, "movenet-thunder": THUNDER_CASES, "nanodet": NANODET_CASES}
SURE = {"movenet-multipose": 15, "movenet-thunder": 3, "nanodet": 10}
"""Detections in these pictures that torch is sure of, or a few less."""
EMULATED = {
    "movenet-multipose": (BFLOAT16_CASES, 5),
    "movenet-thunder": (THUNDER_CASES[:2], 1),
    "nanodet": (NANODET_CASES[:1], 3),
}
"""Pictures for torch in bfloat16 on processors that emulate it, and detections in them that it is sure of."""
OTHERS = CANDIDATES[1:]
ONNXRUNTIME, OPENVINO = Candidate("onnxruntime", "float32"), Candidate("openvino", "float32")
SMALLEST = (32, 64)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def made(name: str) -> RunnableNetwork:
    """Return a network that computes in torch."""
    if name == "nanodet":
        return RunnableNanoDet(NanoDet.load())
    return RunnableThunder(Thunder.load()) if name == "movenet-thunder" else RunnableMoveNet(MoveNet.load())


@cache
def pictures(name: str, cases: tuple[Case, ...] = ()) -> list[NDArray[np.uint8]]:
    return [picture(case) for case in cases or PICTURES[name]]


@cache
def reference(name: str, cases: tuple[Case, ...]) -> list[Detected]:
    network = made(name)
    return [network.detect(shown) for shown in pictures(name, cases)]


@cache
def computation(name: str, candidate: Candidate) -> Computation | None:
    """Return a candidate's computation. Skips the test for a precision that OpenVINO lacks on this processor."""
    try:
        return build(made(name), candidate, 1)
    except RuntimeUnavailableError as error:
        if "on this processor" not in str(error):
            raise
        pytest.skip(str(error))


def outputs(name: str, candidate: Candidate, shown: Tensor) -> tuple[Tensor, ...]:
    compute = computation(name, candidate)
    assert compute is not None
    (found,) = compute([shown])
    return found


@pytest.mark.parametrize("candidate", OTHERS, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_detections_in_real_pictures_agree_with_float32_torch(name: str, candidate: Candidate) -> None:
    network = made(name)
    network.use(TYPES[candidate.precision], computation(name, candidate))
    emulated = EMULATES_BFLOAT16 and candidate == Candidate("torch", "bfloat16")
    cases, sure = EMULATED[name] if emulated else (PICTURES[name], SURE[name])
    found = [network.detect(shown) for shown in pictures(name, cases)]
    different = differences(reference(name, cases), found, network.sure_score)
    assert different.sure >= sure
    assert different.reason_against(BOUNDS[candidate.precision]) is None, different
    assert different.score > 0, "the candidate really computed"


@pytest.mark.parametrize("candidate", [ONNXRUNTIME, OPENVINO], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_maps_in_float32_are_those_of_torch_in_any_batch_and_whatever_size_was_run_before(
    name: str, candidate: Candidate
) -> None:
    batch = torch.from_numpy(np.stack([shown[:256, :256] for shown in pictures(name)[:2]]))
    first = [value.clone() for value in outputs(name, candidate, batch)]
    with torch.no_grad():
        expected = made(name).graph().module(batch)
    for one, other in zip(first, expected, strict=True):
        assert one.dtype == torch.float32 and one.shape == other.shape
        assert (one - other).abs().max() <= 1e-5 * other.abs().max()
    small = outputs(name, candidate, torch.zeros(3, *SMALLEST, 3, dtype=torch.uint8))
    assert all(value.shape[0] == 3 and value.shape[-1] == 2 * value.shape[-2] for value in small)
    compute = computation(name, candidate)
    assert compute is not None
    for row, maps in enumerate(compute([batch[:1], batch[1:]])):
        assert all(torch.equal(one[0], other[row]) for one, other in zip(maps, first, strict=True))


def test_regions_computed_side_by_side_have_the_maps_that_each_has_alone_and_survive_one_that_fails() -> None:
    shown = torch.from_numpy(pictures("nanodet")[0])
    regions = [
        shown[None, :height, :width] for height, width in ((64, 96), (256, 256), (160, 128), (64, 96), (256, 96))
    ]
    batches = [*regions[:2], shown[None, :288, :320], *regions[2:]]
    compute = onnxruntime_computation(onnx_model(made("nanodet").graph()), 2)
    together = compute(batches)
    for batch, found in zip(batches, together, strict=True):
        (alone,) = compute([batch])
        assert all(torch.equal(one, other) for one, other in zip(found, alone, strict=True))
    small = torch.zeros(1, *SMALLEST, 3, dtype=torch.uint8)
    with pytest.raises(InvalidArgument):
        compute([small, torch.zeros(1, *SMALLEST, 4, dtype=torch.uint8), small])
    assert len(compute([small, small])) == 2


def test_the_configuration_sets_the_runtime_of_the_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "cache_dir", lambda: tmp_path)
    networks: list[MoveNet] = []
    for chosen in ("torch", "onnxruntime", "openvino"):
        model = ModelSettings.model_validate({"device": "cpu", "threads": 1, "runtime": chosen})
        pipeline = load_profile(PipelineSettings(model=model), detector_sizes=[(256, 256)])
        network = pipeline._detector.networks[0]
        assert isinstance(network, MoveNet)
        networks.append(network)
    assert [network.computation is not None for network in networks] == [False, True, True]
    assert not list(tmp_path.iterdir())


def test_auto_is_the_default_and_measures_the_sizes_of_regions_and_of_the_configured_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(choosing, "MEASURE_S", 0)
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it were not installed
    cameras = [
        {"id": "door", "source": "pattern:", "detector_size": [256, 256]},
        {"id": "hall", "source": "pattern:", "detector_size": [256, 256]},
        {"id": "yard", "source": "pattern:"},
    ]
    load_model(Config.model_validate({"model": {"device": "cpu", "threads": 1}, "cameras": cameras}), Observer())
    (path,) = (tmp_path / choosing.FOLDER).iterdir()
    stored = json.loads(path.read_bytes())
    assert stored["key"]["sizes"] == [[160, 256], [256, 256], [448, 768]]
    assert list(stored["milliseconds"]) == ["torch in float32", "ONNX Runtime in float32"] and not stored["rejected"]


def test_a_runtime_that_is_not_installed_is_an_error_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it were not installed
    config = Config.model_validate({"model": {"device": "cpu", "threads": 1, "runtime": "openvino"}})
    with pytest.raises(ConfigError, match="openvino"):
        load_model(config, Observer())


def test_other_runtimes_are_for_the_cpu() -> None:
    checkpoint = load_checkpoint("edge")
    with pytest.raises(ValueError, match=r"model\.runtime"):
        load_detector(checkpoint, "cuda", ModelSettings(runtime="openvino"))
    assert isinstance(detector := load_detector(checkpoint, "cpu"), KeypointDetector)
    assert isinstance(network := detector.networks[0], MoveNet) and network.computation is None
