"""Roboflow's pipeline without its models: `InferencePipeline.init_with_custom_logic` from the package `streamvision`.

The model reads the barcode; the sink notes the frame. Runs in an environment of its own, since streamvision pins
older numpy, OpenCV and pydantic than partstream uses.
"""

from __future__ import annotations

import os
from typing import Any

from streamvision.camera.entities import VideoFrame  # pyright: ignore[reportMissingImports]
from streamvision.stream.pipeline import InferencePipeline, SinkMode  # pyright: ignore[reportMissingImports]

from benchmarks.cameras import barcode
from benchmarks.contenders.recorder import Recorder, Spec


def main() -> None:
    """Run as the spec says and leave the process at once when measured."""
    spec = Spec.from_argv()
    recorder = Recorder(len(spec.urls))

    def model(frames: list[VideoFrame]) -> list[dict[str, Any]]:
        return [{"number": barcode.read(frame.image[:, :, 1])} for frame in frames]

    def sink(prediction: dict[str, Any], frame: VideoFrame) -> None:
        recorder.frame(frame.source_id or 0, prediction["number"])

    pipeline = InferencePipeline.init_with_custom_logic(
        video_reference=spec.urls,
        on_video_frame=model,
        on_prediction=sink,
        sink_mode=SinkMode.SEQUENTIAL,
        video_processing_mode=spec.options.get("video_processing_mode"),
    )
    pipeline.start(use_main_thread=False)
    recorder.measure(spec)
    os._exit(0)


if __name__ == "__main__":
    main()
