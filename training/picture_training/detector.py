"""Training of a detector: batches of annotated frames, mmdet's losses, and the average precision on held-out videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ring_buffers.frames import Lease
from stages.detection.cascade_rcnn import detector_file
from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
from stages.detection.cascade_rcnn.detector_model import DetectorDescription, build, narrow_detector, paper_detector
from stages.detection.detections import DetectorError
from stages.detection.region_detector import PERSON
from stages.vocabulary import PARTS
from training.benchmark.measures import iou
from training.kinetics_tps import AnnotatedFrame, Box, Dataset, Lists, Video
from training.kinetics_tps.names import swapped_sides
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


NOTHING = "none"
"""The entry for no object in a list of objects."""


def classes_of(lists: Lists, videos: Sequence[Video]) -> tuple[str, ...]:
    """Return the classes to detect: person, the parts, and the listed objects; without a list, the annotated ones."""
    named = set(lists.objects) or {thing.name for video in videos for frame in video.frames for thing in frame.objects}
    return (PERSON, *PARTS, *sorted(named - {NOTHING, PERSON, *PARTS}))


def read_pictures(
    video: Video, indices: Sequence[int], classes: Sequence[str], short_side: int
) -> Iterator[LabelledPicture]:
    """Yield the annotated frames with these indices, in order, their shorter side scaled to `short_side`.

    Raises `training.video.frames.VideoReadError`.
    """
    numbers = {name: row for row, name in enumerate(classes)}
    for lease, frame, scale in scaled_frames(video, indices, short_side):
        yield _labelled(lease, frame, scale, numbers)


def _labelled(
    lease: Lease, frame: AnnotatedFrame, scale: NDArray[np.float32], numbers: Mapping[str, int]
) -> LabelledPicture:
    found: list[tuple[str, Box]] = []
    for person in frame.people:
        found.append((PERSON, person.box))
        found += [(part.name, part.box) for part in person.parts.values()]
    found += [(thing.name, thing.box) for thing in frame.objects]
    known = [(numbers[name], box) for name, box in found if name in numbers]
    boxes = scaled_boxes([box for _, box in known], scale)
    return LabelledPicture(lease.picture, boxes, np.array([label for label, _ in known], np.int64))


MIN_OVERLAP = 0.5


def average_precision(
    found: Sequence[NDArray[np.float32]], true: Sequence[NDArray[np.float32]], least_overlap: float = MIN_OVERLAP
) -> float | None:
    """Return the average precision of one class over many pictures; None without true boxes.

    `found` [n, 5] has boxes and scores, `true` [m, 4] boxes, per picture. By descending score, each detected box takes
    the free true box with the greatest IoU, and is correct if that is at least `least_overlap`. The result is the area
    under the precision by recall, where the precision is the best at that recall or a greater one (as COCO's, without
    its sampling at 101 points).
    """
    truths = sum(map(len, true))
    if not truths:
        return None
    right: list[bool] = []
    scores: list[float] = []
    for boxes, wanted in zip(found, true, strict=True):
        overlaps = iou(boxes[:, None, :4], wanted)
        free = np.ones(len(wanted), bool)
        for row in np.argsort(-boxes[:, 4], kind="stable"):
            candidates = np.where(free, overlaps[row], -1.0)
            best = int(candidates.argmax()) if len(wanted) else -1
            hit = best >= 0 and candidates[best] >= least_overlap
            if hit:
                free[best] = False
            right.append(hit)
            scores.append(float(boxes[row, 4]))
    hits = np.array(right, bool)[np.argsort(-np.array(scores), kind="stable")]
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here[hits].sum() / truths)


def run_training(
    data: Path,
    out: Path,
    settings: DetectorTraining,
    *,
    narrow: bool = True,
    start: Path | None = None,
    half: bool = False,
    device: str = "cpu",
    minutes: float | None = None,
    held_out_share: float = 0.1,
    command: str = "",
    frames: int = HELD_OUT_FRAMES,
) -> dict[str, Any]:
    """Train on a folder's videos, write the detector, and return its figures on the held-out videos.

    `start` is a detector file with the initial weights and the same classes; `half` saves 16-bit weights. The figures
    use `frames` frames of each video. Raises `DatasetError`, `DetectorError`, and `PictureTrainingError`.
    """
    dataset = Dataset(data)
    videos = list(dataset.train())
    learned, held_out = divided(videos, held_out_share)
    torch_device = training_device(device)
    torch.manual_seed(settings.seed)
    classes = classes_of(dataset.lists, videos)
    if start is None:
        description = (narrow_detector if narrow else paper_detector)(classes)
        model = build(description, initialise=True)
    else:
        model, description = detector_file.load(start)
        if description.classes != classes:
            raise DetectorError(f"{start}: has the classes {description.classes}, and {data} has {classes}")
    taken = train_detector(model, description, learned, settings, torch_device, minutes)
    model.eval().cpu()
    metrics = {**asdict(settings), "steps_taken": taken, "videos": len(learned)}
    description = replace(description, trained=True, training_command=command, metrics={"training": metrics})
    detector_file.save(model, description, out, half)
    # Evaluate the detector as it will be loaded.
    detector = CascadeRCNN.load(out).to(torch_device)
    figures = evaluate_detector(detector, held_out, settings, torch_device, frames)
    description = replace(description, metrics={"training": metrics, "held_out": figures})
    model, _ = detector_file.load(out)
    detector_file.save(model, description, out, half)
    return figures
