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

from stages.detection.region_detector import PERSON
from stages.region_features.vgg_features import PictureRegions, VggConfig, VggFeatures
from stages.region_features.vgg_weights import load_features, save_features
from stages.vocabulary import PARTS
from training.annotated_videos.region_sources import weights_file
from training.annotated_videos.step_labels import KnownPerson, box_iou, read_known
from training.kinetics_tps import AnnotatedFrame, Dataset, Seen, Video
from training.kinetics_tps.names import swapped_sides
from training.kinetics_tps.seen_labels import OUTSIDE
from training.kinetics_tps.video_roles import divided
from training.picture_training.command_line import HELD_OUT_FRAMES
from training.picture_training.pictures import (
    LabelledPicture,
    PictureTraining,
    centre_view,
    endless_examples,
    optimise,
    random_view,
    scaled_boxes,
    scaled_frames,
    shuffled,
    spread_indices,
    training_device,
)
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

    def forward(self, examples: Sequence[LabelledPicture]) -> dict[str, Tensor]:
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


def losses(logits: dict[str, Tensor], examples: Sequence[LabelledPicture]) -> dict[str, Tensor]:
    """Return each task's cross-entropy over the boxes with a known answer; 0 without any."""
    found: dict[str, Tensor] = {}
    labels = np.concatenate([one.labels for one in examples])
    for task, name in enumerate(TASKS):
        truth = torch.from_numpy(labels[:, task]).to(logits[name].device)
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
            kinds.append(view.labels[:, 0])
            for name, logits in reader([view]).items():
                true[name].append(view.labels[:, TASKS.index(name)])
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
) -> Iterator[list[LabelledPicture]]:
    """Yield batches of views that have boxes in them."""
    random = np.random.default_rng(settings.seed)
    views: list[LabelledPicture] = []

    def read(video: Video, indices: list[int]) -> Iterator[LabelledPicture]:
        return read_examples(root, video, indices, verbs, actions, short_side)

    examples = endless_examples(videos, settings.frames_per_video, random, read, (VideoReadError, TruthError))
    for (example,) in shuffled(examples, settings.shuffle_buffer - 1, 1, random):
        view = random_view(example, settings.crop, _MIRRORED, random, settings.jitter)
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


KINDS = (PERSON, *PARTS)
UNKNOWN = -1
_SAME_PERSON_IOU = 0.8
"""Least IoU of an annotated box and the truth's of the same person: annotated boxes are rounded to whole pixels."""
_MIRRORED = swapped_sides(KINDS)


def read_examples(
    root: Path, video: Video, indices: Sequence[int], verbs: Sequence[str], actions: Sequence[str], short_side: int
) -> Iterator[LabelledPicture]:
    """Yield the annotated frames with these indices, in order, their shorter side scaled to `short_side`.

    The labels `[n, 3]` of a box are an index of `KINDS`, and of the verb of the part and the action of its person in
    the given lists, or `UNKNOWN`. Raises `training.video.frames.VideoReadError`, and
    `training.synthetic.videos.truth.TruthError` for an invalid truth file.
    """
    _, known = read_known(root, video)
    for lease, frame, scale in scaled_frames(video, indices, short_side):
        doing = _actions(frame, known[frame.index - 1])
        rows: list[tuple[tuple[float, ...], int, int, int]] = []
        for person, action in zip(frame.people, doing, strict=True):
            does = _place(action, actions)
            rows.append((person.box, 0, UNKNOWN, does))
            for name, part in person.parts.items():
                if name not in KINDS:
                    continue
                verb = UNKNOWN if part.verb == OUTSIDE else _place(part.verb, verbs)
                rows.append((part.box, KINDS.index(name), verb, does))
        labels = np.array([row[1:] for row in rows], np.int64).reshape(-1, len(TASKS))
        yield LabelledPicture(lease.picture, scaled_boxes([row[0] for row in rows], scale), labels)


def _actions(frame: AnnotatedFrame, known: Sequence[KnownPerson]) -> list[str | None]:
    """Return each annotated person's action: that of the known person with the same box."""
    if not known:
        return [None] * len(frame.people)
    mine, theirs = ([person.box for person in people] for people in (frame.people, known))
    overlap = box_iou(np.array(mine, np.float64).reshape(-1, 4), np.array(theirs, np.float64))
    return [known[int(row.argmax())].action if row.max() >= _SAME_PERSON_IOU else None for row in overlap]


def _place(name: str | None, names: Sequence[str]) -> int:
    return names.index(name) if name in names else UNKNOWN


def with_batch_norm(trunk: nn.Sequential) -> nn.Sequential:
    """Return the trunk's layers with a batch norm after each convolution."""
    layers: list[nn.Module] = []
    for layer in trunk:
        layers.append(layer)
        if isinstance(layer, nn.Conv2d):
            layers.append(nn.BatchNorm2d(layer.out_channels))
    return nn.Sequential(*layers)


@torch.no_grad()
def folded(normed: nn.Sequential) -> nn.Sequential:
    """Return a trunk without norms that equals `normed` in evaluation mode; its convolutions are changed in place.

    A convolution w, b and a norm with mean m, variance v, scale g and shift s become w · g / √(v + ε) and
    (b − m) · g / √(v + ε) + s. Do not use `normed` afterwards.
    """
    layers: list[nn.Module] = []
    for layer in normed:
        if not isinstance(layer, nn.BatchNorm2d):
            layers.append(layer)
            continue
        convolution = layers[-1]
        assert isinstance(convolution, nn.Conv2d) and convolution.bias is not None
        mean, variance = layer.running_mean, layer.running_var
        assert mean is not None and variance is not None
        scale = layer.weight / (variance + layer.eps).sqrt()
        convolution.weight.mul_(scale[:, None, None, None])
        convolution.bias.copy_((convolution.bias - mean) * scale + layer.bias)
    return nn.Sequential(*layers)


def run_training(
    data: Path,
    out: Path,
    settings: ExtractorTraining,
    *,
    start: str | None = None,
    sizes: tuple[int, int],
    device: str = "cpu",
    minutes: float | None = None,
    held_out_share: float = 0.1,
    frames: int = HELD_OUT_FRAMES,
) -> dict[str, Any]:
    """Train on a folder's videos, write the extractor, and return its figures on the held-out videos.

    `start` names the initial weights, published ones or a file; None for random weights of `sizes` (channels, hidden).
    The figures use `frames` frames of each video. Raises `DatasetError`, `WeightsError`, and
    `PictureTrainingError`.
    """
    videos = list(Dataset(data).train())
    learned, held_out = divided(videos, held_out_share)
    seen = Seen(videos)
    actions = sorted(seen.actions)
    verbs = sorted({verb for _, verb in seen.states} - {OUTSIDE})
    torch_device = training_device(device)
    torch.manual_seed(settings.seed)
    if start is None:
        extractor = VggFeatures(VggConfig(*sizes, dropout=0.2)).to(torch_device)
    else:
        extractor = load_features(weights_file(start), torch_device)
    reader, _ = train_extractor(
        extractor, data, learned, verbs, actions, settings, given=start is not None, minutes=minutes
    )
    save_features(reader.extractor, out)
    return evaluate_extractor(reader, data, held_out, verbs, actions, settings, frames)
