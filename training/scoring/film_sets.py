"""Sets of videos of a data folder that checkpoints are chosen on or judged by, watched and answered.

Answers are what the engine would publish, without running the detector again: people are detected and tracked once per
video and cached (`training.annotated_videos.watching`), as if the camera had run before the first frame. The learned
stages and the smoothing then answer every step with the running model's staggered window.
`tests/integration/test_film_answers.py` compares the answers with the pipeline's, frame by frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stages.checkpoint import DEFAULT_WINDOW_STEPS, Checkpoint
from stages.region_features.roi_features import RoiConfig
from training.annotated_videos.feature_cache import Progress
from training.annotated_videos.watching import WatchSettings
from training.kinetics_tps.video_roles import Role
from training.run.validation.clip_evaluation import answer_clips, replayed_frames
from training.scoring.films import AnsweredFilm, Frame, Segment, seen_people
from training.sources.roles import unit_of, video_roles
from training.sources.segmented_videos import LABELS, VIDEO, read_segmented_videos
from training.sources.watched_videos import WatchedVideo, watch_data_folder

_ROOM = ("stand", "walk", "sit", "lie", "sit_down", "stand_up", "fall")


class ScoringError(RuntimeError):
    """A checkpoint or data folder cannot be scored; the message says what to do."""


class FilmSet(NamedTuple):
    """The videos of one role of a source. `macro`: the actions of its macro average, None for all that are labelled;
    the others are shown apart."""

    name: str
    source: str
    role: Role
    macro: tuple[str, ...] | None = None


CHOOSING = (
    FilmSet("coffee-room", "le2i", "validation", _ROOM),
    FilmSet("gestures-learn", "gestures", "validation"),
)
"""Sets to choose a checkpoint on."""
JUDGING = (
    FilmSet("le2i-home", "le2i", "test", _ROOM),
    FilmSet("urfd", "urfd", "test"),
    FilmSet("gestures", "gestures", "test", ("push_up", "squat", "jump", "run", "other")),
)
"""Sets to judge a checkpoint by, once. Other sources are judged by their test videos. In `gestures`, only one or
two people show each of the actions that are left out."""


def film_set(data: Path, name: str) -> FilmSet | None:
    """Return the set of this name, which may be a source of videos; None if there is none in the data folder."""
    found = next((one for one in (*CHOOSING, *JUDGING) if one.name == name), FilmSet(name, name, "test"))
    return found if (data / VIDEO / found.source / LABELS).is_file() else None


class WatchedSet(NamedTuple):
    """A set's watched videos, and the names of those that cannot be watched."""

    chosen: FilmSet
    videos: list[WatchedVideo]
    skipped: list[str]


def watched_sets(
    data: Path,
    sets: Sequence[FilmSet],
    checkpoint: Checkpoint,
    *,
    detector_size: tuple[int, int] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> list[WatchedSet]:
    """Return the videos of sets as a checkpoint's detector sees them, watched where they are not cached.

    Raises `DataFolderError`, `WeightsError` without the detector, OSError if the cache cannot be written, and
    `ScoringError` for a set without videos and for a checkpoint that `watch_settings` rejects.
    """
    settings = watch_settings(checkpoint, detector_size)
    names = {one.name: _names(data, one) for one in sets}
    watched = watch_data_folder(
        data,
        {one.source for one in sets},
        roles={one.role for one in sets},
        workers=workers,
        progress=progress,
        settings=settings,
        cache=cache,
    )
    found: list[WatchedSet] = []
    for one in sets:
        mine = [video for video in watched if video.video.source == one.source and video.role == one.role]
        if not mine:
            raise ScoringError(f"{data / VIDEO / one.source}: no video of the set {one.name} can be read")
        found.append(WatchedSet(one, mine, sorted(names[one.name] - {video.video.name for video in mine})))
    return found


def answered_films(checkpoint: Checkpoint, watched: WatchedSet) -> list[AnsweredFilm]:
    """Return the set's videos with the checkpoint's answers."""
    return [answered_film(checkpoint, one, person=person_of(one)) for one in watched.videos]


def person_of(watched: WatchedVideo) -> str:
    """Return who is shown, "" if unknown."""
    return unit_of(watched.video) if watched.video.person else ""


def _names(data: Path, chosen: FilmSet) -> set[str]:
    """Return the names of a set's videos. Raises `ScoringError` if there is none."""
    videos = read_segmented_videos(data, [chosen.source])
    names = {video.name for video, role in zip(videos, video_roles(videos), strict=True) if role == chosen.role}
    if not names:
        raise ScoringError(
            f"{data / VIDEO / chosen.source / LABELS}: none of {len(videos)} videos has the role {chosen.role} of the "
            f'set {chosen.name}; mark some with "split": "{chosen.role}"'
        )
    return names


def watch_settings(checkpoint: Checkpoint, detector_size: tuple[int, int] | None = None) -> WatchSettings:
    """Return how to watch videos for a checkpoint: with the RoI features that its network reads.

    Raises `ScoringError` for a checkpoint with a detector or a region extractor of its own.
    """
    if checkpoint.detector is not None or checkpoint.features is not None:
        raise ScoringError(
            "videos are watched with MoveNet, but this checkpoint has its own detector or region extractor; choose "
            "one without them"
        )
    network = checkpoint.network.config
    return WatchSettings(detector_size, "auto", roi=RoiConfig.of(network) if network.visual else None)


def answered_film(checkpoint: Checkpoint, watched: WatchedVideo, *, person: str = "") -> AnsweredFilm:
    """Return a watched video with a checkpoint's answers. `person` names who is shown, "" if unknown."""
    network, video = checkpoint.network, watched.video
    clip = watched.clip(checkpoint.vocabulary)
    answers = answer_clips(network, [clip], checkpoint.window or DEFAULT_WINDOW_STEPS)[0]
    people: dict[int, Frame] = {
        frame: seen_people(analysis)
        for frame, analysis in replayed_frames(network, clip, answers, checkpoint.smoothing)
    }
    return AnsweredFilm(
        name=video.name,
        frames=video.frames,
        fps=video.fps,
        segments=tuple(Segment(one.first, one.end, one.label) for one in video.segments),
        answers=people,
        person=person,
        kind=video.text,
    )
