"""The pictures on which networks are compared with their published graphs: real footage, the same numbers everywhere.

Frames are converted from the decoder's planes by the integer arithmetic below and cropped or thinned out, never
resized, because swscale's results change from version to version. Run as a script with a folder, it writes them there,
in a folder per network, for `tests/fixtures/graph_reference.mjs`, which says how the references are made.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
import torch

from stages.third_party import weights


@dataclass(frozen=True)
class Case:
    """Every `step`-th pixel of one frame's region: `height` x `width` pixels from (`top`, `left`)."""

    name: str
    asset: str
    file: str
    frame: int
    top: int
    left: int
    height: int
    width: int
    step: int = 1


CASES = (
    Case("waving-256x256", "sports2d", "demo.mp4", 20, 0, 420, 256, 256, 2),
    Case("walking-256x256", "sports2d", "demo.mp4", 80, 480, 960, 256, 256, 2),
    Case("two-480x640", "sports2d", "demo.mp4", 80, 0, 300, 480, 640, 2),
    Case("street-576x768", "vtest", "vtest.avi", 400, 0, 0, 576, 768),
    Case("crowd-576x768", "vtest", "vtest.avi", 700, 0, 0, 576, 768),
)
THUNDER_CASES = (
    *CASES[:2],
    Case("middle-256x256", "vtest", "vtest.avi", 700, 120, 250, 256, 256),
    Case("lecture-256x256", "talking", "jwpIntro.mp4", 10, 0, 50, 256, 256),
)
NANODET_CASES = (
    Case("street-416x416", "vtest", "vtest.avi", 700, 0, 352, 416, 416),
    Case("yard-416x416", "sports2d", "demo.mp4", 80, 100, 560, 416, 416, 2),
    Case("office-416x416", "talking", "jwpIntro.mp4", 10, 0, 200, 416, 416),
)
EMULATES_BFLOAT16 = torch.backends.mkldnn.is_available() and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
"""Whether this processor lacks bfloat16, so that torch takes several seconds for 256 x 256 pixels."""
BFLOAT16_CASES = THUNDER_CASES[:3] if EMULATES_BFLOAT16 else CASES
"""People in whom MoveNet is compared with itself in bfloat16: six in small pictures where it is emulated."""
_BY_NETWORK = {"movenet-multipose": CASES, "movenet-thunder": THUNDER_CASES, "nanodet": NANODET_CASES}


def picture(case: Case) -> np.ndarray:
    """The case's picture, uint8 `[height, width, 3]` RGB."""
    return region(rgb(decoded(case.asset, case.file, case.frame)), case)


def region(frame: np.ndarray, case: Case) -> np.ndarray:
    rows = slice(case.top, case.top + case.height * case.step, case.step)
    columns = slice(case.left, case.left + case.width * case.step, case.step)
    taken = np.ascontiguousarray(frame[rows, columns])
    assert taken.shape == (case.height, case.width, 3), f"{case.name} reaches beyond the frame"
    return taken


@cache
def decoded(asset: str, file: str, index: int) -> av.VideoFrame:
    """One frame of fetched footage, counted from 0. Several cases are regions of the same frame."""
    with av.open(str(weights.locate(asset, file))) as container:
        for at, frame in enumerate(container.decode(video=0)):
            if at == index:
                return frame
    raise AssertionError(f"{file} has no frame {index}")


def rgb(frame: av.VideoFrame) -> np.ndarray:
    """YUV 4:2:0 to RGB by BT.601's integer formula, each chroma sample repeated."""
    assert frame.format.name == "yuv420p"

    def plane(index: int, height: int, width: int) -> np.ndarray:
        data = frame.planes[index]
        return np.frombuffer(bytes(data), np.uint8).reshape(-1, data.line_size)[:height, :width].astype(np.int32)

    height, width = frame.height, frame.width
    luma = 298 * (plane(0, height, width) - 16) + 128
    u, v = (
        plane(index, (height + 1) // 2, (width + 1) // 2).repeat(2, 0).repeat(2, 1)[:height, :width] - 128
        for index in (1, 2)
    )
    channels = (luma + 409 * v, luma - 100 * u - 208 * v, luma + 516 * u)
    return np.stack([(channel >> 8).clip(0, 255).astype(np.uint8) for channel in channels], -1)


if __name__ == "__main__":
    for network, cases in _BY_NETWORK.items():
        folder = Path(sys.argv[1]) / network
        folder.mkdir(parents=True, exist_ok=True)
        for each in cases:
            (folder / f"{each.name}.rgb").write_bytes(picture(each).tobytes())
