"""Training with a VGG-16 on pictures: the choice of weights, cached features, and a checkpoint that contains them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import save_file

from commands.models.train_console import train_profile
from stages.checkpoint import CheckpointError, load, save
from stages.heads.network import VisualInput
from stages.region_features.vgg_features import PictureRegions, VggConfig, VggFeatures
from stages.region_features.vgg_weights import save_features
from stages.third_party.weights import WeightsError
from support.repository import REPOSITORY
from support.training.folder_examples import StandIn, put_folder, stand_in
from support.training.training_examples import motion_clips, stand_in_table, tiny
from training.annotated_videos.clips import open_folder
from training.annotated_videos.region_sources import FeatureSource, feature_source
from training.annotated_videos.sightings import read_roi
from training.annotated_videos.watching import WatchSettings
from training.run.clip_run import watched_folder
from training.run.learning.training_run import TrainingError
from training.run.train import train
from training.settings.run_config import TrainingConfig
from training.settings.run_config import load as load_config

__all__ = ["stand_in"]

CONFIGS = REPOSITORY / "training" / "configs"
SOURCE = FeatureSource(channels=2, hidden=16, short_side=64, seed=7)
VGG = {"weights": None, "channels": 2, "hidden": 16, "short_side": 64}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def on_folder(root: Path, **model: Any) -> TrainingConfig:
    """Return the packaged tiny configuration with even smaller sizes."""
    sizes = dict.fromkeys(("relevance_hidden", "state_hidden", "prior_hidden", "graph_hidden", "action_hidden"), 12)
    return load_config(
        CONFIGS / "kinetics-tps-tiny.yaml",
        {
            "steps": 4,
            "data": {"folder": str(root), "batch": 4, "window": 6, "normalisation_batches": 1, "held_out_share": 0.34},
            "model": {**sizes, "detector": "movenet", "vgg": VGG, **model},
            "evaluation": {"every": 0},
        },
    )


def test_each_step_has_the_extractors_features_of_its_own_picture(tmp_path: Path, stand_in: StandIn) -> None:
    pictures: list[torch.Tensor] = []
    shown = StandIn.__call__

    def recorded(self: StandIn, given: torch.Tensor) -> Any:
        pictures.extend(given)
        return shown(self, given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StandIn, "__call__", recorded)
        folder = open_folder(put_folder(tmp_path, each=1), WatchSettings(vgg=SOURCE), vocabulary=None, held_out_share=0)
    first = folder.clips["train"][0]
    assert first.features is not None
    kept = read_roi(first.features, 0, len(first.rows))
    assert kept.parts.shape == (len(first.rows), 10, 16) and kept.objects.shape == (len(first.rows), 1, 16)
    extractor = SOURCE.make()
    size = first.size
    for step, row in enumerate(first.rows):
        seen = next(
            picture
            for picture in pictures[int(first.seen.frame[row]) :: len(pictures) // 2]
            if torch.allclose(_features(extractor, picture, (0, 0, *size)), kept.objects[step, 0].float(), atol=0.02)
        )
        for part in range(10):
            if first.present[step, part]:
                expected = _features(extractor, seen, first.seen.part_boxes[row, part].tolist())
                assert torch.allclose(kept.parts[step, part].float(), expected, atol=0.02)
            else:
                assert kept.parts[step, part].abs().max() == 0
    assert kept.parts.abs().max() > 0.1


def _features(extractor: VggFeatures, picture: torch.Tensor, box: Any) -> torch.Tensor:
    with torch.inference_mode():
        return extractor(
            [PictureRegions(picture[None], torch.tensor([box], dtype=torch.float32), torch.zeros(1, dtype=torch.int64))]
        )[0]


def test_a_run_on_vgg_features_learns_and_its_checkpoint_needs_no_other_file(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path / "empty"))  # nothing is generated, so no motion is needed
    config = on_folder(put_folder(tmp_path / "films"))
    videos = watched_folder(config)
    words = videos.vocabulary
    table = stand_in_table(words, torch.randn(len(words.parts), len(words.states), 48))
    out = tmp_path / "model.safetensors"
    train(config, out, priors=table, videos=videos)
    after = load(out)
    assert after.profile == "kinetics-tps" and after.trained
    assert after.features is not None and not after.features.training
    made = FeatureSource(2, 16, 64, seed=config.seed).make()
    for (name, mine), (_, theirs) in zip(after.features.named_parameters(), made.named_parameters(), strict=True):
        assert torch.equal(mine, theirs) and not mine.requires_grad, name
    assert after.features.config == made.config
    network = after.network
    assert network.config.visual_features == 16 and network.config.object_region_count == 1
    visual = VisualInput(torch.rand(2, 10, 16), torch.rand(2, 1, 16))
    with torch.inference_mode():
        outputs = network.forward_step(
            torch.zeros(2, 10, network.config.part_features),
            torch.zeros(2, network.config.context_features),
            torch.ones(2, 10, dtype=torch.bool),
            visual,
        )
    assert torch.isfinite(outputs.frame_logits).all()


def test_a_checkpoint_with_an_unfitting_extractor_is_rejected(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(put_folder(tmp_path / "films", each=2))
    videos = watched_folder(config)
    words = videos.vocabulary
    table = stand_in_table(words, torch.randn(len(words.parts), len(words.states), 48))
    out = tmp_path / "model.safetensors"
    made = train(config, out, motions=motion_clips(), priors=table, videos=videos).checkpoint
    save(replace(made, features=VggFeatures(VggConfig(2, 13))), out)
    with pytest.raises(CheckpointError, match=r"gives 13 features per region, but its network expects 16"):
        load(out)
    save(made, out)
    with safe_open(out, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    save_file({name: tensor for name, tensor in tensors.items() if name != "features.fc7.bias"}, out, metadata)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: its feature extractor .*missing: fc7\.bias"):
        load(out)
    save_file(tensors, out, metadata | {"features": json.dumps({"depth": 3})})
    with pytest.raises(CheckpointError, match=r"feature extractor can't be used: .*unknown fields \['depth'\]"):
        load(out)


def test_weights_from_a_file_must_have_the_configured_sizes(tmp_path: Path) -> None:
    path = tmp_path / "features.safetensors"
    save_features(VggFeatures(VggConfig(2, 16, short_side=64)), path)
    config = tiny(
        data={"folder": "films", "folder_share": 1},
        model={"visual": "all", "regions": "vgg", "vgg": {**VGG, "weights": str(path)}},
    )
    source = feature_source(config)
    assert source is not None and source.sha256 is not None and source.make().length == 16
    with pytest.raises(WeightsError, match=r"gives 16 numbers per region; set model\.vgg\.hidden to 16"):
        replace(source, hidden=17).make()
    with pytest.raises(WeightsError, match=r"takes pictures of 64; set model\.vgg\.short_side"):
        replace(source, short_side=128).make()
    path.unlink()
    with pytest.raises(WeightsError, match=r"model\.vgg\.weights: .*features\.safetensors can't be read"):
        feature_source(config)


@pytest.mark.parametrize(
    "data", [{}, {"folder": "films", "folder_share": 0.5}, {"folder": "films", "vocabulary": "profile"}]
)
def test_a_profile_without_a_vocabulary_is_trained_only_on_a_folders_labels(
    data: dict[str, Any], tmp_path: Path
) -> None:
    config = tiny(profile="kinetics-tps", data=data)
    with pytest.raises(TrainingError, match=r"on a folder's own labels: set data\.folder, and data\.folder_share to 1"):
        train_profile(config, tmp_path / "x.safetensors", console=Console(quiet=True))
