"""A training run between two steps: trained modules, optimiser, batches and random states.

`Run.advance` is one step; `run_state.py` saves and restores a run.
"""

from __future__ import annotations

import copy
import logging
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stages.heads.network import ActionNetwork, NetworkConfig, SequenceOutputs
from stages.profiles import load_checkpoint
from stages.region_features.roi_features import RoiConfig
from stages.region_features.step_features import object_regions_of
from stages.region_features.step_regions import REGION_OF_PART
from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Clip
from training.run.learning.batches import Batches
from training.run.learning.losses import KeptAnswers, losses, measure_rarity
from training.run.learning.warm_start import (
    WarmStartError,
    begin_from,
    begin_with_new_actions,
)
from training.sequences import Source, Tensors
from training.settings.run_config import ModelConfig, OptimiserConfig, TrainingConfig

logger = logging.getLogger(__name__)

MIN_SCALE = 1.0
"""With float16, a smaller scale of the loss means that the gradients overflow at any scale."""


class TrainingError(RuntimeError):
    """Training cannot start or continue; the message says what to do."""


class DivergedError(TrainingError):
    """A loss or the gradient is not finite; the message names the step and the loss. The weights are those of the step
    before."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step of the optimiser: its number from 1, the losses by name, the learning rate, and the gradient's norm
    before clipping (infinite if float16 overflowed and the step was skipped)."""

    step: int
    losses: Mapping[str, float]
    learning_rate: float
    gradient_norm: float


class Run:
    """Everything that a step changes."""

    def __init__(
        self,
        config: TrainingConfig,
        motions: Path,
        priors: Tensor,
        vocabulary: Vocabulary,
        clips: Sequence[Clip] = (),
        fingerprint: str | None = None,
        recorded: Mapping[str, Source] | None = None,
        known: ActionNetwork | None = None,
    ) -> None:
        """`motions`: the folder of motion clips; `priors`: the language table; `clips`: the training videos of a data
        folder; `recorded`: sources of recorded motion, and of clips, by name; `fingerprint`: of the videos and the
        recorded motion. `known`: with clips, the network that begins, whose actions are the first of `vocabulary`.

        Raises TrainingError for a device that is missing or unsuitable, and for data that cannot be learned from.
        """
        self.config = config
        self.fingerprint = fingerprint
        self.device = choose_device(config)
        torch.manual_seed(config.seed)
        # Nothing draws from these two at present; a future source of samples would follow the seed as well.
        random.seed(config.seed)
        np.random.seed(config.seed)
        try:
            only = None if known is None else known.vocabulary
            self.batches = Batches(config, motions, vocabulary, clips, self.device, recorded, only)
        except ValueError as error:
            raise TrainingError(str(error)) from None
        # Created on the CPU, so that the initial weights depend on the seed and not on the device.
        try:
            network = ActionNetwork(network_sizes(config.model), vocabulary, priors)
        except ValueError as error:
            raise TrainingError(str(error)) from None
        self.network = network.to(self.device)
        self.mask = torch.from_numpy(vocabulary.mask()).to(self.device)
        self.optimiser = optimiser_for(self.network, config.optimiser)
        self._autocast = autocast_type(config, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "float16")
        self.average: WeightAverage | None = None
        if config.optimiser.ema_decay:
            self.average = WeightAverage(self.network, config.optimiser.ema_decay)
        self.positive = torch.ones(self.mask.shape, device=self.device)
        self._known = known
        self._kept: KeptAnswers | None = None
        added = config.data.clips
        if known is not None and added is not None and added.keep_weight:
            self._kept = KeptAnswers(known, self.batches.place(added.name), added.keep_weight, self.device)
        self.step = 0

    @property
    def evaluated(self) -> ActionNetwork:
        """The network to evaluate and save: with the running mean of the weights, if there is one."""
        return self.network if self.average is None else self.average.network

    def normalise(self) -> None:
        """Compute means, standard deviations and weights of rare states from the first batches, before the first step.

        Raises TrainingError if the network reads RoI features and none of the batches has any.
        """
        made = [self.batches.fresh() for _ in range(self.config.data.normalisation_batches)]
        parts = torch.cat([batch.parts[batch.real] for batch in made])
        context = torch.cat([batch.context[batch.real] for batch in made])
        self.network.set_normalisation(parts.mean(0), parts.std(0), context.mean(0), context.std(0))
        if self.network.config.visual:
            regions = torch.cat([_shown_regions(batch) for batch in made])
            if not len(regions):
                raise TrainingError(
                    "none of the first batches has a region, so model.visual cannot be learned; raise "
                    "data.normalisation_batches, or lower data.visual_dropout"
                )
            self.network.set_visual_normalisation(regions.mean(0), regions.std(0))
        self.positive = measure_rarity(made, self.config.states)

    def start_from(self, profile: str) -> None:
        """Begin with the weights of a checkpoint, by path or profile.

        Raises TrainingError if they do not fit, and WeightsError if it cannot be read.
        """
        try:
            if self._known is not None:
                begin_with_new_actions(self.network, self._known)
            else:
                begin_from(self.network, load_checkpoint(profile, self.device).network)
        except WarmStartError as error:
            raise TrainingError(f"start: {profile}: can't be used: {error}") from None
        if self.average is not None:
            self.average = WeightAverage(self.network, self.average.decay)

    def advance(self) -> StepReport:
        """Take one step of the optimiser on one batch. Raises DivergedError instead of a step that is not finite."""
        config = self.config
        target = self.batches.next()
        rate = config.optimiser.learning_rate * schedule(
            self.step, config.steps, config.optimiser.warm_up, config.optimiser.final_share
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        with torch.autocast(self.device.type, dtype=self._autocast, enabled=self._autocast is not None):
            outputs = self.network(target.parts, target.context, target.present, target.dt, target.visual, target.real)
        # Losses in float32: sums over a batch need more than 8 bits of mantissa.
        outputs = SequenceOutputs(*(tensor.float() for tensor in outputs))
        labelled = target if self._kept is None else self._kept.unlabelled(target)
        terms = losses(outputs, labelled, self.mask, self.positive, config)
        if self._kept is not None:
            terms["total"] = terms["total"] + self._kept.weight * self._kept.loss(outputs, target, self.mask)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(terms["total"]).backward()
        self.scaler.unscale_(self.optimiser)
        limit = config.optimiser.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), math.inf if limit is None else limit)
        # One copy to the host per step.
        *found, length = torch.stack([*(term.detach() for term in terms.values()), norm.detach()]).tolist()
        report = StepReport(self.step + 1, dict(zip(terms, found, strict=True)), rate, length)
        self._check_finite(report)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        if self.average is not None:
            self.average.update(self.network, self.step)
        return report

    def _check_finite(self, report: StepReport) -> None:
        broken = [name for name, value in report.losses.items() if not math.isfinite(value)]
        terms = [name for name in broken if name != "total"] or broken
        if terms:
            shown = ", ".join(f"{name} ({report.losses[name]})" for name in terms)
            raise DivergedError(
                f"step {report.step}: the loss is not finite: {shown}; try a smaller optimiser.learning_rate, or "
                "precision: float32"
            )
        overflow = self.scaler.is_enabled() and self.scaler.get_scale() > MIN_SCALE
        if not math.isfinite(report.gradient_norm) and not overflow:
            raise DivergedError(
                f"step {report.step}: the gradient is not finite, though the loss is; try a smaller "
                "optimiser.learning_rate, or precision: float32"
            )


