"""Held-out data of a run: recorded people, a folder's held-out videos, clips, or generated sequences.

If recorded people are held out, they select the weights and fit the temperature, all on the same sequences. Of
generated motion, whose held-out motions, gestures, builds and cameras training never sees, selection, calibration and
test use separate draws. Of a folder's videos, the validation half selects and calibrates, the test half gives the
reported figures. Test people and test videos of a data folder are not read here: `partstream footage score` looks at
them once for each release. The metric that selects draws from its own generator, so that evaluations do not change the
training.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.heads.network import ActionNetwork, SequenceOutputs
from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Clip, Folder
from training.benchmark.measures import area_under_curve
from training.run.clip_run import ClipRun, ExampleRun, VerdictRun
from training.run.learning.batches import generates
from training.run.learning.training_run import TrainingError
from training.run.validation.clip_evaluation import (
    answer_clips,
    benchmark_figures,
    calibrate_clips,
    evaluate_clips,
    step_accuracy,
)
from training.run.validation.scores import (
    action_figures,
    calibration_figures,
    macro_accuracy,
    set_temperature,
    state_figures,
)
from training.sequences import Tensors, last_answers, to_tensors, unseen_regions
from training.settings.run_config import TrainingConfig
from training.sources.examples.example_clips import ExampleClips, action_of
from training.sources.recorded import RecordedMotion
from training.synthetic.sequences.generator import Batch, Generator

TEST_SEED, SELECTION_SEED, CALIBRATION_SEED = 1000, 2000, 3000
"""Added to the run's seed, so that the three uses share no draw."""
_KINDS = ("captures", "poses", "tracks")
_RECORDED_AT_ONCE, _GENERATED_AT_ONCE = 64, 100
_EVERY = 5
"""Steps between those that scores are measured on, because neighbouring steps give almost the same scores."""

Metric = Callable[[ActionNetwork], float]
"""Returns a figure from 0 to 1 on held-out data. The network's mode is kept."""
Shares = dict[str, Mapping[str, float]]
"""For each true action, the share of each answer."""

logger = logging.getLogger(__name__)


