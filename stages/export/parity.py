"""Parity: a file's answers in ONNX Runtime against the module's own in float64. Owns nothing.

Float64, because two float32 runtimes each round: over pictures of noise torch's own float32 differs from it by 9e-6 of
the greatest value, ONNX Runtime's by 6e-6, and one from the other by up to 1e-5.
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
"""Greatest difference of an output, as a share of its greatest value."""


class Difference(NamedTuple):
    """max|a − b| / max|b| of one output over all samples of a kind; infinite where it isn't a number."""

    output: str
    kind: str
    value: float


def differences(graph: Graph, path: Path, samples: Mapping[str, Sequence[Sample]]) -> list[Difference]:
    """Of each output, for each kind of samples (random, real). Raises `ExportError` where the file can't be run."""
    session = _session(graph, path)
    exact = copy.deepcopy(graph.module).double()
    found: list[Difference] = []
    for kind, of_kind in samples.items():
        worst = np.zeros(len(graph.outputs))
        greatest = np.zeros(len(graph.outputs))
        for sample in of_kind:
            answers = _run(graph, session, sample)
            with torch.no_grad():
                wanted = exact(*(tensor.double() if tensor.is_floating_point() else tensor for tensor in sample))
            for place, (answer, true) in enumerate(zip(answers, wanted, strict=True)):
                b = true.numpy()
                if answer.shape != b.shape or answer.dtype != np.float32:
                    raise ExportError(
                        f"{graph.name}: {graph.outputs[place].name} is {answer.dtype} {answer.shape} in ONNX Runtime, "
                        f"float32 {b.shape} in torch; nothing was kept"
                    )
                off = np.abs(answer - b).max(initial=0.0)
                worst[place] = np.maximum(worst[place], off if np.isfinite(off) else np.inf)
                greatest[place] = max(greatest[place], np.abs(b).max(initial=0.0))
        for port, off, size in zip(graph.outputs, worst, greatest, strict=True):
            found.append(Difference(port.name, kind, float(off / size) if size else (0.0 if not off else np.inf)))
    return found


def check(graph: Graph, found: Sequence[Difference]) -> None:
    """Raises `ExportError` with the figures where an output differs by more than `LIMIT`."""
    bad = [difference for difference in found if not difference.value <= LIMIT]
    if bad:
        figures = ", ".join(f"{one.output} {one.value:.1e} ({one.kind} inputs)" for one in bad)
        raise ExportError(
            f"{graph.name}: ONNX Runtime and torch differ by more than {LIMIT:g} of the greatest value: {figures}; "
            "no file was kept. Try another --opset, or another version of onnxruntime"
        )


def _session(graph: Graph, path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base of their own
        raise ExportError(f"{graph.name}: ONNX Runtime {onnxruntime.__version__} can't load it: {error}") from None


def _run(graph: Graph, session: Any, sample: Sample) -> list[NDArray]:
    feed = {port.name: tensor.numpy() for port, tensor in zip(graph.inputs, sample, strict=True)}
    try:
        return session.run([port.name for port in graph.outputs], feed)
    except Exception as error:
        raise ExportError(f"{graph.name}: ONNX Runtime can't run it: {error}") from None
