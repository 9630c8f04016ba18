"""The choice between runtimes for a small network: what is allowed, measured, compared, and kept of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
import torch

from stages.runtimes import choosing, machine
from stages.runtimes.agreement import BOUNDS, Differences, differences
from stages.runtimes.building import build, candidates
from stages.runtimes.choosing import (
    FORMAT,
    ChoiceKey,
    StoredChoice,
    choice_file,
    choose_runtime,
    read_choice,
    use_runtime,
    write_choice,
)
from stages.runtimes.machine import processor, runtime_threads, torch_threads
from stages.runtimes.network import CANDIDATES, REFERENCE, Candidate, Detected, RuntimeUnavailableError
from stages.settings import ModelSettings
from support.models.brightest_cell import BrightestCell

ONNXRUNTIME, OPENVINO = Candidate("onnxruntime", "float32"), Candidate("openvino", "float32")
FLOAT32 = [REFERENCE, ONNXRUNTIME, OPENVINO]
BFLOAT16 = [Candidate("torch", "bfloat16"), Candidate("openvino", "bfloat16")]
SIZES = [(64, 96)]
SLOW = 100


@pytest.fixture(autouse=True)
def _onnx_runtime_and_one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "onnxruntime", onnxruntime)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("runtime", "precision", "allowed"),
    [
        ("auto", "auto", FLOAT32),
        ("auto", "float32", FLOAT32),
        ("auto", "bfloat16", BFLOAT16),
        ("torch", "auto", [REFERENCE]),
        ("onnxruntime", "auto", [ONNXRUNTIME]),
        ("openvino", "bfloat16", [Candidate("openvino", "bfloat16")]),
        ("onnxruntime", "bfloat16", None),
        ("openvino", "float16", None),
        ("auto", "float16", None),
    ],
)
def test_settings_allow_candidates(runtime: Any, precision: Any, allowed: list[Candidate] | None) -> None:
    if allowed is not None:
        assert candidates(runtime, precision) == allowed
        return
    with pytest.raises(RuntimeUnavailableError, match=r"model\.precision: "):
        candidates(runtime, precision)


def test_the_reference_is_the_first_candidate_and_auto_the_default() -> None:
    assert CANDIDATES[0] == REFERENCE == Candidate("torch", "float32")
    model = ModelSettings()
    assert candidates(model.runtime, model.precision) == FLOAT32


@pytest.mark.parametrize(
    ("candidate", "package"), [(ONNXRUNTIME, "onnxruntime"), (OPENVINO, "openvino"), (OPENVINO, "onnx")]
)
def test_a_runtime_that_is_not_installed_is_an_error_that_names_the_package(
    candidate: Candidate, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnx", "onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, name, None if name == package else sys)  # as if it were installed or not
    network: Any = None  # not read
    with pytest.raises(RuntimeUnavailableError, match=rf"model\.runtime: .* needs {package}: pip install"):
        build(network, candidate, 1)


def stored(folder: Path) -> dict[str, Any]:
    (path,) = folder.iterdir()
    return json.loads(path.read_bytes())


def refuse(*arguments: object) -> None:
    raise AssertionError("not to be called")


def chosen(folder: Path, **network: float) -> tuple[Candidate, BrightestCell]:
    made = BrightestCell(**network)  # pyright: ignore[reportArgumentType]
    return choose_runtime(made, "auto", "auto", SIZES, 1, folder), made


def test_auto_without_another_runtime_is_torch_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    monkeypatch.setattr(choosing, "check_pictures", refuse)
    candidate, network = chosen(tmp_path)
    assert candidate == REFERENCE and network.computation is None and not list(tmp_path.iterdir())


def test_auto_measures_nothing_more_if_torch_is_clearly_slower_and_nothing_once_it_has_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "measure", refuse)
    candidate, network = chosen(tmp_path, torch_runs=SLOW)
    assert candidate == ONNXRUNTIME and network.computation is not None
    milliseconds = stored(tmp_path)["milliseconds"]
    assert {name: list(times) for name, times in milliseconds.items()} == {
        str(REFERENCE): ["256x256"],
        str(ONNXRUNTIME): ["256x256"],
    }
    monkeypatch.setattr(choosing._Auto, "_try", refuse)
    candidate, network = chosen(tmp_path)
    assert candidate == ONNXRUNTIME and network.computation is not None


def test_a_damaged_choice_is_made_again_and_replaced(tmp_path: Path) -> None:
    chosen(tmp_path, torch_runs=SLOW)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    assert chosen(tmp_path, torch_runs=SLOW)[0] == ONNXRUNTIME and stored(tmp_path)["runtime"] == "onnxruntime"


def test_a_runtime_that_detects_something_else_is_not_used_and_an_error_if_it_is_configured(tmp_path: Path) -> None:
    candidate, network = chosen(tmp_path, torch_runs=SLOW, error=1.01)
    assert candidate == REFERENCE and network.computation is None
    assert "a score differs by" in stored(tmp_path)["rejected"][str(ONNXRUNTIME)]
    with pytest.raises(RuntimeUnavailableError, match=r"model\.runtime: "):
        choose_runtime(network, "onnxruntime", "auto", SIZES, 1, tmp_path)
    assert network.computation is None and network.precision == torch.float32


def test_another_network_uses_the_chosen_runtime_without_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate, _ = chosen(tmp_path, torch_runs=SLOW)
    monkeypatch.setattr(choosing, "_Auto", refuse)
    network = BrightestCell()
    use_runtime(network, candidate, 1)
    assert network.computation is not None
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[32:, 64:] = 200
    found = network.detect(picture)
    assert found.boxes.tolist() == [[64, 32, 96, 64]] and found.scores[0] == pytest.approx(200 / 255, rel=1e-4)


KEY = ChoiceKey(
    network="movenet-multipose",
    processor="x86_64 AMD EPYC",
    cores=2,
    torch_threads=1,
    threads=2,
    sizes=[(256, 256), (448, 768)],
    precision="auto",
    packages={"torch": "2.13.0", "openvino": "2026.4.1"},
)
CHOICE = StoredChoice(
    FORMAT, KEY, "openvino", "bfloat16", {"OpenVINO in bfloat16": {"256x256": 7.5}}, {"torch in bfloat16": "too slow"}
)


def test_a_choice_is_read_as_it_was_written_and_only_if_all_that_it_depends_on_is_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_choice(folder, CHOICE)
    found = read_choice(folder, KEY)
    assert found == CHOICE and found is not None and found.candidate == Candidate("openvino", "bfloat16")
    assert [path.name for path in folder.iterdir()] == [choice_file(folder, KEY).name]
    others = {"network": "nanodet", "processor": "x86_64 Intel", "cores": 4, "torch_threads": 2, "threads": 1}
    others |= {"sizes": [(256, 256)], "precision": "float32", "packages": {"torch": "2.13.0"}}
    assert others.keys() == set(ChoiceKey.__struct_fields__)
    for field, other in others.items():
        assert read_choice(folder, msgspec.structs.replace(KEY, **{field: other})) is None, field


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        msgspec.json.encode(CHOICE).replace(b'"openvino"', b'"tensorrt"'),
        msgspec.json.encode(CHOICE).replace(b'"bfloat16"', b'"int8"'),
        msgspec.json.encode(CHOICE).replace(b"runtime/4", b"runtime/3"),
        msgspec.json.encode(CHOICE).replace(b'"cores":2', b'"cores":"two"'),
    ],
)
def test_a_damaged_file_is_ignored_and_can_be_replaced(content: bytes, tmp_path: Path) -> None:
    choice_file(tmp_path, KEY).write_bytes(content)
    assert read_choice(tmp_path, KEY) is None
    write_choice(tmp_path, CHOICE)
    assert read_choice(tmp_path, KEY) == CHOICE


def people(*scores: float, label: int = 0) -> Detected:
    """People side by side, 100 pixels tall, with all keypoints."""
    count = len(scores)
    left = 80.0 * np.arange(count, dtype=np.float32)
    boxes = np.stack([left, np.full(count, 10), left + 40, np.full(count, 110)], -1).astype(np.float32)
    places = np.random.default_rng(1).uniform((5, 15), (35, 105), (17, 2))
    keypoints = np.full((count, 17, 3), 0.8, np.float32)
    keypoints[..., :2] = places + np.stack([left, np.zeros(count)], -1)[:, None]
    return Detected(boxes, np.array(scores, np.float32), np.full(count, label, np.int64), keypoints)


def test_the_same_people_agree_even_in_another_order() -> None:
    wanted = people(0.9, 0.6, 0.3)
    turned = Detected(wanted.boxes[::-1], wanted.scores[::-1], wanted.labels[::-1], wanted.keypoints[::-1])
    same = differences([wanted, wanted], [wanted, turned], 0.25)
    assert same == Differences(
        sure=6, missing=0, extra=0, iou=pytest.approx(1), oks=1, mean_oks=1, score=0, mean_score=0
    )
    assert all(same.reason_against(bounds) is None for bounds in BOUNDS.values())


ANY = "any"
NOT_A_BOX = people(0.9)
NOT_A_BOX.boxes[:] = np.nan


@pytest.mark.parametrize(
    ("wanted", "found", "reason"),
    [
        (people(0.9, 0.6), people(0.9), "1 of 2 sure detections are missing, 0 are additional"),
        (people(0.9), people(), "1 of 1 sure detections are missing, 0 are additional"),
        (people(0.9), people(0.9, 0.6), "0 of 1 sure detections are missing, 1 are additional"),
        (people(0.9), people(0.9, 0.3), None),  # it is hardly above the threshold
        (people(0.9, 0.2), people(0.9, 0.4), None),  # the reference finds the person, too
        (people(0.9), people(0.9, label=1), "1 of 1 sure detections are missing, 1 are additional"),
        (people(0.9), NOT_A_BOX, "1 of 1 sure detections are missing, 1 are additional"),
        (people(0.9, 0.8, 0.7, 0.6, 0.5), people(0.9, 0.8, 0.7, 0.6, 0.39), "a score differs by 0.110, more than 0.1"),
        (people(0.9, 0.8), people(0.87, 0.77), "scores differ in the mean by 0.030, more than 0.025"),
        (people(0.9), people(np.nan), ANY),
    ],
)
def test_what_differs_is_the_reason_against_a_runtime(wanted: Detected, found: Detected, reason: str | None) -> None:
    against = differences([wanted], [found], 0.25).reason_against(BOUNDS["bfloat16"])
    assert against == reason or (reason == ANY and against is not None)


EPYC = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
stepping\t: 1
cpu MHz\t\t: 2596.116
flags\t\t: fpu avx2 avx512f avx512_bf16

processor\t: 1
model name\t: AMD EPYC
"""


def test_the_processor_is_named_without_what_changes(tmp_path: Path) -> None:
    names: list[str] = []
    for text in (EPYC, EPYC.replace("2596.116", "3100.000"), EPYC.replace("fpu avx2", "avx2 fpu")):
        (tmp_path / "cpuinfo").write_text(text)
        names.append(processor(tmp_path / "cpuinfo"))
    assert " AuthenticAMD 26 2 AMD EPYC 1 " in names[0] and len(set(names)) == 1


@pytest.mark.parametrize(("cores", "torchs", "others"), [(1, 1, 1), (2, 1, 2), (8, 7, 8)])
def test_by_default_torch_leaves_one_core_to_decoding_and_other_runtimes_use_all(
    cores: int, torchs: int, others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: cores)
    assert (torch_threads(0), runtime_threads(0)) == (torchs, others)
    assert torch_threads(3) == runtime_threads(3) == 3, "a number that is set holds for all"
