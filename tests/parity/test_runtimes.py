"""MoveNet in each runtime, compared with torch in float32 on real pictures; choice and cache with the real runtimes.

The runtimes are those of the extras `onnx` and `openvino`.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Generator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor

from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import FEATURE_CHANNELS, MoveNet
from stages.profiles import load_checkpoint, load_detector, load_profile
from stages.runtimes import choosing
from stages.runtimes.agreement import BOUNDS, differences
from stages.runtimes.building import build
from stages.runtimes.choosing import choose_runtime
from stages.runtimes.graph_files import _sha256, graph_file, network_sha256
from stages.runtimes.network import CANDIDATES, REFERENCE, TYPES, Candidate, PrecisionName, RuntimeUnavailableError
from stages.runtimes.onnx_runtime import load_session
from stages.runtimes.openvino_runtime import compiled_model
from stages.runtimes.runnable_movenet import RunnableMoveNet
from stages.settings import ModelSettings, PipelineSettings
from stream.config import Config
from stream.inference.model_loading import load_model
from stream.settings.config_error import ConfigError
from support.models.reference_frames import CASES, picture
from telemetry.observer import Observer

pytestmark = pytest.mark.timeout(900)  # exporting takes 20 seconds, and minutes on a machine that is busy

OTHERS = CANDIDATES[1:]
OPENVINO, ONNXRUNTIME = Candidate("openvino", "float32"), Candidate("onnxruntime", "float32")
SMALLEST = (32, 64)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Generator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the network's ONNX file."""
    made = tmp_path_factory.mktemp("runtimes")
    with graph_file(RunnableMoveNet(MoveNet.load()), made) as path:
        assert path.parent == made
    return made


@pytest.fixture
def cache(folder: Path, tmp_path: Path) -> Path:
    """A cache of the test's own, with the same file."""
    return shutil.copytree(folder, tmp_path / "runtimes")


@pytest.fixture
def net() -> MoveNet:
    return MoveNet.load()


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [picture(case) for case in CASES]


def using(net: MoveNet, candidate: Candidate, folder: Path) -> MoveNet:
    """Set the network's runtime. Skips the test for a precision that OpenVINO lacks on this processor."""
    network = RunnableMoveNet(net)
    try:
        network.use(TYPES[candidate.precision], build(network, candidate, folder))
    except RuntimeUnavailableError as error:
        if "on this processor" not in str(error):
            raise
        pytest.skip(str(error))
    return net


def outputs(net: MoveNet, shown: Tensor) -> list[Tensor]:
    maps, heads = net(shown)
    return [heads.centre, heads.keypoint_heatmap, *(maps[stride] for stride in FEATURE_CHANNELS)]


def computes(net: MoveNet) -> bool:
    return net.computation is not None


@pytest.mark.parametrize("candidate", OTHERS, ids=str)
def test_people_in_real_pictures_agree_with_float32_torch(
    candidate: Candidate, net: MoveNet, pictures: list[np.ndarray], folder: Path
) -> None:
    network = RunnableMoveNet(net)
    reference = [network.detect(shown) for shown in pictures]
    using(net, candidate, folder)
    assert computes(net) == (candidate.runtime != "torch")
    found = [network.detect(shown) for shown in pictures]
    different = differences(reference, found, network.sure_score)
    assert different.sure >= 15
    assert different.reason_against(BOUNDS[candidate.precision]) is None, different
    assert different.mean_oks < 1 and different.score > 0, "the candidate really computed"


@pytest.mark.parametrize("candidate", [ONNXRUNTIME, OPENVINO], ids=str)
def test_maps_in_float32_are_those_of_torch(candidate: Candidate, net: MoveNet, folder: Path) -> None:
    shown = torch.from_numpy(picture(CASES[0]))[None]
    expected = outputs(net, shown)
    for one, other in zip(outputs(using(net, candidate, folder), shown), expected, strict=True):
        assert one.dtype == torch.float32 and one.shape == other.shape
        assert (one - other).abs().max() <= 1e-5 * other.abs().max()


@pytest.mark.parametrize("candidate", [one for one in OTHERS if one.runtime != "torch"], ids=str)
def test_a_batch_gives_the_same_as_single_pictures_whatever_size_was_run_before(
    candidate: Candidate, net: MoveNet, pictures: list[np.ndarray], folder: Path
) -> None:
    using(net, candidate, folder)
    batch = torch.from_numpy(np.stack([pictures[3], pictures[4]]))
    first = [value.clone() for value in outputs(net, batch)]
    small = outputs(net, torch.zeros(3, *SMALLEST, 3, dtype=torch.uint8))
    assert [tuple(value.shape[-2:]) for value in small] == [(8, 16)] * 3 + [(4, 8), (2, 4), (1, 2)]
    for row in range(2):
        for one, other in zip(outputs(net, batch[row : row + 1]), first, strict=True):
            assert torch.equal(one[0], other[row])