class HeldOut:
    """Held-out data of a run. Recorded people select and calibrate, else a folder's videos, else generated motion."""

    def __init__(
        self,
        config: TrainingConfig,
        motions: Path,
        videos: Folder | None,
        recorded: RecordedMotion | None = None,
        vocabulary: Vocabulary | None = None,
        clips: ClipRun[Any] | None = None,
    ) -> None:
        """Raises TrainingError if no recorded person is held out and nothing else can select the weights."""
        self._config, self._motions, self._videos, self._recorded = config, motions, videos, recorded
        available = {*(() if recorded is None else recorded.available), *(() if clips is None else (clips.name,))}
        self._generates = generates(config, available)
        self._people: dict[str, list[Tensors]] = {}
        if recorded is not None and vocabulary is not None:
            count, seed = config.evaluation.selection_sequences, config.seed + SELECTION_SEED
            self._people = recorded_sequences(recorded, vocabulary, count, seed=seed, window=config.data.window)
            if not self._people:
                message = f"{recorded.folder}: no recorded person is held out (a source needs at least ten people)"
                if videos is None and not self._generates:
                    raise TrainingError(message)
                other = "generated sequences" if videos is None else "held-out videos"
                logger.warning("%s; %s select the weights instead", message, other)
        self._clips = clips

    def selection_metric(self, vocabulary: Vocabulary, device: torch.device) -> Metric:
        """Return the metric that selects the weights. Raises TrainingError without validation videos."""
        config, window = self._config.evaluation, self._config.data.window
        if self._people:
            return lambda network: float(
                np.mean([figures["macro_accuracy"] for figures in self._by_kind(network).values()])
            )
        if self._videos is None:
            seed = self._config.seed + SELECTION_SEED
            made = generated_batches(self._motions, vocabulary, config.selection_sequences, seed=seed, window=window)
            data = [to_tensors(batch).to(device) for _, batch in made]
            return lambda network: macro_accuracy(*known_answers(network, data))
        if not self._validation_clips:
            raise TrainingError(
                f"{self._videos.root}: no video is held out to select the weights; raise data.held_out_share, add "
                "videos, or set evaluation.every to 0"
            )
        return clip_metric(self._validation_clips, window, config.select)

    def calibrate(self, network: ActionNetwork) -> None:
        """Fit the temperature of the network's action scores, if the run asks for it and has data for it."""
        count, window = self._config.evaluation.calibration_sequences, self._config.data.window
        if not count:
            return
        if self._people:
            set_temperature(network, lambda: self._every_answer(network))
        elif self._videos is None:
            seed = self._config.seed + CALIBRATION_SEED

            def scored() -> tuple[NDArray[Any], NDArray[Any]]:
                found = _outputs(network, self._motions, count, seed, window)
                logits, truth = zip(*(_some_steps(*answered) for answered in found), strict=True)
                return np.concatenate(logits), np.concatenate(truth)

            set_temperature(network, scored)
        elif self._validation_clips:
            calibrate_clips(network, self._validation_clips, window)

    def figures(self, network: ActionNetwork) -> dict[str, Any]:
        """Return the final figures: `held_out` for generated sequences, `held_out_videos` for a folder's videos,
        `held_out_people` for recorded motion, which also selected the weights; `held_out_examples` and
        `held_out_verdicts` for clips."""
        count, window, found = self._config.evaluation.sequences, self._config.data.window, dict[str, Any]()
        seed = self._config.seed + TEST_SEED
        if self._clips is not None:
            start = self._clips.start.network.vocabulary
            known = KnownActions(start, self._motions, count if self._generates else 0, window=window, seed=seed)
            found[f"held_out_{self._clips.name}"] = clip_figures(self._clips, known, network, window)
        elif self._generates and count:
            found["held_out"] = evaluate(network, self._motions, count, seed=seed, window=window)
        if self._videos is not None and self._test_clips:
            found["held_out_videos"] = evaluate_clips(network, self._test_clips, window)
        if self._people:
            kinds = self._by_kind(network)
            found["held_out_people"] = {
                "macro_accuracy": round(float(np.mean([one["macro_accuracy"] for one in kinds.values()])), 4),
                "kinds": kinds,
                "calibration": calibration_figures(
                    *self._every_answer(network), float(network.action_lstm.temperature)
                ),
            }
        return found

    def data(self) -> dict[str, Any]:
        """Return the summaries of the folder and of the recorded motion for a checkpoint's metrics."""
        return {
            **({} if self._videos is None else {"data": self._videos.summary()}),
            **({} if self._recorded is None else {"recorded": self._recorded.summary()}),
            **({} if self._clips is None else {self._clips.name: self._clips.clips.summary()}),
        }

    def _by_kind(self, network: ActionNetwork) -> dict[str, dict[str, Any]]:
        """Return the accuracy on recorded people by kind of source."""
        return {
            kind: action_figures(network.vocabulary.actions, *known_answers(network, batches))
            for kind, batches in self._people.items()
        }

    def _every_answer(self, network: ActionNetwork) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return known_answers(network, [batch for batches in self._people.values() for batch in batches])

    @property
    def _validation_clips(self) -> list[Clip]:
        return [] if self._videos is None else self._videos.clips["validation"]

    @property
    def _test_clips(self) -> list[Clip]:
        """The test clips; with a single held-out video, the validation clip (docs/train-your-own.md)."""
        return [] if self._videos is None else self._videos.clips["test"] or self._videos.clips["validation"]


