"""One run of extractor training, from a folder to a file. Owns nothing beyond the call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from stages.profiles import choose_device
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.region_features.vgg_weights import load_features, save_features
from training.annotated_videos.clips import roles_of
from training.annotated_videos.regions.region_features import weights_file
from training.extractor.train import ExtractorTraining, evaluate_extractor, train_extractor
from training.kinetics_tps import Dataset, Seen
from training.kinetics_tps.vocabulary import OUTSIDE


def run_training(
    data: Path,
    out: Path,
    settings: ExtractorTraining,
    start: str | None,
    sizes: tuple[int, int],
    *,
    device: str,
    minutes: float | None,
    held_out_share: float,
    each_video: int,
) -> dict[str, Any]:
    """Train on the folder's videos but those held out, write the extractor, and return its figures on those.

    `start`: what to begin with, by a published name or a file; None for random weights of `sizes` (channels, hidden).
    Raises `DatasetError`, `WeightsError`, or `ValueError` for a device that isn't there or a loss that is no number.
    """
    dataset = Dataset(data)
    videos = list(dataset.train())
    roles = roles_of({video.name: video.action for video in videos}, held_out_share)
    learned = [video for video in videos if roles[video.name] == "train"]
    held_out = [video for video in videos if roles[video.name] != "train"]
    seen = Seen(videos)
    actions = sorted(seen.actions)
    verbs = sorted({verb for _, verb in seen.states} - {OUTSIDE})
    where = choose_device(device)
    torch.manual_seed(settings.seed)
    if start is None:
        extractor = VggFeatures(VggConfig(*sizes, dropout=0.2)).to(where)
    else:
        extractor = load_features(weights_file(start), where)
    reader, _ = train_extractor(
        extractor, data, learned, verbs, actions, settings, given=start is not None, minutes=minutes
    )
    save_features(reader.extractor, out)
    return evaluate_extractor(reader, data, held_out, verbs, actions, settings, each_video)
