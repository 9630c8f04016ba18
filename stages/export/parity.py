"""Comparison of a file's outputs in ONNX Runtime with the torch module's in float64.

The reference is float64, because both float32 runtimes round: on pictures of noise, torch's float32 differs from it by
9e-6 of the greatest value, ONNX Runtime's by 6e-6, and the two from each other by up to 1e-5.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stages.export.graph import ExportError, Graph, Sample

LIMIT = 1e-5
"""Greatest allowed difference of an output, relative to its greatest value."""


class Difference(NamedTuple):
    """max|a − b| / max|b| of one output over all samples of a kind; infinite if it is not a number."""

    output: str
    kind: str
    value: float


def differences(graph: Graph, path: Path, samples: Mapping[str, Sequence[Sample]]) -> list[Difference]:
    """Return the difference of each output for each kind of samples (random, real).

    Raises `ExportError` if the file cannot be run.
    """
    session = _session(graph, path)
    exact = copy.deepcopy(graph.module).double()
    found: list[Difference] = []
    for kind, samples_of_kind in samples.items():
        worst = np.zeros(len(graph.outputs))
        greatest = np.zeros(len(graph.outputs))
        for sample in samples_of_kind:
            outputs = _run(graph, session, sample)
            with torch.no_grad():
                expected = exact(*(tensor.double() if tensor.is_floating_point() else tensor for tensor in sample))
            for index, (a, reference) in enumerate(zip(outputs, expected, strict=True)):
                b = reference.numpy()
                if a.shape != b.shape or a.dtype != np.float32:
                    raise ExportError(
                        f"{graph.name}: {graph.outputs[index].name} is {a.dtype} {a.shape} in ONNX Runtime, "
                        f"float32 {b.shape} in torch; no file was kept"
                    )
                difference = np.abs(a - b).max(initial=0.0)
                worst[index] = np.maximum(worst[index], difference if np.isfinite(difference) else np.inf)
                greatest[index] = max(greatest[index], np.abs(b).max(initial=0.0))
        for port, difference, size in zip(graph.outputs, worst, greatest, strict=True):
            relative = float(difference / size) if size else (0.0 if not difference else np.inf)
            found.append(Difference(port.name, kind, relative))
    return found


def check(graph: Graph, differences: Sequence[Difference]) -> None:
    """Raise `ExportError` with the figures if an output differs by more than `LIMIT`."""
    too_large = [difference for difference in differences if not difference.value <= LIMIT]
    if too_large:
        figures = ", ".join(f"{one.output} {one.value:.1e} ({one.kind} inputs)" for one in too_large)
        raise ExportError(
            f"{graph.name}: ONNX Runtime and torch differ by more than {LIMIT:g} of the greatest value: {figures}; "
            "no file was kept. Try another --opset, or another version of onnxruntime"
        )


def _session(graph: Graph, path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Waiting threads sleep, so that they take no time from others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base class
        raise ExportError(f"{graph.name}: ONNX Runtime {onnxruntime.__version__} can't load it: {error}") from None


def _run(graph: Graph, session: Any, sample: Sample) -> list[NDArray]:
    feed = {port.name: tensor.numpy() for port, tensor in zip(graph.inputs, sample, strict=True)}
    try:
        return session.run([port.name for port in graph.outputs], feed)
    except Exception as error:
        raise ExportError(f"{graph.name}: ONNX Runtime can't run it: {error}") from None
