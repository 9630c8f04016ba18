"""Computation in ONNX Runtime on the CPU, in float32."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from stages.detection.computation import Computation


def load_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Load an ONNX file. Waiting threads sleep, so that they take no time from decoding and from torch's threads."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def onnxruntime_computation(path: Path, threads: int) -> Computation:
    """Return the computation of the file's graph with `threads` threads."""
    session = load_session(path, threads)
    (given,) = (port.name for port in session.get_inputs())

    def compute(pictures: Tensor) -> tuple[Tensor, ...]:
        outputs = session.run(None, {given: pictures.contiguous().numpy()})
        return tuple(torch.from_numpy(output) for output in outputs)

    return compute
