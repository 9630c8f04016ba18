"""Training of a VGG-16 on annotated boxes: which part a box shows, what the part does and what its person does.

The report reads regions with the VGG-16 of a Faster R-CNN (docs/method.md, "Features"), which has learned to tell
classes of boxes apart. This trains that half of a Faster R-CNN on annotated boxes, with states and actions as further
classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.region_features.vgg_features import PictureRegions, VggFeatures
from training.extractor.batch_norm import folded, with_batch_norm
from training.extractor.box_examples import KINDS, UNKNOWN, Example, centre_view, random_view, read_examples
from training.kinetics_tps import Video
from training.picture_training.optimisation import PictureTraining, optimise
from training.picture_training.sampling import endless_examples, shuffled, spread_indices
from training.synthetic.videos.truth import TruthError
from training.video.frames import VideoReadError

TASKS = ("kind", "verb", "action")
FROZEN_STAGES = 2
"""Convolution stages of trained weights that stay frozen : conv1 and conv2, as in Faster R-CNN. Edges and
colours are the same everywhere, and these two have the largest maps."""


@dataclass(frozen=True, slots=True)
class ExtractorTraining(PictureTraining):
    """A training run on the report's input: the shorter side scaled, and of that a random square; with AdamW."""

    steps: int = 2000
    batch: int = 12
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    clip_norm: float = 5.0
    jitter: float = 0.1
    """Largest shift of a box's edges, as a share of its side."""


class BoxReader(nn.Module):
    """An extractor, and one linear layer over a box's feature for each of `TASKS`."""

    def __init__(self, extractor: VggFeatures, verbs: int, actions: int) -> None:
        super().__init__()
        self.extractor = extractor
        self.scores = nn.ModuleDict(
            {name: nn.Linear(extractor.length, n) for name, n in zip(TASKS, (len(KINDS), verbs, actions), strict=True)}
        )

    def forward(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """Return logits float32 [boxes of all examples, classes] by task; all pictures have one shape."""
        device = self.extractor.fc6.weight.device
        pictures = torch.from_numpy(np.stack([one.picture for one in examples])).to(device)
        boxes = torch.from_numpy(np.concatenate([one.boxes for one in examples])).to(device)
        rows = np.repeat(np.arange(len(examples)), [len(one.boxes) for one in examples])
        features = self.extractor([PictureRegions(pictures, boxes, torch.from_numpy(rows).to(device))])
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
    """Train on the annotated frames of `videos`; return the extractor in its reader, in evaluation mode, and the steps
    taken, as `optimise` does.

    `given`: the extractor has trained weights, so its first stages stay frozen and no batch norm is used. Pictures are
    scaled as the extractor's configuration says and cropped to `settings.crop`, a multiple of 16. Raises
    `PictureTrainingError` if no video can be read or the loss is not finite.
    """
    device = extractor.fc6.weight.device
    _freeze(extractor, FROZEN_STAGES if given else 0)
    if not given:
        extractor.features = with_batch_norm(extractor.features).to(device)
    extractor.pictures_at_once = settings.batch
    reader = BoxReader(extractor, len(verbs), len(actions)).to(device).train()
    weights = [weight for weight in reader.parameters() if weight.requires_grad]
    taken = optimise(
        torch.optim.AdamW(weights, settings.learning_rate, weight_decay=settings.weight_decay),
        _batches(root, videos, verbs, actions, extractor.config.short_side, settings),
        lambda examples: losses(reader(examples), examples),
        settings,
        minutes,
    )
    reader.eval()
    if not given:
        extractor.features = folded(extractor.features)
    return reader, taken


def losses(logits: dict[str, Tensor], examples: Sequence[Example]) -> dict[str, Tensor]:
    """Return each task's cross-entropy over the boxes with a known answer; 0 without any."""
    found: dict[str, Tensor] = {}
    for name in TASKS:
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
    frames: int,
) -> dict[str, Any]:
    """Return each task's accuracy over `frames` frames of each video, on the middle square.

    Beside it stands the accuracy of the most frequent answer, which for verbs is each part's own.
    """
    right: dict[str, list[np.ndarray]] = {name: [] for name in TASKS}
    true: dict[str, list[np.ndarray]] = {name: [] for name in TASKS}
    kinds: list[np.ndarray] = []
    side = reader.extractor.config.short_side
    for video in videos:
        for example in read_examples(root, video, spread_indices(video, frames), verbs, actions, side):
            view = centre_view(example, settings.crop)
            if not len(view.boxes):
                continue
            kinds.append(view.kind)
            for name, logits in reader([view]).items():
                true[name].append(getattr(view, name))
                right[name].append(logits.argmax(-1).cpu().numpy() == true[name][-1])
    figures: dict[str, Any] = {"boxes": sum(map(len, kinds))}
    for name in TASKS:
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
    """Yield batches of views that have boxes in them."""
    random = np.random.default_rng(settings.seed)
    views: list[Example] = []

    def read(video: Video, indices: list[int]) -> Iterator[Example]:
        return read_examples(root, video, indices, verbs, actions, short_side)

    examples = endless_examples(videos, settings.frames_per_video, random, read, (VideoReadError, TruthError))
    for (example,) in shuffled(examples, settings.shuffle_buffer - 1, 1, random):
        view = random_view(example, settings.crop, settings.jitter, random)
        if len(view.boxes):
            views.append(view)
        if len(views) == settings.batch:
            yield views
            views = []


def _freeze(extractor: VggFeatures, frozen_stages: int) -> None:
    """Let gradients change the extractor except its first stages of convolutions (conv1, conv2, …).

    The VGG-16 has no batch norm that would have to be frozen.
    """
    extractor.requires_grad_(True)
    stage = 1
    for layer in extractor.features:
        if isinstance(layer, nn.MaxPool2d):
            stage += 1
        elif stage <= frozen_stages:
            layer.requires_grad_(False)
