"""Computation in ONNX Runtime on the CPU, in float32."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

import onnxruntime
import torch
from torch import Tensor

from stages.detection.detections import Computation

SMALL_PIXELS = 256 * 256
"""Most pixels of a batch that one thread computes: the largest region of a picture, or a crop for a second look."""


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
    """Return the computation of an ONNX model with `threads` threads, the calling one included.

    Small batches are computed side by side, each in one thread, because threads that divide a small picture wait for
    each other. Larger batches are computed before, in turn, each by all threads. A batch's own size decides, so that
    its maps do not depend on the others.
    """
    divided = load_session(model, threads)
    if threads == 1:
        return lambda batches: [_run(divided, pictures) for pictures in batches]
    undivided = load_session(model, 1)

    def compute(batches: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
        small = [pictures[..., 0].numel() <= SMALL_PIXELS for pictures in batches]
        large = iter([_run(divided, one) for one, is_small in zip(batches, small, strict=True) if not is_small])
        others = iter(
            _run_side_by_side(
                undivided, [one for one, is_small in zip(batches, small, strict=True) if is_small], threads
            )
        )
        return [next(others if is_small else large) for is_small in small]

    return compute


def _run_side_by_side(
    session: onnxruntime.InferenceSession, batches: Sequence[Tensor], threads: int
) -> list[tuple[Tensor, ...]]:
    """Compute each batch in one of `threads` threads, the calling one included.

    Its helpers end with the call: threads that stay would be missing in forked processes, and hold up the interpreter's
    end. Starting one takes a hundredth of a region's time.
    """
    found: dict[int, tuple[Tensor, ...]] = {}
    errors: list[BaseException] = []
    # The largest first, so that the threads end at nearly the same time.
    waiting = deque(sorted(range(len(batches)), key=lambda index: -batches[index].numel()))

    def work() -> None:
        while waiting and not errors:
            try:
                index = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                found[index] = _run(session, batches[index])
            except BaseException as error:
                errors.append(error)

    helpers = [Thread(target=work, name="onnxruntime", daemon=True) for _ in batches[1:threads]]
    started: list[Thread] = []
    # At the interpreter's end no thread can be started: this one then computes all batches.
    with suppress(RuntimeError):
        for helper in helpers:
            helper.start()
            started.append(helper)
    work()
    for helper in started:
        helper.join()
    if errors:
        raise errors[0]
    return [found[index] for index in range(len(batches))]


def _run(session: onnxruntime.InferenceSession, pictures: Tensor) -> tuple[Tensor, ...]:
    outputs = session.run(None, {session.get_inputs()[0].name: pictures.contiguous().numpy()})
    return tuple(torch.from_numpy(output) for output in outputs)
