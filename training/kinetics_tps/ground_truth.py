"""The ground truth files of the benchmark's metric: `gt_vid_result.json` and `gt_part_result.json`.

{video: class}, and {video: {"img_00001.json": {"humans": […]}}}; `training.benchmark.psc` reads and scores them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from training.kinetics_tps.annotations import AnnotatedFrame, FrameJson
from training.kinetics_tps.dataset import DatasetError, Video
from training.kinetics_tps.names import GROUND_TRUTH_FILES, frame_file
from training.kinetics_tps.write import write_whole

OFFICIAL_EVERY = 5
"""The benchmark scores frames 1, 6, 11, …"""


def write_ground_truth(folder: Path, videos: Iterable[Video], *, every: int = 1) -> int:
    """Write both files for the annotated frames 1, 1 + every, 1 + 2 · every … and return the number of videos.

    A video without such a frame is left out: the metric would give it full marks. Memory holds one video at a time and
    the files' text. Raises `DatasetError` for a duplicate name, or if no video is left.
    """
    actions: dict[str, str] = {}
    parts: list[bytes] = []
    for video in videos:
        frames = scored(video, every)
        if not frames:
            continue
        if video.name in actions:
            raise DatasetError(f"two videos are called {video.name!r}; results use the name alone")
        actions[video.name] = video.action
        named = {frame_file(frame.index): FrameJson(frame.people) for frame in frames}
        parts.append(msgspec.json.encode(video.name) + b":" + msgspec.json.encode(named))
    if not actions:
        raise DatasetError(f"no video has an annotated frame among 1, {1 + every}, {1 + 2 * every} …")
    video_file, part_file = GROUND_TRUTH_FILES
    write_whole(folder / video_file, msgspec.json.encode(actions))
    write_whole(folder / part_file, b"{" + b",".join(parts) + b"}")
    return len(actions)


def scored(video: Video, every: int) -> list[AnnotatedFrame]:
    """Return the annotated frames among 1, 1 + every, 1 + 2 · every …, in order."""
    if every < 1:
        raise ValueError(f"every {every} frames: must be at least 1")
    return sorted((frame for frame in video.frames if (frame.index - 1) % every == 0), key=lambda frame: frame.index)
