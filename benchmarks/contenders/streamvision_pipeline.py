"""Roboflow's pipeline with a custom model: `InferencePipeline.init_with_custom_logic` of the package `streamvision`.

The model reads the barcode, the sink records the frame. It runs in its own environment, because streamvision requires
older versions of numpy, OpenCV and pydantic than partstream.
"""

from __future__ import annotations

import os
from typing import Any

from streamvision.camera.entities import VideoFrame  # pyright: ignore[reportMissingImports]
from streamvision.stream.pipeline import InferencePipeline, SinkMode  # pyright: ignore[reportMissingImports]

from benchmarks.cameras import barcode
from benchmarks.contenders.recorder import Recorder, Spec


def main() -> None:
    """Run the spec given on the command line and exit after the measurement."""
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
