"""Ten clips of an action by a few people, as `training.sources.examples` takes them, and who else shows the action.

Clips are pieces of labelled videos, watched by our detector, or captured motion seen through the simulated camera and
detector. The second kind is no film: its errors and cameras are simulated, and it is at most a few seconds long.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.detection.part_boxes import part_boxes
from stages.vocabulary import packaged
from training.annotated_videos.sightings import Sightings
from training.scoring.listed_clips import ListedClips
from training.sequences.sequences import Sequences
from training.sources.captures import Captures
from training.sources.examples.example_clips import SOURCE
from training.sources.motion_clips import MotionClips
from training.sources.roles import roles, unit_of, units
from training.sources.sampling import Drawn
from training.sources.segmented_videos import Segment, SegmentedVideo
from training.sources.watched_videos import WatchedVideo, label_segments

LEAST_SECONDS, MOST_SECONDS = 3.0, 6.0
"""Length of a piece of a labelled video."""
_STEPS, _VIEWS = 64, 8
"""Of a capture, the view with the most steps of this many becomes a clip: a person films at a steady rate, whereas
training also draws cameras with one frame a second."""
_PICTURE = (1920, 1080)
_FILM_FPS = 30.0


@dataclass(frozen=True, slots=True)
class ExamplePeople:
    """The clips to learn from, and the names of the people in them (`training.sources.roles.units`)."""

    videos: tuple[WatchedVideo, ...]
    people: frozenset[str]


def captured_clips(sources: Sequence[MotionClips], action: str, *, people: int, clips: int, seed: int) -> ExamplePeople:
    """Return clips of captured people of the role `train`, who take turns. Raises ValueError for too few of them."""
    rng = np.random.default_rng(seed)
    shown: dict[str, list[tuple[MotionClips, int, NDArray[np.int64]]]] = {}
    for one in sources:
        if action not in one.actions:
            continue
        names, role = units(one), roles(one)
        for clip in range(len(one)):
            frames = np.flatnonzero(one.action[one.frames(clip)] == one.actions.index(action))
            if len(frames) and role[clip] == "train" and one.person[clip]:
                shown.setdefault(f"{one.source} {names[clip]}", []).append((one, clip, frames))
    if len(shown) < people:
        raise ValueError(f"{action}: {len(shown)} captured people show it; at least {people} are needed")
    chosen = rng.permutation(sorted(shown))[:people].tolist()
    drawn: list[tuple[str, Drawn]] = []
    for number in range(clips):
        person = chosen[number % people]
        one, clip, frames = shown[person][number // people % len(shown[person])]
        drawn.append((person, Drawn(one, clip, int(frames[-1]), action)))
    videos = tuple(
        _filmed(_best_view(one, seed + number), f"{action}/{person}-{number}", action)
        for number, (person, one) in enumerate(drawn)
    )
    return ExamplePeople(videos, frozenset(chosen))


def video_clips(videos: Sequence[WatchedVideo], action: str, *, clips: int, seed: int) -> ExamplePeople:
    """Return pieces of the videos that show the action, of about half of the people, who take turns.

    Raises ValueError for too few videos.
    """
    of_unit: dict[str, list[WatchedVideo]] = {}
    for video in videos:
        if action in video.actions and (video.action == video.actions.index(action)).any():
            of_unit.setdefault(unit_of(video.video), []).append(video)
    half = sum(map(len, of_unit.values())) // 2
    chosen: list[str] = []
    for unit in np.random.default_rng(seed).permutation(sorted(of_unit)).tolist():
        if sum(len(of_unit[one]) for one in chosen) < half:
            chosen.append(unit)
    pieces = [[*_pieces(video, action)] for unit in chosen for video in of_unit[unit]]
    turns = [pieces[place][turn] for turn in range(clips) for place in range(len(pieces)) if turn < len(pieces[place])]
    if len(turns) < clips or len(chosen) == len(of_unit):
        raise ValueError(f"{action}: the videos give {len(turns)} clips of some of the people; {clips} are needed")
    return ExamplePeople(tuple(turns[:clips]), frozenset(chosen))


def _best_view(drawn: Drawn, seed: int) -> Sequences:
    """Return the sequence of one capture with the most steps, of several random cameras."""
    source = Captures([drawn.clips], packaged("edge"), seed)
    source.sampler = ListedClips([drawn] * _VIEWS)
    seen = source.sequences(_VIEWS, _STEPS)
    best = int(np.argmax((seen.action == packaged("edge").action_index(drawn.action)).sum(1)))
    row = slice(best, best + 1)
    return dataclasses.replace(seen, **{f.name: getattr(seen, f.name)[row] for f in dataclasses.fields(seen)})


def _filmed(seen: Sequences, name: str, action: str) -> WatchedVideo:
    """Return a sequence as a watched clip from its first step with the action to its last."""
    of_action = np.flatnonzero(seen.action[0] == packaged("edge").action_index(action))
    if not len(of_action):
        raise ValueError(f"{name}: no view of the capture shows the action")
    steps = slice(int(of_action[0]), int(of_action[-1]) + 1)
    keypoints, boxes, times = seen.keypoints[0, steps], seen.boxes[0, steps], seen.times_us[0, steps]
    count = len(times)
    parts = part_boxes(keypoints[None], boxes[None], (1e6, 1e6))
    sightings = Sightings(
        track=np.ones(count, np.int32),
        frame=np.arange(count, dtype=np.int32),
        time_us=times - times[0],
        box=boxes,
        score=keypoints[..., 2].mean(1),
        part_boxes=parts.boxes[0],
        part_scores=parts.scores[0],
        present=parts.present[0],
        step=np.ones(count, bool),
        keypoints=keypoints,
        object_box=np.zeros((count, 4), np.float32),
    )
    video = SegmentedVideo(SOURCE, name, Path(name), count, _FILM_FPS, _PICTURE, (Segment(0, count, action),))
    return WatchedVideo(video, "train", sightings, np.zeros(count, np.int64), (action,))


def _pieces(video: WatchedVideo, action: str) -> list[WatchedVideo]:
    """Return the video's segments of the action in pieces, as separate clips."""
    found: list[WatchedVideo] = []
    longest, least = (int(seconds * video.video.fps) for seconds in (MOST_SECONDS, LEAST_SECONDS))
    for segment in video.video.segments:
        if segment.label != action:
            continue
        for first in range(segment.first, segment.end, longest):
            end = min(first + longest, segment.end)
            if end - first < least:
                continue
            seen, segments = _cut(video.seen, first, end), (Segment(0, end - first, action),)
            labels, actions = label_segments(seen, segments)
            piece = dataclasses.replace(
                video.video,
                source=SOURCE,
                person="",
                name=f"{action}/{Path(video.video.name).name}-{len(found)}",
                frames=end - first,
                segments=segments,
            )
            if (labels >= 0).any():
                found.append(WatchedVideo(piece, "train", seen, labels, actions))
    return found


def _cut(seen: Sightings, first: int, end: int) -> Sightings:
    """Return the sightings in the frames `first` to `end` (exclusive), as of a video that begins there."""
    inside = (seen.frame >= first) & (seen.frame < end)
    of_step = {"keypoints", "object_box"}
    rows = {
        field.name: getattr(seen, field.name)[inside[seen.step] if field.name in of_step else inside]
        for field in dataclasses.fields(seen)
    }
    rows["frame"] = rows["frame"] - np.int32(first)
    return Sightings(**rows)
