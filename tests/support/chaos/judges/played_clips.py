"""Every clip that the engine reports as complete must play: PyAV decodes it, in order of time, with its description."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import av
from av.error import FFmpegError

from stream.results import ClipReady


def trouble_of(clip: ClipReady, folder: Path) -> str | None:
    """Return what is wrong with a clip; None if it plays, "gone" if it was removed to make room."""
    video, described, results = (folder / f"{clip.clip}{ending}" for ending in (".mp4", ".json", ".jsonl"))
    try:
        description = json.loads(described.read_text())
        size = video.stat().st_size + described.stat().st_size + results.stat().st_size
        lines = [json.loads(line) for line in results.read_text().splitlines()]
        with av.open(str(video)) as container:
            times = [frame.time for frame in container.decode(video=0)]
    except FileNotFoundError:
        return "gone"
    except (OSError, ValueError, FFmpegError) as error:
        return f"{type(error).__name__}: {error}" if described.exists() else "gone"
    if not times:
        return "it has no picture"
    if None in times or any(later <= time for time, later in itertools.pairwise(times)):  # pyright: ignore[reportOperatorIssue]
        return f"the times of its pictures do not grow: {times[:20]}"
    if size != clip.bytes:
        return f"its files have {size} bytes, not {clip.bytes}"
    if description["camera"] != clip.camera or description["run"] != clip.run:
        return f"its description is of another camera or run: {description['camera']}, {description['run']}"
    outside = [
        line["seq"] for line in lines if not clip.start_media_time_us <= line["media_time_us"] <= clip.end_media_time_us
    ]
    return f"results {outside[:10]} are not of its time" if outside else None
