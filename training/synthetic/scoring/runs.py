"""Running a generated test video through one or several models, and scoring their answers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from ring_buffers.frames import FrameMeta
from stages.checkpoint import Checkpoint
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import MoveNet, slot_format
from stages.profiles import choose_device, load_checkpoint, load_detector
from stages.settings import ModelSettings, PipelineSettings, WindowSettings
from stages.third_party import weights
from stages.types import FrameAnalysis, ModelInfo, PersonAnalysis
from stages.vocabulary import STILL
from training.benchmark.predicted_answers import ClassVote, PredictedFrame, default_class, predicted_frame
from training.footage.judging import Judged
from training.kinetics_tps.names import frame_file
from training.kinetics_tps.write import OFFICIAL_EVERY
from training.synthetic.scoring.answers import AnsweredFrame, AnsweredPerson, Effort, VideoAnswers
from training.synthetic.scoring.detectors import CachingDetector, FrameDetector, TrueKeypoints
from training.synthetic.scoring.judging import ScoredVideo, judge_video
from training.synthetic.scoring.known_videos import KnownVideo
from training.synthetic.scoring.watched_pipeline import WatchedModel, WatchedPipeline
from training.synthetic.videos.truth import Truth, TruthError, read_truth
from training.video.analysis import analyse_video
from training.video.frames import VideoReadError

DETECTOR = "movenet-multipose"


class Conditions(msgspec.Struct, frozen=True):
    """Conditions under which the videos are shown to the models."""

    window: Literal["staggered", "continuous", "exact"] = "staggered"
    true_keypoints: bool = False
    keypoint_noise: float = 0.0
    """Standard deviation of true keypoints, in percent of the longer side of the person's box."""
    every: int = 1
    """Frames 1, 1 + every, … are shown."""
    drop: float | None = None
    """Share of missing frames in a second pass; None: no such pass."""
    drop_seed: int = 0
    device: str = "cpu"


class Scored(NamedTuple):
    """The score of one video under one model."""

    video: ScoredVideo
    reported: dict[str, PredictedFrame]
    """Frames by file name, for the benchmark's metric."""


class Bench:
    """Models that see the same videos under the same conditions, with one shared detector."""

    def __init__(self, models: Sequence[WatchedModel], conditions: Conditions) -> None:
        self._models = models
        self._conditions = conditions

    def score(self, video: KnownVideo) -> list[Scored]:
        """Score a video with each model, in their order. Raises `TruthError`."""
        truth = read_video_truth(video)
        return [self._score(model, video, truth) for model in self._models]

    def _score(self, model: WatchedModel, video: KnownVideo, truth: Truth) -> Scored:
        conditions = self._conditions
        shown = range(0, len(truth.frames), conditions.every)
        answers = answer_known_video(model, video, shown)
        dropped: list[Judged] | None = None
        if conditions.drop is not None:
            left = remaining(video.name, shown, conditions.drop, conditions.drop_seed)
            dropped = judge_video(video.name, video.fps, truth, answer_known_video(model, video, left), left).judged
        scored = ScoredVideo(
            video.name,
            video.action,
            video.unseen_motion,
            answers.action,
            judge_video(video.name, video.fps, truth, answers, shown),
            answers.pairs,
            dropped,
            answers.error,
            answers.effort,
        )
        return Scored(scored, answers.reported)


def check_models(profiles: Sequence[str], conditions: Conditions) -> list[ModelInfo]:
    """Return the models that a bench would have. Raises the errors of `load_bench`."""
    choose_device(conditions.device)
    found = [load_checkpoint(profile) for profile in profiles]
    _refuse_true_keypoints(found, conditions)
    if _needs_shared_detector(found, conditions):
        weights.locate(DETECTOR)
    return [ModelInfo(checkpoint.profile, checkpoint.sha256, checkpoint.trained) for checkpoint in found]


def load_bench(profiles: Sequence[str], conditions: Conditions, truth_of: Callable[[str], Truth]) -> Bench:
    """Load the bench of checkpoints, by profile or path. `truth_of` returns a video's truth by its file's name.

    Raises `WeightsError`, and ValueError for a device that is not available, or for true keypoints if a model reads no
    keypoints.
    """
    device = choose_device(conditions.device)
    settings = PipelineSettings(
        model=ModelSettings(pictures="host", detection="full"), window=WindowSettings(mode=conditions.window)
    )
    checkpoints = [load_checkpoint(profile, device) for profile in profiles]
    _refuse_true_keypoints(checkpoints, conditions)
    detector: FrameDetector | None = None
    if _needs_shared_detector(checkpoints, conditions):
        visual = any(_reads_pictures(checkpoint) for checkpoint in checkpoints)
        detector = CachingDetector(MoveNet.load().to(device), settings.model.max_people, keep_maps=visual)
    if conditions.true_keypoints:
        detector = TrueKeypoints(truth_of, settings.model.max_people, noise=conditions.keypoint_noise, maps=detector)

    def pipeline(checkpoint: Checkpoint) -> WatchedPipeline:
        if checkpoint.detector is not None:
            return WatchedPipeline(load_detector(checkpoint, device), None, checkpoint, settings, device)
        assert detector is not None
        return WatchedPipeline(KeypointDetector(detector, slot_format, device), detector, checkpoint, settings, device)

    return Bench([pipeline(checkpoint) for checkpoint in checkpoints], conditions)


