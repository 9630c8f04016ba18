"""Computation in OpenVINO on the CPU, in float32 or bfloat16.

OpenVINO computes in bfloat16 by default where the processor supports it. The precision is therefore always set, and
checked after loading.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import openvino
import torch
from torch import Tensor

from stages.detection.computation import Computation
from stages.runtimes.network import PrecisionName, RuntimeUnavailableError

_HINTS = {"float32": openvino.Type.f32, "bfloat16": openvino.Type.bf16}


@cache
def _core() -> openvino.Core:
    return openvino.Core()


def compiled_model(path: Path, precision: PrecisionName, threads: int) -> openvino.CompiledModel:
    """Load an ONNX file for pictures of any number and size, which takes 0.1 seconds.

    A model compiled for one size is 2 to 8 % faster, but has to be compiled when a new size arrives. Raises
    `RuntimeUnavailableError` if OpenVINO computes in another precision.
    """
    options = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # Threads bound to cores would wait there for the threads of cameras.
        "ENABLE_CPU_PINNING": False,
    }
    model = _core().compile_model(path, "CPU", options)
    used = model.get_property("INFERENCE_PRECISION_HINT")
    if used != _HINTS[precision]:
        raise RuntimeUnavailableError(
            f"model.precision: OpenVINO computes in {used.to_string()} on this processor, not in {precision}; "
            "use float32"
        )
    return model


def openvino_computation(path: Path, precision: PrecisionName, threads: int) -> Computation:
    """Return the computation of the file's graph with `threads` threads. Raises as `compiled_model`."""
    model = compiled_model(path, precision, threads)
    request = model.create_infer_request()
    count = len(model.outputs)

    def compute(pictures: Tensor) -> tuple[Tensor, ...]:
        request.infer([pictures.contiguous().numpy()], share_inputs=True)
        # The request overwrites its outputs in the next call.
        return tuple(torch.from_numpy(request.get_output_tensor(index).data.copy()) for index in range(count))

    return compute
