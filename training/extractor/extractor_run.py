"""One run of extractor training, from a folder to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from stages.profiles import choose_device
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.region_features.vgg_weights import load_features, save_features
from training.annotated_videos.regions.feature_source import weights_file
from training.extractor.extractor_training import ExtractorTraining, evaluate_extractor, train_extractor
from training.kinetics_tps import Dataset, Seen
from training.kinetics_tps.seen_labels import OUTSIDE
from training.kinetics_tps.video_roles import divided
from training.picture_training.command_line import HELD_OUT_FRAMES


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
    The figures use `frames` frames of each video. Raises `DatasetError`, `WeightsError`, `PictureTrainingError`, or
    ValueError for a device that is not available.
    """
    videos = list(Dataset(data).train())
    learned, held_out = divided(videos, held_out_share)
    seen = Seen(videos)
    actions = sorted(seen.actions)
    verbs = sorted({verb for _, verb in seen.states} - {OUTSIDE})
    torch_device = choose_device(device)
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
