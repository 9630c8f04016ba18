"""Training a detector: batches of annotated frames, mmdet's losses, and the average precision on held-out videos.

Owns the model while it is trained; the file that it writes loads as any detector
(`stages.detection.cascade_rcnn.detector_file`).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
from stages.detection.cascade_rcnn.detector_model import DetectorDescription
from training.benchmark.video_runner import VideoReadError
from training.detector.augmentation import centre_view, random_view, swapped_sides
from training.detector.average_precision import average_precision
from training.detector.pictures import LabelledPicture, read_pictures
from training.kinetics_tps import Video

logger = logging.getLogger(__name__)
_RISE = 0.05
"""Share of a run in which the learning rate rises."""


@dataclass(frozen=True, slots=True)
class DetectorTraining:
    """A training run. The input is the paper's: the shorter side scaled to 256, of that a random square of 224."""

    steps: int = 1000
    batch: int = 8
    optimiser: Literal["adamw", "sgd"] = "adamw"
    """adamw learns from nothing in fewer steps; sgd with momentum 0.9 is the paper's, for pre-trained weights."""
    learning_rate: float = 1e-3
    """The greatest one: it rises over the first twentieth of the run, and falls to 0 along a cosine."""
    weight_decay: float = 1e-4
    most_gradient: float = 10.0
    short_side: int = 256
    crop: int = 224
    """A multiple of 32."""
    each_video: int = 4
    """Pictures that are taken out of a video at once: it is decoded for them."""
    shuffled: int = 128
    """Pictures held back, of which each batch is drawn, so that it isn't of one video."""
    seed: int = 0


class DetectorTrainingError(RuntimeError):
    """Training can't go on; the message says what to change."""


def train_detector(
    model: nn.Module,
    description: DetectorDescription,
    videos: Sequence[Video],
    settings: DetectorTraining,
    device: torch.device,
    minutes: float | None = None,
) -> int:
    """Train `model` in place on the annotated frames of `videos`, for so many steps or `minutes`, whichever is over
    first. Returns the steps taken.

    Raises `DetectorTrainingError` where no video can be read, or the loss is no longer a number.
    """
    model.to(device).train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = _optimiser(weights, settings)
    began, seconds = time.monotonic(), math.inf if minutes is None else max(minutes * 60, 1e-9)
    batches = _batches(videos, description.classes, settings)
    for step in range(settings.steps):
        done = max(step / settings.steps, (time.monotonic() - began) / seconds)
        if done >= 1:
            return step
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * min(done / _RISE, 0.5 * (1 + math.cos(math.pi * done)))
        total, terms = losses(model, next(batches), device)
        if not torch.isfinite(total):
            raise DetectorTrainingError(
                f"the loss is {total.item()} at step {step}: train with a lower learning rate than "
                f"{settings.learning_rate}"
            )
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(weights, settings.most_gradient)
        optimiser.step()
        if step % 20 == 0:
            shown = ", ".join(f"{name} {float(value.detach()):.3f}" for name, value in sorted(terms.items()))
            logger.info("step %d of %d: %s", step, settings.steps, shown)
    return settings.steps


