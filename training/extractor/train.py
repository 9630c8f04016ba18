"""Training a VGG-16 on annotated boxes: whose part each is, what it does, what its person does; and how well it tells.

The report reads regions with a Faster R-CNN's VGG-16 (docs/method.md, "Features"), which has learned to tell classes of
boxes. This is that half of a Faster R-CNN, the boxes being those of the annotation, with what heads want to know later
as further classes. Owns the extractor while it is trained.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.region_features.vgg_features import PictureRegions, VggFeatures
from training.benchmark.video_runner import VideoReadError
from training.extractor.batch_norm import folded, with_batch_norm
from training.extractor.examples import KINDS, UNKNOWN, Example, centre_view, random_view, read_examples
from training.kinetics_tps import DatasetError, Video
from training.run.learned import tune
from training.synthetic.videos.truth import TruthError

logger = logging.getLogger(__name__)
_RISE = 0.05
"""Share of a run in which the learning rate rises."""
ASKED = ("kind", "verb", "action")
_FROZEN_STAGES = 2
"""conv1 and conv2 of given weights stay as they are, as in Faster R-CNN."""


@dataclass(frozen=True, slots=True)
class ExtractorTraining:
    """A training run. The input is the report's: the shorter side scaled, of that a random square of `crop`."""

    steps: int = 2000
    batch: int = 12
    learning_rate: float = 2e-3
    """The greatest one of AdamW: it rises over the first twentieth of the run, and falls to 0 along a cosine."""
    weight_decay: float = 1e-2
    most_gradient: float = 5.0
    crop: int = 224
    """A multiple of 16."""
    jitter: float = 0.1
    """Share of its side by which a box's edges are moved at most."""
    each_video: int = 4
    """Pictures that are taken out of a video at once: it is decoded for them."""
    shuffled: int = 128
    """Pictures held back, of which each batch is drawn, so that it isn't of one video."""
    seed: int = 0


