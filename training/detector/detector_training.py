"""Training of a detector: batches of annotated frames, mmdet's losses, and the average precision on held-out videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
from stages.detection.cascade_rcnn.detector_model import DetectorDescription
from training.detector.box_precision import average_precision
from training.detector.labelled_pictures import read_pictures
from training.kinetics_tps import Video
from training.picture_training.optimisation import PictureTraining, optimise
from training.picture_training.sampling import endless_examples, shuffled, spread_indices
from training.picture_training.views import LabelledPicture, centre_view, random_view, swapped_sides
from training.video.frames import VideoReadError


@dataclass(frozen=True, slots=True)
class DetectorTraining(PictureTraining):
    """A training run on the paper's input: the shorter side scaled to 256, and of that a random square of 224."""

    optimiser: Literal["adamw", "sgd"] = "adamw"
    """adamw learns from random weights in fewer steps; sgd with momentum 0.9, for trained weights, is the paper's."""
    short_side: int = 256


def train_detector(
    model: nn.Module,
    description: DetectorDescription,
    videos: Sequence[Video],
    settings: DetectorTraining,
    device: torch.device,
    minutes: float | None = None,
) -> int:
    """Train `model` in place on the annotated frames of `videos` and return the steps taken, as `optimise` does.

    `settings.crop` must be a multiple of 32. Raises `PictureTrainingError` if no video can be read or the loss is not
    finite.
    """
    model.to(device).train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    batches = _batches(videos, description.classes, settings)
    return optimise(
        _optimiser(weights, settings), batches, lambda batch: losses(model, batch, device), settings, minutes
    )


def losses(model: nn.Module, pictures: Sequence[LabelledPicture], device: torch.device) -> dict[str, Tensor]:
    """Return mmdet's losses of pictures of one size, by name."""
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
    return {
        name: value if isinstance(value, Tensor) else torch.stack(value).sum()
        for name, value in found.items()
        if "loss" in name
    }


def evaluate_detector(
    detector: CascadeRCNN, videos: Sequence[Video], settings: DetectorTraining, device: torch.device, frames: int
) -> dict[str, Any]:
    """Return the average precision of each class at an IoU of 0.5, and its mean, over `frames` frames of each video.

    The detector sees the middle square of `settings.crop` pixels.
    """
    names = detector.description.classes
    found: list[list[np.ndarray]] = [[] for _ in names]
    true: list[list[np.ndarray]] = [[] for _ in names]
    content = torch.full((1, 2), float(settings.crop), device=device)
    pictures = 0
    for video in videos:
        for labelled in read_pictures(video, spread_indices(video, frames), names, settings.short_side):
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
    """Return pictures uint8 RGB `[B, H, W, 3]` as the model takes them: float32 `[B, 3, H, W]`."""
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
    random = np.random.default_rng(settings.seed)
    swapped = swapped_sides(classes)

    def read(video: Video, indices: list[int]) -> Iterator[LabelledPicture]:
        return read_pictures(video, indices, classes, settings.short_side)

    pictures = endless_examples(videos, settings.frames_per_video, random, read, (VideoReadError,))
    for drawn in shuffled(pictures, settings.shuffle_buffer, settings.batch, random):
        yield [random_view(one, settings.crop, swapped, random) for one in drawn]