def losses(
    model: nn.Module, pictures: Sequence[LabelledPicture], device: torch.device
) -> tuple[Tensor, dict[str, Tensor]]:
    """mmdet's losses of pictures of one size, and their sum."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    samples: list[Any] = []
    for labelled in pictures:
        height, width = labelled.picture.shape[:2]
        size = (height, width)
        sample = DetDataSample(
            metainfo={
                "img_shape": size, "ori_shape": size, "pad_shape": size, "batch_input_shape": size,
                "scale_factor": (1.0, 1.0),
            }
        )  # fmt: skip
        sample.gt_instances = InstanceData(  # pyright: ignore[reportAttributeAccessIssue]
            bboxes=torch.from_numpy(labelled.boxes).to(device), labels=torch.from_numpy(labelled.labels).to(device)
        )
        samples.append(sample)
    stacked = torch.from_numpy(np.stack([labelled.picture for labelled in pictures])).to(device)
    of_mmdet: Any = model
    found: dict[str, Any] = of_mmdet.loss(_normalised(of_mmdet.data_preprocessor, stacked), samples)
    terms: dict[str, Tensor] = {
        name: value if isinstance(value, Tensor) else torch.stack(value).sum()
        for name, value in found.items()
        if "loss" in name
    }
    return torch.stack([value.sum() for value in terms.values()]).sum(), terms


def evaluate_detector(
    detector: CascadeRCNN, videos: Sequence[Video], settings: DetectorTraining, device: torch.device, each_video: int
) -> dict[str, Any]:
    """The average precision of each class at an IoU of a half, and its mean, over `each_video` frames of each video, on
    the middle square of `settings.crop`.
    """
    names = detector.description.classes
    found: list[list[np.ndarray]] = [[] for _ in names]
    true: list[list[np.ndarray]] = [[] for _ in names]
    content = torch.full((1, 2), float(settings.crop), device=device)
    pictures = 0
    for video in videos:
        every = max(1, len(video.frames) // each_video)
        indices = [frame.index for frame in video.frames[every // 2 :: every]][:each_video]
        for labelled in read_pictures(video, indices, names, settings.short_side):
            view = centre_view(labelled, settings.crop)
            _, heads = detector(torch.from_numpy(np.ascontiguousarray(view.picture))[None].to(device), content)
            rows = detector.boxes(heads)[0].cpu().numpy()
            pictures += 1
            for label in range(len(names)):
                found[label].append(rows[(rows[:, 5] == label) & (rows[:, 4] > 0), :5])
                true[label].append(view.boxes[view.labels == label])
    figures = {name: average_precision(found[row], true[row]) for row, name in enumerate(names)}
    known = {name: round(value, 3) for name, value in figures.items() if value is not None}
    mean = round(sum(known.values()) / len(known), 3) if known else None
    return {"pictures": pictures, "ap50": known, "mean_ap50": mean}


def _normalised(preprocessor: Any, pictures: Tensor) -> Tensor:
    """uint8 RGB `[B, H, W, 3]` as the model wants it, `[B, 3, H, W]`."""
    planes = pictures.permute(0, 3, 1, 2).float()
    if not preprocessor._channel_conversion:
        planes = planes.flip(1)
    return (planes - preprocessor.mean) / preprocessor.std


def _optimiser(weights: list[nn.Parameter], settings: DetectorTraining) -> torch.optim.Optimizer:
    if settings.optimiser == "sgd":
        return torch.optim.SGD(weights, settings.learning_rate, 0.9, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(weights, settings.learning_rate, weight_decay=settings.weight_decay)


def _batches(
    videos: Sequence[Video], classes: Sequence[str], settings: DetectorTraining
) -> Iterator[list[LabelledPicture]]:
    """Without end: views of pictures that were drawn from a buffer that is filled video after video."""
    random = np.random.default_rng(settings.seed)
    swapped = swapped_sides(classes)
    held: list[LabelledPicture] = []
    for labelled in _pictures(videos, classes, settings, random):
        held.append(labelled)
        if len(held) < settings.shuffled + settings.batch:
            continue
        drawn = [held.pop(int(random.integers(len(held)))) for _ in range(settings.batch)]
        yield [random_view(one, settings.crop, swapped, random) for one in drawn]


def _pictures(
    videos: Sequence[Video], classes: Sequence[str], settings: DetectorTraining, random: np.random.Generator
) -> Iterator[LabelledPicture]:
    broken: set[str] = set()
    while len(broken) < len(videos):
        for at in random.permutation(len(videos)):
            video = videos[at]
            if video.name in broken:
                continue
            count = min(settings.each_video, len(video.frames))
            frames = random.choice(len(video.frames), count, replace=False)
            try:
                yield from read_pictures(
                    video, [video.frames[frame].index for frame in frames], classes, settings.short_side
                )
            except VideoReadError as error:
                broken.add(video.name)
                logger.warning("%s; left out of training", error)
    raise DetectorTrainingError("none of the videos can be read: `partstream data check` lists what is wrong with them")