def _reads_pictures(checkpoint: Checkpoint) -> bool:
    """Return whether it reads regions from the feature maps of the shared detector."""
    return checkpoint.network.config.visual and checkpoint.detector is None


def _needs_shared_detector(checkpoints: Sequence[Checkpoint], conditions: Conditions) -> bool:
    if conditions.true_keypoints:
        return any(_reads_pictures(checkpoint) for checkpoint in checkpoints)
    return any(checkpoint.detector is None for checkpoint in checkpoints)


def _refuse_true_keypoints(checkpoints: Sequence[Checkpoint], conditions: Conditions) -> None:
    """Raise ValueError if true keypoints are requested for a model that reads none."""
    for checkpoint in checkpoints:
        if conditions.true_keypoints and checkpoint.detector is not None:
            raise ValueError(
                f"the checkpoint of profile {checkpoint.profile} detects parts as regions, without keypoints: score it "
                "without --true-keypoints"
            )


def read_video_truth(video: KnownVideo) -> Truth:
    """Return a video's truth. Raises `TruthError`, also if its number of frames differs from the manifest."""
    truth = read_truth(video.truth)
    if len(truth.frames) != video.frames:
        raise TruthError(
            f"{video.truth}: has {len(truth.frames)} frames, and the manifest lists {video.frames} for {video.name}; "
            "generate the set again"
        )
    return truth


def answer_known_video(model: WatchedModel, video: KnownVideo, shown: Collection[int]) -> VideoAnswers:
    """Run the frames `shown` of a video, by number from 0, through a model.

    A video that cannot be read to its end has an `error`.
    """
    frames: list[AnsweredFrame] = []
    reported: dict[str, PredictedFrame] = {}
    vote, problem, before = ClassVote(model.actions), None, model.effort
    without = set(range(video.frames)) - set(shown)
    try:
        for meta, analysis in analyse_video(model, video.path, shown=lambda number: number not in without):
            if meta.frame >= video.frames:
                problem = f"has more than the {video.frames} frames in the manifest"
                break
            vote.add(analysis)
            frames.append(_frame(model, meta, analysis))
            if meta.frame % OFFICIAL_EVERY == 0:
                reported[frame_file(meta.frame + 1)] = predicted_frame(analysis, meta.size)
    except VideoReadError as error:
        problem = str(error).removeprefix(f"{video.path}: ")
    if problem is None and len(frames) < len(shown):
        problem = f"has fewer than the {video.frames} frames in the manifest"
    after = model.effort
    effort = Effort(after.steps - before.steps, after.seconds - before.seconds)
    action = vote.answer()[0] or default_class(model.actions)
    return VideoAnswers(frames, action, reported, model.pairs, problem, effort)


def remaining(video: str, shown: Sequence[int], drop: float, seed: int) -> list[int]:
    """Return the frames left when a random share of those shown is missing; at least one."""
    random = np.random.default_rng([seed, zlib.crc32(video.encode())])
    left = max(1, round(len(shown) * (1 - drop)))
    return sorted(random.choice(np.array(shown), left, replace=False).tolist())


def _frame(model: WatchedModel, meta: FrameMeta, analysis: FrameAnalysis) -> AnsweredFrame:
    people = tuple(_person(model, meta.frame, person) for person in analysis.people)
    found = model.detections(meta.frame)
    if found is not None:
        scale = np.array([meta.size[0] / meta.format.content[0], meta.size[1] / meta.format.content[1]], np.float32)
        found = found * np.concatenate([np.tile(scale, 2), [1], np.tile([*scale, 1], 17)]).astype(np.float32)
    return AnsweredFrame(meta.frame, people, found)


def _person(model: WatchedModel, frame: int, person: PersonAnalysis) -> AnsweredPerson:
    states = frozenset(
        (part.part, label) for part in person.parts for label in ([label for label, _ in part.states] or [STILL])
    )
    action = person.action
    label, score = (None, 0.0) if action is None else (action.label, action.score)
    return AnsweredPerson(person.box, label, score, states, model.state_scores(frame, person.track))
