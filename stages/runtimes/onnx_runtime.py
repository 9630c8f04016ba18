"""Computation in ONNX Runtime on the CPU, in float32."""

from __future__ import annotations

import onnxruntime
import torch
from torch import Tensor

from stages.detection.computation import Computation


def load_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Load an ONNX model. Waiting threads sleep, so that they take no time from decoding and from torch's threads."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # With patterns, buffers are allocated again for each picture size: 90 MB more, and no faster.
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnxruntime_computation(model: bytes, threads: int) -> Computation:
    """Return the computation of an ONNX model with `threads` threads."""
    session = load_session(model, threads)
    (given,) = (port.name for port in session.get_inputs())

    def compute(pictures: Tensor) -> tuple[Tensor, ...]:
        outputs = session.run(None, {given: pictures.contiguous().numpy()})
        return tuple(torch.from_numpy(output) for output in outputs)

    return compute
