"""Candidates that settings allow, and errors for those that can't be built."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from stages.runtimes.building import build, candidates
from stages.runtimes.network import CANDIDATES, REFERENCE, Candidate, RuntimeName, RuntimeUnavailableError
from stages.settings import ModelSettings, Precision, Runtime

FLOAT32 = [Candidate("torch", "float32"), Candidate("onnxruntime", "float32"), Candidate("openvino", "float32")]
BFLOAT16 = [Candidate("torch", "bfloat16"), Candidate("openvino", "bfloat16")]


@pytest.mark.parametrize(
    ("runtime", "precision", "allowed"),
    [
        ("auto", "auto", FLOAT32),
        ("auto", "float32", FLOAT32),
        ("auto", "bfloat16", BFLOAT16),
        ("torch", "auto", [REFERENCE]),
        ("onnxruntime", "auto", [Candidate("onnxruntime", "float32")]),
        ("openvino", "auto", [Candidate("openvino", "float32")]),
        ("openvino", "bfloat16", [Candidate("openvino", "bfloat16")]),
    ],
)
def test_settings_allow_candidates(runtime: Runtime, precision: Precision, allowed: list[Candidate]) -> None:
    assert candidates(runtime, precision) == allowed


def test_the_reference_is_the_first_candidate_and_auto_the_default() -> None:
    assert CANDIDATES[0] == REFERENCE == Candidate("torch", "float32")
    model = ModelSettings()
    assert candidates(model.runtime, model.precision) == FLOAT32


@pytest.mark.parametrize(
    ("runtime", "precision", "advice"),
    [
        ("onnxruntime", "bfloat16", "ONNX Runtime does not compute in bfloat16; use float32$"),
        ("openvino", "float16", "OpenVINO does not compute in float16; use float32 or bfloat16$"),
        ("auto", "float16", "the CPU does not compute in float16; use float32 or bfloat16$"),
    ],
)
def test_a_precision_that_a_runtime_lacks_is_an_error(runtime: Runtime, precision: Precision, advice: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match=rf"model\.precision: {advice}"):
        candidates(runtime, precision)


@pytest.mark.parametrize(
    ("runtime", "package", "error"),
    [
        ("onnxruntime", "onnxruntime", "ONNX Runtime needs onnxruntime: pip install 'partstream', or use torch"),
        ("openvino", "openvino", r"OpenVINO needs openvino: pip install 'partstream\[openvino\]', or use torch"),
        ("openvino", "onnx", r"OpenVINO needs onnx: pip install 'partstream\[openvino\]', or use torch"),
    ],
)
def test_a_runtime_that_is_not_installed_is_an_error_with_the_command_that_installs_it(
    runtime: RuntimeName, package: str, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnx", "onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, name, None if name == package else sys)  # as if it were installed or not
    network: Any = None  # not read
    with pytest.raises(RuntimeUnavailableError, match=r"model\.runtime: " + error):
        build(network, Candidate(runtime, "float32"), 1)