def _shown_regions(batch: Tensors) -> Tensor:
    """Return the RoI features [n, F] of every region seen, without those of absent parts."""
    visual = batch.visual
    assert visual is not None
    known = batch.real.flatten() if visual.known is None else visual.known
    parts = visual.parts[known]
    seen = batch.present.flatten(0, 1)[known][:, : parts.shape[1]]
    return torch.cat([parts[seen], visual.objects[known].flatten(0, 1)])


def network_sizes(model: ModelConfig) -> NetworkConfig:
    """Return the network's configuration.

    With the detector's maps, a part's object is the region at its hand; with a VGG-16, all parts have the same object.
    """
    sizes = model.model_dump(exclude={"visual", "language_model", "detector", "regions", "vgg"})
    if model.visual == "none":
        return NetworkConfig(**sizes)
    sizes |= {"visual": True, "visual_regions": model.visual}
    if model.regions == "vgg":
        return NetworkConfig(
            **sizes, visual_features=model.vgg.hidden, object_regions=object_regions_of(len(REGION_OF_PART))
        )
    pooling = RoiConfig(model.visual_strides, model.visual_bins)
    return NetworkConfig(
        **sizes,
        visual_features=pooling.length(),
        visual_samples=pooling.samples,
        object_regions=REGION_OF_PART,
    )


def optimiser_for(network: ActionNetwork, config: OptimiserConfig) -> torch.optim.Optimizer:
    """Return the configured optimiser over all trained weights."""
    weights, decay = list(network.parameters()), config.weight_decay
    if config.name == "sgd":
        return torch.optim.SGD(weights, config.learning_rate, config.momentum, weight_decay=decay)
    return torch.optim.AdamW(weights, config.learning_rate, weight_decay=decay)


def choose_device(config: TrainingConfig) -> torch.device:
    """Return the configured device. Raises TrainingError if it is not available or lacks the configured precision."""
    name = config.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise TrainingError(f"device: {config.device!r} is not auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise TrainingError(
            f"device: {config.device!r} is not available; CUDA devices found: {torch.cuda.device_count()}"
        )
    if device.type == "cpu" and config.precision == "float16":
        raise TrainingError("precision: float16 needs CUDA; on the CPU use bfloat16 or float32")
    return device


def schedule(step: int, steps: int, warm_up: int, final_share: float = 0.02) -> float:
    """Return the learning rate as a share of its peak: linear warm-up for at most a tenth of the run, then a cosine
    down to `final_share`."""
    warm_up = min(warm_up, max(1, steps // 10))
    if step < warm_up:
        return (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    return final_share + (1 - final_share) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class WeightAverage:
    """Running mean of the weights (EMA), which is evaluated and saved in place of the noisier current weights.

    It moves towards the trained weights by 1 − decay per step; buffers are copied.
    """

    def __init__(self, network: ActionNetwork, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: ActionNetwork, step: int) -> None:
        """Update after optimiser step `step` (from 1); the decay is at most (1 + step) / (10 + step)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.network.parameters(), network.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)
        self.network.eval()  # drops values cached from the old weights


def autocast_type(config: TrainingConfig, device: torch.device) -> torch.dtype | None:
    """Return the type, or None for float32: also for bfloat16 on a CPU that cannot compute LSTMs in it."""
    if config.precision == "float32":
        return None
    if config.precision == "float16":
        return torch.float16
    if device.type == "cpu" and not _cpu_has_bfloat16():
        logger.warning(
            "precision: this processor cannot compute in bfloat16; the run computes in float32; set precision: float32"
        )
        return None
    return torch.bfloat16


@cache
def _cpu_has_bfloat16() -> bool:
    """Return whether torch computes LSTMs in bfloat16 on this processor; torch has no public function for this."""
    try:
        # The weights are random, and must not change the numbers that the run draws.
        with torch.random.fork_rng(devices=[]), torch.autocast("cpu", dtype=torch.bfloat16):
            nn.LSTM(4, 4)(torch.zeros(1, 1, 4))
    except RuntimeError:
        return False
    return True
