"""Trains relevance, part states, part graph and action LSTM of the edge profile on generated motion.

`train` owns the network, the optimiser and the generator for as long as it runs. It leaves a checkpoint, and beside it
`<name>.resume.pt`, from which a run that was cut off goes on to the very numbers an unbroken run gives.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stages import weights
from stages.checkpoint import Checkpoint, save
from stages.geometry import sequence_features
from stages.language_priors import build_priors
from stages.network import ActionNetwork, NetworkConfig, SequenceReading
from stages.part_boxes import part_boxes
from stages.vocabulary import Vocabulary, packaged
from training.dataset import MAX_STEPS, Batch, Generator

LANGUAGE_MODEL = "all-MiniLM-L6-v2"
EDGE_SIZES = NetworkConfig(
    relevance_hidden=32, state_hidden=80, prior_hidden=32, graph_hidden=64, action_width=96, action_hidden=128
)
"""Small enough to see 90,000 sequences in 20 minutes on one processor core; larger ones weren't better on footage."""
Report = Callable[[int, int, dict[str, float]], None]
"""Called as (step, steps, running losses) while training."""


class TrainingError(RuntimeError):
    """Training can't start or go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """What a run depends on. The defaults made the checkpoint that ships."""

    profile: str = "edge"
    seed: int = 0
    steps: int = 3000
    batch: int = 32
    """Sequences a step, of up to 64 steps each."""
    reuse: int = 3
    """Every batch is trained on about so many times: making one costs more than learning from it."""
    pool: int = 40
    """Batches kept for that, about 6 MB each."""
    window: int = MAX_STEPS
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    warm_up: int = 100
    label_smoothing: float = 0.05
    dropout: float = 0.3
    bfloat16: bool = True
    """Compute in bfloat16 where that is safe: nearly twice as fast on recent processors."""
    normalisation_batches: int = 12
    held_out_sequences: int = 2200
    """Sequences of the evaluation on unseen motions, cameras and people; 0 leaves it out."""


@dataclass(slots=True)
class LossWeights:
    """How the parts of the loss are added up, and how rare states are weighted: `positive` [parts, states]."""

    positive: Tensor
    states: float = 1.0
    relevance: float = 0.5
    frame: float = 0.5
    every_step: float = 0.7
    last_step: float = 1.0


@dataclass(frozen=True, slots=True)
class Tensors:
    """A batch as the network takes it: [N, T, …], and its targets. `real` bool [N, T]: not padding."""

    parts: Tensor
    context: Tensor
    present: Tensor
    dt: Tensor
    action: Tensor
    states: Tensor
    relevance: Tensor
    relevance_known: Tensor
    real: Tensor
    last: Tensor


def to_tensors(batch: Batch) -> Tensors:
    """Features of a generated batch, by the code that computes them live."""
    geometry = sequence_features(batch.keypoints, batch.boxes, batch.times_us)
    # The picture's edge is no matter here: joints outside it have scores that leave their part out.
    present = part_boxes(batch.keypoints, batch.boxes, (1e6, 1e6)).present
    steps = batch.action.shape[1]
    real = np.arange(steps) < batch.lengths[:, None]
    seconds = np.diff(batch.times_us, axis=1, prepend=batch.times_us[:, :1]) * 1e-6
    return Tensors(
        parts=torch.from_numpy(geometry.parts),
        context=torch.from_numpy(geometry.context),
        present=torch.from_numpy(present & real[..., None]),
        dt=torch.from_numpy(np.clip(seconds, 0, 2).astype(np.float32)),
        action=torch.from_numpy(batch.action),
        states=torch.from_numpy(batch.states),
        relevance=torch.from_numpy(batch.relevance),
        relevance_known=torch.from_numpy(batch.relevance_known),
        real=torch.from_numpy(real),
        last=torch.from_numpy(batch.lengths - 1),
    )


def losses(
    read: SequenceReading, target: Tensors, mask: Tensor, weights: LossWeights, smoothing: float
) -> dict[str, Tensor]:
    """The terms of the loss (docs/method.md, "Losses") and their weighted sum, `total`."""
    some = target.present[..., None] & mask & target.real[..., None, None]
    state = F.binary_cross_entropy_with_logits(
        read.state_logits, target.states.float(), pos_weight=weights.positive, reduction="none"
    )
    state = (state * some).sum() / some.sum().clamp(min=1)
    known = target.present & target.relevance_known[..., None]
    relevance = F.binary_cross_entropy_with_logits(read.relevance_logits, target.relevance.float(), reduction="none")
    relevance = (relevance * known).sum() / known.sum().clamp(min=1)
    frame = _cross_entropy(read.frame_logits.flatten(0, 1), target.action.flatten(), smoothing)
    every = _cross_entropy(read.action_logits.flatten(0, 1), target.action.flatten(), smoothing)
    rows = torch.arange(len(target.last))
    last = _cross_entropy(read.action_logits[rows, target.last], target.action[rows, target.last], smoothing)
    total = (
        weights.states * state
        + weights.relevance * relevance
        + weights.frame * frame
        + weights.every_step * every
        + weights.last_step * last
    )
    return {"total": total, "states": state, "relevance": relevance, "frame": frame, "every": every, "last": last}


def _cross_entropy(logits: Tensor, target: Tensor, smoothing: float) -> Tensor:
    if not bool((target >= 0).any()):
        return logits.sum() * 0.0
    return F.cross_entropy(logits, target, ignore_index=-1, label_smoothing=smoothing)


class Run:
    """A training run between two steps: network, optimiser, generator, random states. Lives until `train` returns."""

    def __init__(self, config: TrainingConfig, motions: Path, priors: Tensor, vocabulary: Vocabulary) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.generator = Generator(motions, vocabulary, config.seed)
        sizes = replace(EDGE_SIZES, dropout=config.dropout)
        self.network = ActionNetwork(sizes, vocabulary, priors)
        self.mask = torch.from_numpy(vocabulary.mask())
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.step = 0
        self.pool: deque[tuple[dict[str, Any], Tensors]] = deque(maxlen=config.pool)
        """Recent batches, each with the generator's state before it, from which it can be made again."""
        self.weights = LossWeights(torch.ones(self.mask.shape))
        self.history: list[dict[str, float]] = []

    def normalise(self) -> None:
        """Means, spreads and the states' rarity from the first batches, before the first step."""
        made = [self._make() for _ in range(self.config.normalisation_batches)]
        parts = torch.cat([batch.parts[batch.real] for batch in made])
        context = torch.cat([batch.context[batch.real] for batch in made])
        states = torch.cat([batch.states[batch.real] for batch in made]).float().mean(0)
        self.network.set_normalisation(parts.mean(0), parts.std(0), context.mean(0), context.std(0))
        rarity = ((1 - states) / states.clamp(min=1e-3)).sqrt()
        self.weights = LossWeights(rarity.clamp(0.7, 5.0))

    def advance(self) -> dict[str, float]:
        """One step of the optimiser on a new batch; returns its losses."""
        config = self.config
        target = self._next_batch()
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * schedule(self.step, config.steps, config.warm_up)
        self.network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bfloat16):
            read = self.network(target.parts, target.context, target.present, target.dt)
        read = SequenceReading(*(tensor.float() for tensor in read))
        terms = losses(read, target, self.mask, self.weights, config.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        found = {name: float(value.detach()) for name, value in terms.items()}
        if not math.isfinite(found["total"]):
            raise TrainingError(f"the loss is not finite at step {self.step}; try a smaller learning rate")
        self.history.append(found)
        return found

    def _next_batch(self) -> Tensors:
        if self.step % self.config.reuse and len(self.pool) > 1:
            return self.pool[int(torch.randint(len(self.pool), ()))][1]
        self.pool.append((self.generator.state(), self._make()))
        return self.pool[-1][1]

    def _make(self) -> Tensors:
        return to_tensors(self.generator.batch(self.config.batch, self.config.window))

    def save(self, path: Path) -> None:
        """Everything needed to go on, whole or not at all."""
        unfinished = path.with_name(path.name + ".partial")
        torch.save(
            {
                "config": asdict(self.config),
                "step": self.step,
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "positive": self.weights.positive,
                "generator": self.generator.state(),
                "pool": [state for state, _ in self.pool],
                "torch_random": torch.get_rng_state(),
                "history": self.history,
            },
            unfinished,
        )
        unfinished.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from what `save` wrote. Raises TrainingError if it belongs to another configuration."""
        content: dict[str, Any] = torch.load(path, weights_only=True)
        if content["config"] != asdict(self.config):
            differing = sorted(key for key, value in asdict(self.config).items() if content["config"].get(key) != value)
            raise TrainingError(
                f"{path}: was written by a run with another {', '.join(differing)}; give the same options, or remove it"
            )
        self.network.load_state_dict(content["network"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.weights = LossWeights(content["positive"])
        self.pool.clear()
        for state in content["pool"]:
            self.generator.restore(state)
            self.pool.append((state, self._make()))
        self.generator.restore(content["generator"])
        torch.set_rng_state(content["torch_random"])
        self.step, self.history = content["step"], content["history"]


def schedule(step: int, steps: int, warm_up: int) -> float:
    """Learning rate's share of its maximum: linear warm-up, then a cosine down to 2 %."""
    warm_up = min(warm_up, max(1, steps // 10))
    if step < warm_up:
        return (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def train(
    config: TrainingConfig,
    out: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    motions: Path | None = None,
    priors: Tensor | None = None,
    command: str = "",
    report: Report | None = None,
) -> Checkpoint:
    """Train, evaluate on held-out data, and write the checkpoint to `out`.

    `resume` goes on from `<out>.resume.pt` if there is one. `minutes` cuts the run off before `steps` are done: it then
    leaves the resume file and a checkpoint of what there is. `motions` is the folder of motion clips and `priors` the
    language table; by default both come from the cache (`weights.locate`). Raises TrainingError, WeightsError,
    MotionFormatError, LanguageModelError.
    """
    from training.evaluate import evaluate  # evaluation imports this module's tensors

    if config.steps < 1 or config.batch < 2:
        raise TrainingError("training needs at least one step and two sequences a batch")
    vocabulary = packaged(config.profile)
    folder = motions if motions is not None else weights.locate("motion")
    table = priors if priors is not None else build_priors(vocabulary, weights.locate("minilm"))
    run = Run(config, folder, table, vocabulary)
    resume_file = out.with_name(out.name + ".resume.pt")
    out.parent.mkdir(parents=True, exist_ok=True)
    if resume and resume_file.exists():
        run.restore(resume_file)
    else:
        run.normalise()
    started = time.monotonic()
    recent: deque[dict[str, float]] = deque(maxlen=50)
    saved = started
    while run.step < config.steps:
        recent.append(run.advance())
        if report is not None:
            report(run.step, config.steps, {key: float(np.mean([r[key] for r in recent])) for key in recent[0]})
        now = time.monotonic()
        if now - saved > 60.0:
            run.save(resume_file)
            saved = now
        if minutes is not None and now - started > 60.0 * minutes:
            break
    run.save(resume_file)
    metrics: dict[str, Any] = {
        "steps": run.step,
        "sequences": run.step * config.batch,
        "seconds": round(time.monotonic() - started, 1),
        "config": asdict(config),
        "final_loss": round(float(np.mean([r["total"] for r in run.history[-50:]])), 4),
    }
    if config.held_out_sequences:
        metrics["held_out"] = evaluate(run.network, folder, config.held_out_sequences, seed=config.seed + 1000)
    checkpoint = Checkpoint(
        network=run.network.eval(),
        profile=config.profile,
        trained=True,
        language_model=LANGUAGE_MODEL,
        metrics=metrics,
        training_command=command,
    )
    save(checkpoint, out)
    return checkpoint
