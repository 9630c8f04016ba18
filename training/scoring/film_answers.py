"""A checkpoint's answers on watched videos: what the engine would publish, without running the detector again.

People are detected and tracked once per video and cached (`training.annotated_videos.watching`), as if the camera had
run before the first frame. The learned stages and the smoothing then answer every step with the running model's
staggered window. `tests/integration/test_film_answers.py` compares the answers with the pipeline's, frame by frame.
"""

from __future__ import annotations

from stages.checkpoint import DEFAULT_WINDOW_STEPS, Checkpoint
from stages.region_features.roi_features import RoiConfig
from training.annotated_videos.watching import WatchSettings
from training.footage.segments.answered_film import AnsweredFilm, Frame, Segment, seen_people
from training.run.validation.clip_evaluation import answer_clips, replayed_frames
from training.sources.watched_videos import WatchedVideo


class ScoringError(RuntimeError):
    """A checkpoint or data folder cannot be scored; the message says what to do."""


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