def test_results_stay_valid_while_the_next_picture_is_computed(net: MoveNet, folder: Path) -> None:
    for candidate in (ONNXRUNTIME, OPENVINO):
        using(net, candidate, folder)
        first = outputs(net, torch.zeros(1, *SMALLEST, 3, dtype=torch.uint8))
        kept = [value.clone() for value in first]
        outputs(net, torch.full((1, *SMALLEST, 3), 255, dtype=torch.uint8))
        assert all(torch.equal(one, other) for one, other in zip(first, kept, strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_onnx_runtime_uses_as_many_threads_as_torch(threads: int, net: MoveNet, folder: Path) -> None:
    with graph_file(RunnableMoveNet(net), folder) as path:
        options = load_session(path, threads).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (threads, 1)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_openvino_uses_as_many_threads_as_torch_and_the_stated_precision(
    precision: PrecisionName, threads: int, net: MoveNet, folder: Path
) -> None:
    using(net, Candidate("openvino", precision), folder)  # skips
    with graph_file(RunnableMoveNet(net), folder) as path:
        model = compiled_model(path, precision, threads)
    names = ("INFERENCE_NUM_THREADS", "NUM_STREAMS", "ENABLE_CPU_PINNING")
    assert [model.get_property(name) for name in names] == [threads, 1, False]
    assert (
        model.get_property("INFERENCE_PRECISION_HINT").to_string() == {"float32": "f32", "bfloat16": "bf16"}[precision]
    )
    assert torch.get_num_threads() == 1


def test_auto_measures_once_and_then_uses_the_stored_choice(
    net: MoveNet, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sizes = [(64, 96), (256, 256)]
    chosen = choose_runtime(RunnableMoveNet(net), "auto", "float32", sizes, cache)
    assert chosen.precision == "float32" and computes(net) == (chosen.runtime != "torch")
    assert f"computes in {chosen}, the fastest" in caplog.text and "64x96" in caplog.text
    assert "does not use" not in caplog.text, "all float32 runtimes agree"
    caplog.clear()
    other = MoveNet.load()
    assert choose_runtime(RunnableMoveNet(other), "auto", "float32", sizes[::-1], cache) == chosen
    assert f"computes in {chosen}, as measured earlier" in caplog.text
    assert computes(other) == computes(net)


def test_a_damaged_choice_is_measured_again_and_replaced(
    net: MoveNet, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = choose_runtime(RunnableMoveNet(net), "auto", "float32", [SMALLEST], cache)
    (path,) = cache.glob("*.json")
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    caplog.set_level(logging.INFO)
    choose_runtime(RunnableMoveNet(net), "auto", "float32", [SMALLEST], cache)
    assert f"{path} is ignored" in caplog.text and "the fastest" in caplog.text
    assert len(path.read_bytes()) > len(whole) / 2 and list(cache.glob("*.json")) == [path]
    assert chosen in CANDIDATES


def test_auto_in_bfloat16_computes_in_bfloat16(net: MoveNet, cache: Path) -> None:
    chosen = choose_runtime(RunnableMoveNet(net), "auto", "bfloat16", [SMALLEST], cache)
    assert chosen.precision == "bfloat16" and net.precision == torch.bfloat16


def wrong_file(net: MoveNet, cache: Path) -> None:
    """Replace the network's ONNX file by one with a changed weight, under a name that its content justifies."""
    (path,) = cache.glob("*.onnx")
    model = onnx.load(path)
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    largest.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(largest) * np.float32(1.3), largest.name))
    onnx.save(model, path)
    path.rename(cache / f"{path.name.split('.')[0]}.{_sha256(path)}.onnx")


def test_auto_does_not_use_a_runtime_that_detects_other_people(
    net: MoveNet, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong_file(net, cache)
    assert choose_runtime(RunnableMoveNet(net), "auto", "float32", [SMALLEST], cache) == REFERENCE
    assert not computes(net)
    for candidate in (ONNXRUNTIME, OPENVINO):
        assert f"auto does not use {candidate}: " in caplog.text


def test_a_stored_choice_that_no_longer_agrees_is_measured_again(
    net: MoveNet, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    choose_runtime(RunnableMoveNet(net), "auto", "float32", [SMALLEST], cache)
    (path,) = cache.glob("*.json")
    for name in ("torch", "onnxruntime"):
        path.write_bytes(path.read_bytes().replace(f'"runtime": "{name}"'.encode(), b'"runtime": "openvino"'))
    wrong_file(net, cache)
    assert choose_runtime(RunnableMoveNet(net), "auto", "float32", [SMALLEST], cache) == REFERENCE
    assert f"{OPENVINO} was chosen earlier and is not used now: " in caplog.text


def test_a_configured_runtime_that_detects_other_people_is_an_error(net: MoveNet, cache: Path) -> None:
    wrong_file(net, cache)
    with pytest.raises(
        RuntimeUnavailableError, match=r"model\.runtime: OpenVINO in float32 does not detect what torch"
    ):
        choose_runtime(RunnableMoveNet(net), "openvino", "auto", [SMALLEST], cache)


def test_no_more_candidates_are_tried_after_the_limit_and_the_choice_is_not_stored(
    net: MoveNet, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += choosing.LIMIT_S
        return now

    chosen = choose_runtime(RunnableMoveNet(net), "auto", "float32", [SMALLEST], cache, clock)
    assert chosen.runtime in ("torch", "onnxruntime")
    assert f"auto does not use {OPENVINO}: there was no time for it" in caplog.text
    assert not list(cache.glob("*.json"))


def test_the_hash_of_a_network_depends_on_its_weights(net: MoveNet) -> None:
    before = network_sha256(RunnableMoveNet(net))
    assert before == network_sha256(RunnableMoveNet(MoveNet.load()))
    with torch.no_grad():
        net.network.last.weight[0, 0, 0, 0] += 1
    assert network_sha256(RunnableMoveNet(net)) != before


def test_the_configuration_sets_the_runtime_of_the_detector(
    cache: Path, monkeypatch: pytest.MonkeyPatch, pictures: list[np.ndarray]
) -> None:
    monkeypatch.setattr(choosing, "cache_dir", lambda: cache.parent)
    loaded: list[MoveNet] = []
    for chosen in ({}, {"runtime": "onnxruntime"}, {"runtime": "openvino"}):
        model = ModelSettings.model_validate({"device": "cpu", "threads": 1, **chosen})
        pipeline = load_profile(PipelineSettings(model=model), detector_sizes=[(256, 256)])
        network = pipeline._detector.networks[0]
        assert isinstance(network, MoveNet)
        loaded.append(network)
    assert [computes(network) for network in loaded] == [False, True, True]
    people = [RunnableMoveNet(network).detect(pictures[3]) for network in loaded]
    for found in people[1:]:
        assert differences(people[:1], [found], 0.25).reason_against(BOUNDS["float32"]) is None


def test_auto_measures_the_picture_sizes_of_regions_and_of_the_configured_cameras(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "cache_dir", lambda: cache.parent)
    cameras = [
        {"id": "door", "source": "pattern:", "detector_size": [256, 256]},
        {"id": "hall", "source": "pattern:", "detector_size": [256, 256]},
        {"id": "yard", "source": "pattern:"},
    ]
    model = {"device": "cpu", "threads": 1, "runtime": "auto", "precision": "float32"}
    load_model(Config.model_validate({"model": model, "cameras": cameras}), Observer())
    (path,) = cache.glob("*.json")
    assert json.loads(path.read_bytes())["key"]["sizes"] == [[160, 256], [256, 256], [448, 768]]


def test_a_runtime_that_is_not_installed_is_an_error_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it were not installed
    config = Config.model_validate({"model": {"device": "cpu", "threads": 1, "runtime": "openvino"}})
    with pytest.raises(ConfigError, match=r"model\.runtime: OpenVINO needs openvino: .*extra `openvino`"):
        load_model(config, Observer())


def test_other_runtimes_are_for_the_cpu_and_auto_is_torch_elsewhere() -> None:
    checkpoint = load_checkpoint("edge")
    with pytest.raises(ValueError, match=r"model\.runtime: openvino computes on the CPU; set model\.device to cpu"):
        load_detector(checkpoint, "cuda", runtime="openvino")
    assert isinstance(detector := load_detector(checkpoint, "cpu"), KeypointDetector)
    assert isinstance(network := detector.networks[0], MoveNet) and not computes(network)


def test_other_runtimes_compute_no_detector_of_a_checkpoint() -> None:
    with pytest.raises(ValueError, match=r"model\.runtime: onnxruntime computes MoveNet only"):
        load_detector(load_checkpoint("kinetics-tps"), "cpu", runtime="onnxruntime")
