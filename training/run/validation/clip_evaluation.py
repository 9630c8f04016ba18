"""Evaluation on held-out videos, with the answers that the network would give live.

Steps are answered by a staggered window as in the running model. The benchmark's score is computed on people and parts
as the pipeline publishes them, by `stages.people.people` and `training.benchmark.predicted_answers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ring_buffers.state_bank import TrackKey
from stages.heads.network import ActionNetwork
from stages.people.people import Person, StepAnalysis
from stages.people.smoothing import SmoothingConfig
from stages.types import Box, FrameAnalysis, PartAnalysis, PersonAnalysis
from training.annotated_videos.clips import Clip
from training.annotated_videos.folder_source import sequences, whole_tracks
from training.annotated_videos.step_labels import Labels
from training.benchmark import psc
from training.benchmark.measures import area_under_curve
from training.benchmark.predicted_answers import ClassVote, default_class, predicted_frame
from training.benchmark.submission import parse_ground_truth, parse_prediction
from training.kinetics_tps.annotations import FrameJson
from training.kinetics_tps.names import frame_file
from training.run.validation.scores import action_figures, calibration_figures, set_temperature, state_figures

_AT_ONCE = 32
_EVERY = 5
"""Steps between those that scores are measured on, because neighbouring steps give almost the same scores."""


class ClipAnswers(NamedTuple):
    """A network's float32 answers at each of a clip's s steps: `logits` [s, actions], `states` [s, parts, states] and
    `relevance` [s, parts] in [0, 1]."""

    logits: NDArray[np.float32]
    states: NDArray[np.float32]
    relevance: NDArray[np.float32]


class VideoAnswers(NamedTuple):
    """A video's predicted class, and its annotated frames in the benchmark's form."""

    action: str
    frames: dict[str, Any]


@torch.no_grad()
def answer_clips(network: ActionNetwork, clips: Sequence[Clip], window: int) -> list[ClipAnswers]:
    """Return the answers at every step of every clip. The network may be on any device; its mode is kept."""
    training, device = network.training, network.part_mean.device
    network.eval()
    words = network.vocabulary
    answers = [
        ClipAnswers(
            np.zeros((len(clip.rows), len(words.actions)), np.float32),
            np.zeros((len(clip.rows), len(words.parts), len(words.states)), np.float32),
            np.zeros((len(clip.rows), len(words.parts)), np.float32),
        )
        for clip in clips
    ]
    pieces = [(place, *piece) for place, clip in enumerate(clips) for piece in whole_tracks(clip, window)]
    for start in range(0, len(pieces), _AT_ONCE):
        some = pieces[start : start + _AT_ONCE]
        target = sequences([cut for _, cut, _ in some], window).to(device)
        read = network(target.parts, target.context, target.present, target.dt, target.visual)
        present = target.present[..., None]
        states = (torch.sigmoid(read.state_logits) * torch.from_numpy(words.mask()).to(device) * present).cpu().numpy()
        relevance = (torch.sigmoid(read.relevance_logits) * target.present).cpu().numpy()
        logits = read.action_logits.float().cpu().numpy()
        for row, (place, cut, own) in enumerate(some):
            steps = cut.steps[cut.lead :][own]
            answers[place].logits[steps] = logits[row, own]
            answers[place].states[steps] = states[row, own]
            answers[place].relevance[steps] = relevance[row, own]
    network.train(training)
    return answers


def step_accuracy(network: ActionNetwork, clips: Sequence[Clip], answers: Sequence[ClipAnswers]) -> dict[str, Any]:
    """Return the `action_figures` of the steps with a known action."""
    truth = np.concatenate([clip.labels.action for clip in clips])
    logits = np.concatenate([answer.logits for answer in answers])
    return action_figures(network.vocabulary.actions, logits[truth >= 0], truth[truth >= 0])


def benchmark_figures(network: ActionNetwork, clips: Sequence[Clip], answers: Sequence[ClipAnswers]) -> dict[str, Any]:
    """Return the benchmark's area, mean Part State Correctness and share of videos with the correct class.

    They are None if no video has an annotated person.
    """
    videos = [
        (clip, answer) for clip, answer in zip(clips, answers, strict=True) if any(f.people for f in clip.annotated)
    ]
    if not videos:
        return {"area": None, "part_state_correctness": None, "video_accuracy": None}
    predicted = {clip.name: _replay(network, clip, answer) for clip, answer in videos}
    truth = parse_ground_truth(
        msgspec.json.encode({clip.name: clip.action for clip, _ in videos}),
        msgspec.json.encode(
            {
                clip.name: {frame_file(frame.index): FrameJson(frame.people) for frame in clip.annotated}
                for clip, _ in videos
            }
        ),
    )
    prediction = parse_prediction(
        msgspec.json.encode({name: answer.action for name, answer in predicted.items()}),
        msgspec.json.encode({name: answer.frames for name, answer in predicted.items()}),
        truth,
    )
    score = psc.evaluate(truth, prediction)
    return {
        "area": round(score.area, 4),
        "part_state_correctness": round(float(score.psc.mean()), 4),
        "video_accuracy": round(float(score.right.mean()), 4),
    }


def evaluate_clips(network: ActionNetwork, clips: Sequence[Clip], window: int) -> dict[str, Any]:
    """Return the figures of steps, videos, part states and relevance, and the calibration of the action's score."""
    answers = answer_clips(network, clips, window)
    present = np.concatenate([clip.present for clip in clips])
    labels = [clip.labels for clip in clips]
    relevance = np.concatenate([answer.relevance for answer in answers])
    known = present & _all(labels, "relevance_known")
    return {
        "videos": len(clips),
        **step_accuracy(network, clips, answers),
        **benchmark_figures(network, clips, answers),
        "states": state_figures(
            network.vocabulary,
            np.concatenate([answer.states for answer in answers]),
            _all(labels, "states"),
            present & _all(labels, "states_known"),
        ),
        "relevance_auc": _rounded(area_under_curve(relevance[known], _all(labels, "relevance")[known])),
        "calibration": calibration_figures(*_scored(clips, answers), float(network.action_lstm.temperature)),
    }


