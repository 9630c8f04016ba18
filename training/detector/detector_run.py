"""One run of detector training, from a folder to a file."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from stages.detection.cascade_rcnn import detector_file
from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
from stages.detection.cascade_rcnn.detector_model import build, narrow_detector, paper_detector
from stages.detection.detector import DetectorError
from stages.profiles import choose_device
from training.detector.detector_training import DetectorTraining, evaluate_detector, train_detector
from training.detector.labelled_pictures import classes_of
from training.kinetics_tps import Dataset
from training.kinetics_tps.video_roles import divided
from training.picture_training.command_line import HELD_OUT_FRAMES


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
    use `frames` frames of each video. Raises `DatasetError`, `DetectorError`, `PictureTrainingError`, or ValueError for
    a device that is not available.
    """
    dataset = Dataset(data)
    videos = list(dataset.train())
    learned, held_out = divided(videos, held_out_share)
    torch_device = choose_device(device)
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
