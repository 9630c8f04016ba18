"""One run of detector training, from a folder to a file. Owns nothing beyond the call."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from stages.detection.cascade_rcnn import detector_file
from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
from stages.detection.cascade_rcnn.detector_model import DetectorError, build, narrow_detector, paper_detector
from stages.profiles import choose_device
from training.annotated_videos.clips import roles_of
from training.detector.pictures import classes_of
from training.detector.train import DetectorTraining, evaluate_detector, train_detector
from training.kinetics_tps import Dataset


def run_training(
    data: Path,
    out: Path,
    settings: DetectorTraining,
    narrow: bool,
    start: Path | None,
    device: str,
    minutes: float | None,
    held_out_share: float,
    command: str,
    each_video: int,
    half: bool = False,
) -> dict[str, Any]:
    """Train on the folder's videos but those held out, write the detector, and return its figures on those.

    `start` is a detector file to begin with, of the same classes; `half` as `detector_file.save` has it. Raises
    `DatasetError`, `DetectorError`, `DetectorTrainingError`, or `ValueError` for a device that isn't there.
    """
    dataset = Dataset(data)
    videos = list(dataset.train())
    roles = roles_of({video.name: video.action for video in videos}, held_out_share)
    learned = [video for video in videos if roles[video.name] == "train"]
    held_out = [video for video in videos if roles[video.name] != "train"]
    where = choose_device(device)
    torch.manual_seed(settings.seed)
    classes = classes_of(dataset.lists, videos)
    if start is None:
        description = (narrow_detector if narrow else paper_detector)(classes)
        model = build(description, initialise=True)
    else:
        model, description = detector_file.load(start)
        if description.classes != classes:
            raise DetectorError(f"{start}: knows {description.classes}, and {data} has {classes}")
    taken = train_detector(model, description, learned, settings, where, minutes)
    model.eval().cpu()
    about = {**asdict(settings), "steps_taken": taken, "videos": len(learned)}
    description = replace(description, trained=True, training_command=command, metrics={"training": about})
    detector_file.save(model, description, out, half)
    # As it will be read: the figures are of what is written.
    detector = CascadeRCNN.load(out).to(where)
    figures = evaluate_detector(detector, held_out, settings, where, each_video)
    description = replace(description, metrics={"training": about, "held_out": figures})
    model, _ = detector_file.load(out)
    detector_file.save(model, description, out, half)
    return figures