def calibrate_clips(network: ActionNetwork, clips: Sequence[Clip], window: int) -> None:
    """Fit the temperature of the action's score on every fifth step of the clips, and set it."""
    set_temperature(network, lambda: _scored(clips, answer_clips(network, clips, window)))


def _all(labels: Sequence[Labels], name: str) -> NDArray[np.bool_]:
    return np.concatenate([getattr(label, name) for label in labels])


def _rounded(figure: float) -> float | None:
    """Return None for a figure without data."""
    return None if np.isnan(figure) else round(figure, 3)


def _scored(clips: Sequence[Clip], answers: Sequence[ClipAnswers]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return logits [n, actions] and truth [n] of every fifth step with a known action."""
    some = [(clip.labels.action >= 0) & (np.arange(len(clip.rows)) % _EVERY == _EVERY - 1) for clip in clips]
    return (
        np.concatenate([answer.logits[mine] for answer, mine in zip(answers, some, strict=True)]),
        np.concatenate([clip.labels.action[mine] for clip, mine in zip(clips, some, strict=True)]),
    )


def _replay(network: ActionNetwork, clip: Clip, answers: ClipAnswers) -> VideoAnswers:
    """Return what the pipeline would have published for a clip, from its steps' scores."""
    words = network.vocabulary
    vote = ClassVote(words.actions)
    frames: dict[str, Any] = {}
    wanted = {frame.index - 1 for frame in clip.annotated}
    analyses = dict(replayed_frames(network, clip, answers))
    for analysis in analyses.values():
        vote.add(analysis)
    for frame in wanted:
        frames[frame_file(frame + 1)] = predicted_frame(analyses.get(frame, FrameAnalysis()), clip.size)
    return VideoAnswers(vote.answer()[0] or default_class(words.actions), frames)


def replayed_frames(
    network: ActionNetwork, clip: Clip, answers: ClipAnswers, smoothing: SmoothingConfig | None = None
) -> Iterator[tuple[int, FrameAnalysis]]:
    """Yield the analysis of each frame with people, in order; `smoothing` is the checkpoint's, by default the usual."""
    seen, words, smoothing = clip.seen, network.vocabulary, smoothing or SmoothingConfig()
    scores = torch.softmax(torch.from_numpy(answers.logits), -1).numpy()
    number = np.cumsum(seen.step) - 1
    people: dict[int, Person] = {}
    for frame, rows in seen.frames():
        there: list[PersonAnalysis] = []
        for row in rows.tolist():
            track = int(seen.track[row])
            person = people.setdefault(track, Person(TrackKey(clip.name, 1, track), words, smoothing))
            if seen.step[row]:
                step, time = number[row], int(seen.time_us[row])
                person.update(scores[step], answers.relevance[step], answers.states[step], seen.present[row], time)
            there.append(_person(clip, row, words.parts, person.analysis))
        yield frame, FrameAnalysis(there)


def _person(clip: Clip, row: int, names: Sequence[str], analysis: StepAnalysis | None) -> PersonAnalysis:
    seen = clip.seen
    parts = [
        PartAnalysis(
            name,
            _box(seen.part_boxes[row, at]),
            float(seen.part_scores[row, at]),
            0.0 if analysis is None else float(analysis.relevance[at]),
            [] if analysis is None else list(analysis.active_states[at]),
        )
        for at, name in enumerate(names)
        if seen.present[row, at]
    ]
    action = None if analysis is None else analysis.action
    return PersonAnalysis(int(seen.track[row]), _box(seen.box[row]), float(seen.score[row]), action, parts)


def _box(corners: NDArray[np.float32]) -> Box:
    x1, y1, x2, y2 = corners.tolist()
    return (x1, y1, x2, y2)