class BoxReader(nn.Module):
    """An extractor, and one linear layer over a box's feature for each thing that is asked (`ASKED`)."""

    def __init__(self, extractor: VggFeatures, verbs: int, actions: int) -> None:
        super().__init__()
        self.extractor = extractor
        self.scores = nn.ModuleDict(
            {name: nn.Linear(extractor.length, n) for name, n in zip(ASKED, (len(KINDS), verbs, actions), strict=True)}
        )

    def forward(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """Logits float32 [boxes of all examples, classes] by what is asked; pictures are of one shape."""
        device = self.extractor.fc6.weight.device
        pictures = torch.from_numpy(np.stack([one.picture for one in examples])).to(device)
        boxes = torch.from_numpy(np.concatenate([one.boxes for one in examples])).to(device)
        which = np.repeat(np.arange(len(examples)), [len(one.boxes) for one in examples])
        features = self.extractor([PictureRegions(pictures, boxes, torch.from_numpy(which).to(device))])
        return {name: layer(features) for name, layer in self.scores.items()}


def train_extractor(
    extractor: VggFeatures,
    root: Path,
    videos: Sequence[Video],
    verbs: Sequence[str],
    actions: Sequence[str],
    settings: ExtractorTraining,
    *,
    given: bool,
    minutes: float | None = None,
) -> tuple[BoxReader, int]:
    """Train on the annotated frames of `videos`, for so many steps or `minutes`, whichever is over first; returns the
    trained extractor in its reader, in evaluation mode, and the steps taken.

    `given`: the extractor has weights that are worth keeping: its first stages stay as they are, and no batch norm
    takes part. Pictures are read as the extractor's configuration says, but for their size, which is `crop`. Raises
    `DatasetError` where no video can be read, and ValueError where the loss is no longer a number.
    """
    device = extractor.fc6.weight.device
    tune(extractor, _FROZEN_STAGES if given else 0)
    if not given:
        extractor.features = with_batch_norm(extractor.features).to(device)
    extractor.pictures_at_once = settings.batch
    reader = BoxReader(extractor, len(verbs), len(actions)).to(device).train()
    weights = [weight for weight in reader.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(weights, settings.learning_rate, weight_decay=settings.weight_decay)
    began, seconds = time.monotonic(), math.inf if minutes is None else max(minutes * 60, 1e-9)
    batches = _batches(root, videos, verbs, actions, extractor.config.short_side, settings)
    taken = settings.steps
    for step in range(settings.steps):
        done = max(step / settings.steps, (time.monotonic() - began) / seconds)
        if done >= 1:
            taken = step
            break
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * min(done / _RISE, 0.5 * (1 + math.cos(math.pi * done)))
        examples = next(batches)
        terms = losses(reader(examples), examples)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise ValueError(
                f"the loss is {total.item()} at step {step}: train with a lower learning rate than "
                f"{settings.learning_rate}"
            )
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(weights, settings.most_gradient)
        optimiser.step()
        if step % 20 == 0:
            shown = ", ".join(f"{name} {float(value.detach()):.3f}" for name, value in terms.items())
            logger.info("step %d of %d: %s", step, settings.steps, shown)
    reader.eval()
    if not given:
        extractor.features = folded(extractor.features)
    return reader, taken


def losses(logits: dict[str, Tensor], examples: Sequence[Example]) -> dict[str, Tensor]:
    """Cross-entropy of each thing that is asked, over the boxes of which it is known; 0 where it is of none."""
    found: dict[str, Tensor] = {}
    for name in ASKED:
        truth = torch.from_numpy(np.concatenate([getattr(one, name) for one in examples])).to(logits[name].device)
        summed = F.cross_entropy(logits[name], truth, ignore_index=UNKNOWN, reduction="sum")
        found[name] = summed / (truth != UNKNOWN).sum().clamp(min=1)
    return found


@torch.no_grad()
def evaluate_extractor(
    reader: BoxReader,
    root: Path,
    videos: Sequence[Video],
    verbs: Sequence[str],
    actions: Sequence[str],
    settings: ExtractorTraining,
    each_video: int,
) -> dict[str, Any]:
    """How often the greatest logit is right, over `each_video` frames of each video, on the middle square; and how
    often the most frequent answer would be, which for verbs is each part's own."""
    right: dict[str, list[np.ndarray]] = {name: [] for name in ASKED}
    true: dict[str, list[np.ndarray]] = {name: [] for name in ASKED}
    kinds: list[np.ndarray] = []
    side = reader.extractor.config.short_side
    for video in videos:
        every = max(1, len(video.frames) // each_video)
        indices = [frame.index for frame in video.frames[every // 2 :: every]][:each_video]
        for example in read_examples(root, video, indices, verbs, actions, side):
            view = centre_view(example, settings.crop)
            if not len(view.boxes):
                continue
            kinds.append(view.kind)
            for name, logits in reader([view]).items():
                true[name].append(getattr(view, name))
                right[name].append(logits.argmax(-1).cpu().numpy() == true[name][-1])
    figures: dict[str, Any] = {"boxes": sum(map(len, kinds))}
    for name in ASKED:
        if not kinds:
            continue
        hits, truth, of = np.concatenate(right[name]), np.concatenate(true[name]), np.concatenate(kinds)
        known = truth != UNKNOWN
        if known.any():
            of = of if name == "verb" else np.zeros_like(of)
            most = sum(np.bincount(truth[known & (of == kind)]).max() for kind in np.unique(of[known]))
            figures[name] = {
                "right": round(float(hits[known].mean()), 3), "most_frequent": round(float(most / known.sum()), 3)
            }  # fmt: skip
    return figures


def _batches(
    root: Path,
    videos: Sequence[Video],
    verbs: Sequence[str],
    actions: Sequence[str],
    short_side: int,
    settings: ExtractorTraining,
) -> Iterator[list[Example]]:
    """Without end: views of pictures, with boxes in them, drawn from a buffer that is filled video after video."""
    random = np.random.default_rng(settings.seed)
    held: list[Example] = []
    views: list[Example] = []
    for example in _examples(root, videos, verbs, actions, short_side, settings, random):
        held.append(example)
        if len(held) < settings.shuffled:
            continue
        view = random_view(held.pop(int(random.integers(len(held)))), settings.crop, settings.jitter, random)
        if len(view.boxes):
            views.append(view)
        if len(views) == settings.batch:
            yield views
            views = []


def _examples(
    root: Path,
    videos: Sequence[Video],
    verbs: Sequence[str],
    actions: Sequence[str],
    short_side: int,
    settings: ExtractorTraining,
    random: np.random.Generator,
) -> Iterator[Example]:
    broken: set[str] = set()
    while len(broken) < len(videos):
        for at in random.permutation(len(videos)):
            video = videos[at]
            if video.name in broken:
                continue
            frames = random.choice(len(video.frames), min(settings.each_video, len(video.frames)), replace=False)
            indices = [video.frames[frame].index for frame in frames]
            try:
                yield from read_examples(root, video, indices, verbs, actions, short_side)
            except (VideoReadError, TruthError) as error:
                broken.add(video.name)
                logger.warning("%s; left out of training", error)
    raise DatasetError(f"{root}: none of the videos can be read: `partstream data check` lists what is wrong with them")
