"""Small data folders with labelled videos, as `partstream data import` writes them, and people seen in such videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from stages.detection.part_boxes import part_boxes
from training.annotated_videos.sightings import Sightings
from training.kinetics_tps.video_roles import Role
from training.sources.motion_clips import MOTION, MotionClips
from training.sources.segmented_videos import Segment, SegmentedVideo
from training.sources.watched_videos import WatchedVideo, label_segments

SIZE = (320, 240)
FPS = 25.0


def put_labels(folder: Path, source: str, clips: dict[str, Any]) -> Path:
    """Write a source's labels.json; return its path."""
    path = folder / "video" / source / "labels.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode({"clips": clips}))
    return path


def clip_entry(*segments: tuple[int, int, str | None], frames: int = 100, **others: Any) -> dict[str, Any]:
    """Return a clip's entry in labels.json: 25 frames per second, 320 by 240 pixels."""
    return {"frames": frames, "fps": FPS, "size": SIZE, "segments": segments, **others}


def seen_people(tracks: Mapping[int, Mapping[int, Sequence[float]]], every: int = 2, seed: int = 0) -> Sightings:
    """Return people with the boxes {track: {frame: box}} and random joints in them, with a step on every k-th frame."""
    rng = np.random.default_rng(seed)
    rows = [(track, frame, box) for track in sorted(tracks) for frame, box in sorted(tracks[track].items())]
    box = np.array([box for _, _, box in rows], np.float32).reshape(-1, 4)
    frame = np.array([frame for _, frame, _ in rows], np.int32)
    step = frame % every == 0
    inside = rng.uniform(0, 1, (len(rows), 17, 2)).astype(np.float32)
    points = box[:, None, :2] + inside * (box[:, None, 2:] - box[:, None, :2])
    keypoints = np.concatenate([points, rng.uniform(0, 1, (len(rows), 17, 1)).astype(np.float32)], -1)
    parts = part_boxes(keypoints, box, SIZE)
    return Sightings(
        track=np.array([track for track, _, _ in rows], np.int32),
        frame=frame,
        time_us=np.round(frame / FPS * 1e6).astype(np.int64),
        box=box,
        score=np.full(len(rows), 0.5, np.float32),
        part_boxes=parts.boxes,
        part_scores=parts.scores,
        present=parts.present,
        step=step,
        keypoints=keypoints[step],
        object_box=np.zeros((int(step.sum()), 4), np.float32),
    )


def one_person(frames: int = 100, box: Sequence[float] = (100, 40, 180, 220)) -> dict[int, dict[int, Sequence[float]]]:
    """Return the boxes of a person in every frame, for `seen_people`."""
    return {1: dict.fromkeys(range(frames), box)}


def watched_video(
    source: str,
    name: str,
    *segments: tuple[int, int, str | None],
    person: str = "",
    role: Role = "train",
    seen: Sightings | None = None,
) -> WatchedVideo:
    """Return a watched video; by default of one person in every frame."""
    labelled = tuple(Segment(*segment) for segment in segments)
    video = SegmentedVideo(source, name, Path(f"{name}.mp4"), 100, FPS, SIZE, labelled, person=person)
    seen = seen_people(one_person()) if seen is None else seen
    return WatchedVideo(video, role, seen, *label_segments(seen, labelled))


def put_clips(folder: Path, kind: str, clips: MotionClips) -> Path:
    """Write recorded motion (`MOTION` or `POSES`) as a source of a data folder; return the file's path."""
    path = folder / kind / f"{clips.source}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    points, names = ("joints", "joint_names") if kind == MOTION else ("keypoints", "keypoint_names")
    fields: dict[str, Any] = {
        points: clips.points,
        names: np.array(clips.names),
        "start": clips.start,
        "frame_label": clips.action,
        "frame_labels": np.array(clips.actions),
        "text": np.array(list(clips.text)),
        "person": np.array(list(clips.person)),
        "fps": clips.fps,
        "size": clips.size,
        "unit": np.array(clips.unit),
    }
    np.savez(path, **fields)
    return path
