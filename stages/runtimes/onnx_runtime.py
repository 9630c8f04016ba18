"""Computation in ONNX Runtime on the CPU, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import onnxruntime
import torch
from torch import Tensor

from stages.detection.computation import Computation

SMALL_PIXELS = 256 * 256
"""Pixels of a batch that one thread computes: the largest region of a picture, or a crop for a second look."""


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
    """Return the computation of an ONNX model with `threads` threads.

    Small batches are computed side by side, each in one thread: if threads divide a small picture, they wait for each
    other, and take a quarter more processor time. Larger batches are computed in turn by all threads. A batch's own
    size decides, so that its maps do not depend on the others.
    """
    divided = load_session(model, threads)
    if threads == 1:
        return lambda batches: [_run(divided, pictures) for pictures in batches]
    undivided = load_session(model, 1)
    workers = ThreadPoolExecutor(threads, "onnxruntime")

    def compute(batches: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
        pixels = [pictures[..., 0].numel() for pictures in batches]
        small = [index for index, count in enumerate(pixels) if count <= SMALL_PIXELS]
        # The largest first, so that the threads end at nearly the same time.
        small.sort(key=lambda index: -pixels[index])
        begun = {index: workers.submit(_run, undivided, batches[index]) for index in small}
        try:
            return [
                begun[index].result() if index in begun else _run(divided, pictures)
                for index, pictures in enumerate(batches)
            ]
        finally:
            wait(begun.values())

    return compute


def _run(session: onnxruntime.InferenceSession, pictures: Tensor) -> tuple[Tensor, ...]:
    outputs = session.run(None, {session.get_inputs()[0].name: pictures.contiguous().numpy()})
    return tuple(torch.from_numpy(output) for output in outputs)