class Selection:
    """The best weights so far."""

    def __init__(self, metric: Metric, patience: int) -> None:
        """`patience`: evaluations without an improvement after which it is `exhausted`; 0: never."""
        self._metric = metric
        self._patience = patience
        self._since_best = 0
        self.accuracy: float | None = None
        """The metric of the best weights."""
        self.step = 0
        """The step of the best weights."""
        self._weights: dict[str, Tensor] = {}

    def evaluate(self, network: ActionNetwork, step: int) -> float:
        """Return the metric, and keep the weights if they are the best so far."""
        accuracy = self._metric(network)
        if self.accuracy is None or accuracy > self.accuracy:
            self.accuracy, self.step, self._since_best = accuracy, step, 0
            self._weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        else:
            self._since_best += 1
        return accuracy

    @property
    def exhausted(self) -> bool:
        """Whether the last `patience` evaluations brought no improvement."""
        return 0 < self._patience <= self._since_best

    def load_best(self, network: ActionNetwork) -> None:
        """Load the best weights into the network, if there was an evaluation."""
        if self._weights:
            network.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        """Return the state to resume from."""
        return {
            "accuracy": self.accuracy,
            "step": self.step,
            "since_best": self._since_best,
            "weights": self._weights,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        self.accuracy, self.step = state["accuracy"], state["step"]
        self._since_best, self._weights = state["since_best"], state["weights"]


def clip_metric(clips: Sequence[Clip], window: int, figure: Literal["accuracy", "area"]) -> Metric:
    """Return a metric on held-out videos: the actions' mean share of correct steps, or the benchmark's area.

    It is 0 if the videos have no steps or no annotated people to measure it on.
    """

    def metric(network: ActionNetwork) -> float:
        answers = answer_clips(network, clips, window)
        if figure == "area":
            return benchmark_figures(network, clips, answers)["area"] or 0.0
        return step_accuracy(network, clips, answers)["macro_accuracy"] or 0.0

    return metric


def recorded_sequences(
    recorded: RecordedMotion, vocabulary: Vocabulary, sequences: int, *, seed: int, window: int
) -> dict[str, list[Tensors]]:
    """Return `sequences` of held-out people for each kind of source that has any, equally many of each action."""
    found: dict[str, list[Tensors]] = {}
    for kind in (kind for kind in _KINDS if kind in recorded.available):
        try:
            source = recorded.source(kind, vocabulary, seed, {}, "validation")
        except ValueError:
            continue  # no person of this kind is held out
        counts = [_RECORDED_AT_ONCE] * (sequences // _RECORDED_AT_ONCE) + [sequences % _RECORDED_AT_ONCE]
        found[kind] = [source.batch(count, window) for count in counts if count]
    return found


def generated_batches(
    motions: Path, vocabulary: Vocabulary, sequences: int, *, seed: int, window: int
) -> Iterator[tuple[str, Batch]]:
    """Yield about `sequences` held-out generated sequences, equally many that end with each action, with the action."""
    generator = Generator(motions, vocabulary, seed, held_out=True, partial=True)
    for action in generator.actions:
        left = max(1, sequences // len(generator.actions))
        while left > 0:
            batch = generator.batch(min(left, _GENERATED_AT_ONCE), window, action=action)
            left -= len(batch.lengths)
            yield action, batch


def known_answers(network: ActionNetwork, batches: Iterable[Tensors]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return logits [n, actions] and truth [n] of the last steps whose action is known. The network's mode is kept."""
    found = [last_answers(network, batch) for batch in batches]
    logits, truth = (torch.cat(each).cpu().numpy() for each in zip(*found, strict=True))
    return logits[truth >= 0], truth[truth >= 0]


def evaluate(network: ActionNetwork, motions: Path, sequences: int, *, seed: int, window: int) -> dict[str, Any]:
    """Return figures over about `sequences` generated sequences, equally many of each action.

    They are accuracy at the last step by action and its mean, the confusion matrix, average precision and F1 of each
    part state, relevance AUC, and the calibration of the action's score. The network may be on any device; its mode is
    kept.
    """
    last: list[tuple[NDArray[Any], ...]] = []
    states: list[tuple[NDArray[Any], ...]] = []
    relevance: list[tuple[NDArray[Any], ...]] = []
    scored: list[tuple[NDArray[Any], ...]] = []
    for batch, target, outputs in _outputs(network, motions, sequences, seed, window):
        rows, at = np.arange(len(batch.action)), batch.lengths - 1
        known = batch.action[rows, at] >= 0
        last.append((outputs.action_logits.numpy()[rows, at][known], batch.action[rows, at][known]))
        scored.append(_some_steps(batch, target, outputs))
        real = target.real.numpy()
        real[:, np.arange(window) % _EVERY != _EVERY - 1] = False
        states.append(
            (torch.sigmoid(outputs.state_logits).numpy()[real], batch.states[real], target.present.numpy()[real])
        )
        some = real & batch.relevance_known.any(-1)
        shown = target.present.numpy()[some]
        relevance.append((outputs.relevance_logits.numpy()[some][shown], batch.relevance[some][shown]))
    return {
        **action_figures(network.vocabulary.actions, *_joined(last)),
        "relevance_auc": round(area_under_curve(*_joined(relevance)), 3),
        "states": state_figures(network.vocabulary, *_joined(states)),
        "calibration": calibration_figures(*_joined(scored), temperature=float(network.action_lstm.temperature)),
    }


@torch.no_grad()
def _outputs(
    network: ActionNetwork, motions: Path, sequences: int, seed: int, window: int
) -> Iterator[tuple[Batch, Tensors, SequenceOutputs]]:
    """Yield `generated_batches` with the network's outputs in evaluation mode, on the CPU. Its mode is kept."""
    device, training = network.part_mean.device, network.training
    network.eval()
    for _, batch in generated_batches(motions, network.vocabulary, sequences, seed=seed, window=window):
        target = to_tensors(batch)
        there = target.to(device)
        regions = unseen_regions(network, there.real.numel())
        outputs = network(there.parts, there.context, there.present, there.dt, regions)
        yield batch, target, SequenceOutputs(*(tensor.cpu() for tensor in outputs))
    network.train(training)


def _some_steps(batch: Batch, target: Tensors, outputs: SequenceOutputs) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return action logits [n, actions] and truth [n] of every fifth step with a known action."""
    steps = batch.action.shape[1]
    some = target.real.numpy() & (batch.action >= 0) & (np.arange(steps) % _EVERY == _EVERY - 1)
    return outputs.action_logits.numpy()[some], batch.action[some]


def _joined(found: Sequence[tuple[NDArray[Any], ...]]) -> list[NDArray[Any]]:
    return [np.concatenate(columns) for columns in zip(*found, strict=True)]


class KnownActions:
    """Sequences of held-out people and motions that end with each action of a vocabulary in turn."""

    def __init__(self, known: Vocabulary, motions: Path, sequences: int, *, window: int, seed: int) -> None:
        """`sequences`: 0 for none."""
        made = generated_batches(motions, known, sequences, seed=seed, window=window) if sequences else ()
        self._sequences = [to_tensors(batch) for _, batch in made]

    def answers(self, network: ActionNetwork) -> Shares:
        """Return for each action the share of its last steps with each answer; nothing without sequences."""
        if not self._sequences:
            return {}
        names, (logits, truth) = network.vocabulary.actions, known_answers(network, self._sequences)
        given = logits.argmax(-1)
        return {names[index]: answer_shares(given[truth == index], names) for index in np.unique(truth).tolist()}

    def change(self, before: ActionNetwork, after: ActionNetwork) -> dict[str, float]:
        """Return `before` and `after`: the mean accuracy over the actions, of two networks; nothing without
        sequences."""
        if not self._sequences:
            return {}
        each = {"before": before, "after": after}.items()
        return {name: round(macro_accuracy(*known_answers(one, self._sequences)), 4) for name, one in each}


def answer_shares(answers: NDArray[np.int64], names: Sequence[str]) -> Mapping[str, float]:
    """Return the share of each answer that occurs. `answers` int64 [n], by the place in `names`."""
    counts = np.bincount(answers, minlength=len(names)) / len(answers)
    return {name: float(share) for name, share in zip(names, counts, strict=True) if share}


def clip_figures(run: ClipRun[Any], known: KnownActions, network: ActionNetwork, window: int) -> dict[str, Any]:
    """Return figures of held-out clips and of the actions that the start knew."""
    figures = example_figures if isinstance(run.clips, ExampleClips) else verdict_figures
    return figures(run, known, network, window)


def example_figures(run: ExampleRun, known: KnownActions, network: ActionNetwork, window: int) -> dict[str, Any]:
    """Return figures of the learned network; `known`: actions of the start's vocabulary.

    `actions`: of each action with examples, the numbers of clips; with held-out clips, `recall`, the share of their
    steps that are recognised, and `precision`, the share of right answers if every action were equally common.
    Without other actions to confuse it with, the latter is missing. `before` and `after`: mean accuracy over the
    actions of the start on generated sequences, of the start and of the learned network.
    """
    clips = run.clips
    shares = _clip_answers(run, network, window)
    before = known.answers(network)
    found: dict[str, Any] = {}
    for action in clips.actions:
        learned, held_out = clips.count(action, "train"), clips.count(action, "test")
        found[action] = {"new": action in run.new, "learned": learned, "held_out": held_out}
        if action in shares:
            others = before | shares
            wrong = [answers.get(action, 0.0) for other, answers in others.items() if other != action]
            recall = shares[action].get(action, 0.0)
            found[action]["recall"] = round(recall, 4)
            if wrong:
                total = recall + sum(wrong)
                found[action]["precision"] = round(recall / total, 4) if total else 0.0
    return {"actions": found, **known.change(run.start.network, network)}


def _clip_answers(run: ExampleRun, network: ActionNetwork, window: int) -> Shares:
    """Return for each action with held-out clips the share of their steps with each answer."""
    names = network.vocabulary.actions
    videos = [video for video in run.clips.videos if video.role == "test"]
    clips = [video.clip(network.vocabulary) for video in videos]
    found: dict[str, list[NDArray[np.int64]]] = {}
    for video, clip, answers in zip(videos, clips, answer_clips(network, clips, window), strict=True):
        found.setdefault(action_of(video), []).append(answers.logits.argmax(1)[clip.labels.action >= 0])
    return {action: answer_shares(np.concatenate(answers), names) for action, answers in found.items()}


_Steps = dict[tuple[str, str], list[NDArray[np.bool_]]]
"""By figure and said action: for each verdict, which of its steps have an answer, bool [steps]."""


def verdict_figures(run: VerdictRun, known: KnownActions, network: ActionNetwork, window: int) -> dict[str, Any]:
    """Return figures of the learned network; `known`: actions of the start's vocabulary.

    `actions`: of each action that was said, the numbers of verdicts that were learned and held out, and two pairs
    of shares of the held-out verdicts' steps, of the start and of the learned network: `found`, steps of which the
    true action is known that have it as their answer; `false`, steps on which the action was said wrongly that have
    it nevertheless. `before` and `after`: mean accuracy over the actions of the start on generated sequences.
    """
    start, clips = run.start.network, run.clips
    before, after = (_answered(run, one, window) for one in (start, network))
    learned, held_out = clips.counts(held_out=False), clips.counts(held_out=True)
    found: dict[str, Any] = {}
    for said in sorted({*learned, *held_out}):
        found[said] = {"learned": learned.get(said, {}), "held_out": held_out.get(said, {})}
        for figure in ("found", "false"):
            if (figure, said) in after:
                pair = (before[figure, said], after[figure, said])
                found[said][figure] = [round(float(np.concatenate(steps).mean()), 4) for steps in pair]
    return {"actions": found, **known.change(start, network)}


def _answered(run: VerdictRun, network: ActionNetwork, window: int) -> _Steps:
    names = network.vocabulary.actions
    judged = [clip for clip in run.clips.clips if clip.held_out]
    clips = [clip.watched.clip(network.vocabulary) for clip in judged]
    found: _Steps = {}
    for clip, answers in zip(judged, answer_clips(network, clips, window), strict=True):
        answer = np.array(names)[answers.logits.argmax(1)]
        for one in clip.judged:
            own = answer[clip.inside(one)[clip.watched.seen.step]]
            verdict = one.verdict
            if verdict.truth is not None:
                found.setdefault(("found", verdict.said), []).append(own == verdict.truth)
            if verdict.truth != verdict.said:
                found.setdefault(("false", verdict.said), []).append(own == verdict.said)
    return found
