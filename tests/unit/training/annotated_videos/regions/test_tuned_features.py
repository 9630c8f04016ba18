"""Training with a tuned VGG-16: pictures read again in each step, gradients through all layers, and the saved state."""

from __future__ import annotations

import csv
import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ring_buffers.frames import Lease
from stages.checkpoint import load
from stages.heads.network import VisualInput
from stages.region_features.picture_scaling import Crop
from stages.region_features.vgg_features import PictureRegions, VggConfig, VggFeatures
from stages.region_features.vgg_weights import save_features
from stages.types import FrameAnalysis
from support.engines.film_models import Scripted, damage, make_film
from support.repository import REPOSITORY
from support.training.folder_examples import StandIn, put_folder, stand_in
from support.training.training_examples import stand_in_table, tiny
from training.annotated_videos import feature_cache
from training.annotated_videos.clip_pictures import LostVideoError, clip_features, step_pictures
from training.annotated_videos.clips import Clip, Folder
from training.annotated_videos.feature_cache import features_folder
from training.annotated_videos.folder_source import FolderSource
from training.annotated_videos.picture_source import LEAST_VISIBLE, PictureSource, visible_parts
from training.annotated_videos.prefetching import Prefetcher
from training.annotated_videos.regions.feature_source import feature_source
from training.annotated_videos.watching import WatchSettings
from training.kinetics_tps import DatasetError, video_file
from training.run.data_folder import watch_settings, watched_folder
from training.run.learning.training_run import Run, TrainingError, tuned_extractor
from training.run.train import Outcome, train
from training.sequences.step_pictures import PICTURES_AT_ONCE, read_regions
from training.sequences.tensors import Tensors, joined
from training.settings.run_config import TrainingConfig, TrainingConfigError
from training.settings.run_config import load as load_config
from training.video.analysis import analyse_video

__all__ = ["stand_in"]
CPU = torch.device("cpu")
TINY_CONFIG = REPOSITORY / "training" / "configs" / "kinetics-tps-tiny.yaml"
VGG = {"weights": None, "channels": 2, "hidden": 16, "short_side": 64, "crop": 48, "tuned": True}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def on_folder(root: Path, vgg: dict[str, Any] | None = None, **changes: Any) -> TrainingConfig:
    """Return the packaged tiny configuration with even smaller sizes and a tuned VGG."""
    sizes = dict.fromkeys(("relevance_hidden", "state_hidden", "prior_hidden", "graph_hidden", "action_hidden"), 12)
    base: dict[str, Any] = {
        "steps": 4,
        "data": {"folder": str(root), "batch": 4, "window": 6, "normalisation_batches": 2, "held_out_share": 0.34},
        "model": {**sizes, "detector": "movenet", "vgg": {**VGG, **(vgg or {})}},
        "optimiser": {"trunk_share": 1},
        "evaluation": {"every": 0, "sequences": 0, "calibration_sequences": 0},
    }
    for name, value in changes.items():
        base[name] = {**base.get(name, {}), **value} if isinstance(value, dict) else value
    return load_config(TINY_CONFIG, base)


def trained(config: TrainingConfig, out: Path, videos: Folder | None = None, **options: Any) -> Outcome:
    opened = videos or watched_folder(config)
    words = opened.vocabulary
    noise = torch.randn(len(words.parts), len(words.states), 48, generator=torch.Generator().manual_seed(0))
    return train(config, out, priors=stand_in_table(words, noise), videos=opened, **options)


def begun(config: TrainingConfig, videos: Folder) -> Run:
    """Return a run before its first step."""
    words = videos.vocabulary
    noise = torch.randn(len(words.parts), len(words.states), 48, generator=torch.Generator().manual_seed(0))
    run = Run(config, Path(), noise, words, videos.clips["train"])
    run.normalise()
    return run


def pictures_of(clips: list[Clip], **options: Any) -> PictureSource:
    return PictureSource(FolderSource(clips, 0), short_side=64, **{"crop": 48, **options})


def columns(out: Path, name: str) -> list[float]:
    with out.with_name(out.name + ".log.csv").open(newline="", encoding="utf-8") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def same(ones: dict[str, Any], others: dict[str, Any]) -> bool:
    return ones.keys() == others.keys() and all(torch.equal(one, others[name]) for name, one in ones.items())


def test_the_gradient_reaches_the_heads_and_every_layer_of_the_vgg(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(put_folder(tmp_path / "films"))
    run = begun(config, watched_folder(config))
    before = {name: weight.clone() for name, weight in run.learned.state_dict().items()}
    run.advance()
    moved = {name for name, weight in run.learned.state_dict().items() if not torch.equal(weight, before[name])}
    assert run.learned.extractor is not None
    of_vgg = {f"extractor.{name}" for name, _ in run.learned.extractor.named_parameters()}
    assert len(of_vgg) == 2 * (13 + 2) and of_vgg <= moved
    assert {"network.part_relevance.first.weight", "network.action_lstm.scores.weight"} <= moved


def test_gradients_equal_those_of_all_pictures_at_once(tmp_path: Path, stand_in: StandIn) -> None:
    videos = watched_folder(on_folder(put_folder(tmp_path / "films", each=1)))
    batch = pictures_of(videos.clips["train"]).batch(3, 6)
    assert batch.pictures is not None and sum(len(one.rows) for one in batch.pictures) == batch.real.sum()
    extractor = VggFeatures(VggConfig(2, 16, short_side=64, dropout=0))
    weight = torch.rand(batch.real.numel(), 10, 16)

    def gradients(read: VisualInput) -> list[torch.Tensor]:
        total = (read.parts * weight).sum() + read.objects.square().sum()
        return list(torch.autograd.grad(total, list(extractor.parameters())))

    again = gradients(read_regions(batch.pictures, extractor, batch.real.numel(), 10, CPU))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.sequences.step_pictures.checkpoint", lambda look, pixels, **options: look(pixels))
        held = gradients(read_regions(batch.pictures, extractor, batch.real.numel(), 10, CPU))
    assert all(torch.equal(one, other) for one, other in zip(again, held, strict=True))


def test_the_loss_falls_while_heads_and_vgg_are_trained_together(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(
        put_folder(tmp_path / "films", each=2),
        steps=40,
        optimiser={"learning_rate": 0.02, "warm_up": 2, "trunk_share": 0.5},
        data={"held_out_share": 0},
    )
    out = tmp_path / "model.safetensors"
    trained(config, out)
    losses = columns(out, "total")
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:8])


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(
        put_folder(tmp_path / "films"),
        steps=6,
        data={"visual_dropout": 0.3},
        optimiser={"ema_decay": 0.9},
        evaluation={"every": 2, "calibration_sequences": 10},
    )
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    trained(config, whole)
    seen: list[int] = []
    halted = trained(config, parts, stop=lambda: 3 in seen, report=lambda step, *_: seen.append(step))
    assert halted.ending == "interrupted"
    torch.manual_seed(99)
    assert trained(config, parts, resume=True).step == 6
    ones, others = (torch.load(f"{out}.resume.pt", weights_only=True) for out in (whole, parts))
    assert same(ones["learned"], others["learned"]) and same(ones["average"], others["average"])
    assert not same(ones["learned"], ones["average"])
    weights, again = ones["extra"]["selection"]["weights"], others["extra"]["selection"]["weights"]
    assert same(weights, again) and any(name.startswith("extractor.") for name in weights)
    one, other = load(whole), load(parts)
    assert one.features is not None and other.features is not None
    assert same(one.features.state_dict(), other.features.state_dict())
    assert same(one.network.state_dict(), other.network.state_dict())


def test_neither_threads_nor_prefetching_change_a_batch(tmp_path: Path, stand_in: StandIn) -> None:
    clips = watched_folder(on_folder(put_folder(tmp_path / "films"))).clips["train"]

    def content(batch: Tensors) -> list[Any]:
        assert batch.pictures is not None
        return [
            batch.parts, batch.present,
            *(torch.from_numpy(one.pixels) for one in batch.pictures), *(one.crop for one in batch.pictures),
        ]  # fmt: skip

    def equal(ones: list[Any], others: list[Any]) -> bool:
        return len(ones) == len(others) and all(
            torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
            for one, other in zip(ones, others, strict=True)
        )

    plain, threaded = pictures_of(clips, threads=1), Prefetcher(pictures_of(clips, threads=4))
    batches = [content(plain.batch(3, 6)) for _ in range(4)]
    assert all(equal(content(threaded.batch(3, 6)), batch) for batch in batches[:2])
    state = threaded.state()
    assert equal(content(threaded.batch(3, 6)), batches[2])
    threaded.restore(state)
    assert all(equal(content(threaded.batch(3, 6)), batch) for batch in batches[2:])
    assert not equal(batches[0], batches[1])


def test_an_untrained_extractor_gives_the_cached_features_of_whole_pictures(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(put_folder(tmp_path / "films"), steps=3, optimiser={"trunk_share": 0})
    videos = watched_folder(config)
    out = tmp_path / "model.safetensors"
    trained(config, out, videos)
    loaded, source = load(out), feature_source(config)
    assert loaded.features is not None and source is not None
    assert same(loaded.features.state_dict(), source.make().state_dict())
    assert_watching_sees_the_same(videos.clips["train"][0], loaded.features)


def test_a_checkpoint_carries_the_tuned_vgg_and_watching_with_it_gives_the_same_features(
    tmp_path: Path, stand_in: StandIn
) -> None:
    config = on_folder(put_folder(tmp_path / "films"), optimiser={"learning_rate": 0.05})
    videos = watched_folder(config)
    out = tmp_path / "model.safetensors"
    outcome = trained(config, out, videos)
    loaded, source = load(out), feature_source(config)
    assert loaded.features is not None and source is not None and not loaded.features.training
    assert not same(loaded.features.state_dict(), source.make().state_dict())
    kept = outcome.checkpoint.features
    assert kept is not None and same(loaded.features.state_dict(), kept.state_dict())
    assert loaded.features.config == source.make().config
    assert_watching_sees_the_same(videos.clips["train"][0], loaded.features)


def assert_watching_sees_the_same(clip: Clip, extractor: VggFeatures) -> None:
    """Assert that a clip's features are those of its pictures, box by box, and those that a watcher with the same
    extractor stores in half precision."""

    class Given:
        def make(self, device: Any = "cpu") -> VggFeatures:
            return extractor

    path = clip.video
    given: Any = Given()
    assert path is not None
    seen, roi = feature_cache.make_watcher(WatchSettings(vgg=given)).watch(path)
    clip = dataclasses.replace(clip, seen=seen)  # the stand-in continues to sway, so boxes differ
    found = clip_features(clip, extractor, CPU)
    assert roi is not None and len(roi.parts) == len(clip.rows) > 4
    for mine, kept in ((found.parts, roi.parts), (found.objects, roi.objects)):
        assert mine.abs().max() > 0.01
        assert (mine - kept.float()).abs().max() <= 2**-11 * mine.abs().max()

    pictures: list[torch.Tensor] = []

    def say(lease: Lease) -> FrameAnalysis:
        pictures.append(torch.from_numpy(lease.picture.copy()))
        return FrameAnalysis()

    list(analyse_video(Scripted(say), path))

    def feature(frame: int, box: Any) -> torch.Tensor:
        region = PictureRegions(pictures[frame][None], torch.tensor([box]).float(), torch.zeros(1, dtype=torch.int64))
        with torch.no_grad():
            return extractor([region])[0]

    expected = torch.zeros_like(found.parts)
    whole = torch.zeros_like(found.objects)
    for step, row in enumerate(clip.rows.tolist()):
        frame = int(clip.seen.frame[row])
        whole[step, 0] = feature(frame, (0, 0, *clip.size))
        for part in np.flatnonzero(clip.present[step]):
            expected[step, part] = feature(frame, clip.seen.part_boxes[row, part].tolist())
    for mine, theirs in ((found.parts, expected), (found.objects, whole)):
        assert (mine - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_a_crop_moves_boxes_and_parts_outside_it_are_absent(tmp_path: Path, stand_in: StandIn) -> None:
    clip = watched_folder(on_folder(put_folder(tmp_path / "films", each=1))).clips["train"][0]
    boxes = np.random.default_rng(3).uniform(-10, 96, (200, 2, 2)).astype(np.float32)
    boxes = np.sort(boxes, axis=1).reshape(200, 4)
    crop = Crop(20, 4, 24)
    expected: list[bool] = []
    for x1, y1, x2, y2 in boxes.tolist():  # pictures of 96 x 64 are scaled to 48 x 32 first
        corners = [x1 * 0.5 - 20, y1 * 0.5 - 4, x2 * 0.5 - 20, y2 * 0.5 - 4]
        width = min(max(corners[2], 0), 24) - min(max(corners[0], 0), 24)
        height = min(max(corners[3], 0), 24) - min(max(corners[1], 0), 24)
        whole = (x2 - x1) * 0.5 * (y2 - y1) * 0.5
        expected.append(width * height > 0 and width * height >= LEAST_VISIBLE * whole)
    found = visible_parts(boxes, clip, 32, crop)
    assert found.tolist() == expected and 20 < sum(expected) < 180
    half, tenth = np.array([[84, 20, 92, 40]], np.float32), np.array([[87.2, 20, 95.2, 40]], np.float32)
    assert visible_parts(half, clip, 32, crop).tolist() == [True]
    assert visible_parts(tenth, clip, 32, crop).tolist() == [False]


def test_a_sequence_has_one_crop_with_its_person_and_shows_only_that(tmp_path: Path, stand_in: StandIn) -> None:
    videos = watched_folder(on_folder(put_folder(tmp_path / "films")))
    clips = videos.clips["train"]
    batch = pictures_of(clips).batch(40, 6)
    assert batch.pictures is not None
    crops: dict[int, set[Crop]] = {}
    for one in batch.pictures:
        assert one.crop is not None and len(one.metas) <= PICTURES_AT_ONCE
        crops.setdefault(int(one.rows[0]) // 6, set()).add(one.crop)
    assert len(crops) == 40 and all(len(places) == 1 for places in crops.values())
    places = [next(iter(some)) for some in crops.values()]
    assert len(set(places)) > 20
    # The person stands at 32, 32 of 96 x 64.
    assert all(place.left <= 32 <= place.left + 48 and place.top <= 32 <= place.top + 48 for place in places)
    assert len({place.left for place in places}) > 10
    whole = pictures_of(clips, crop=None).batch(40, 6)
    assert whole.pictures is not None and {one.crop for one in whole.pictures} == {None}
    assert batch.present.sum() < whole.present.sum()

    # Pixels outside the crop have no effect.
    extractor = VggFeatures(VggConfig(2, 16, short_side=64)).eval()
    one = batch.pictures[0]
    with torch.no_grad():
        read = read_regions([one], extractor, batch.real.numel(), 10, CPU)
        assert one.crop is not None
        left, top, side = one.crop
        outside = np.ones(one.pixels.shape, bool)
        outside[:, top : top + side, left : left + side] = False
        one.pixels[outside] = 255 - one.pixels[outside]
        again = read_regions([one], extractor, batch.real.numel(), 10, CPU)
    assert torch.equal(read.parts, again.parts) and torch.equal(read.objects, again.objects)
    shown = batch.present.view(-1, 10)[torch.from_numpy(one.rows)]
    assert (read.parts[torch.from_numpy(one.rows)].abs().sum(-1) > 0).tolist() == shown.tolist()


def test_rows_of_the_batch_are_the_steps_own_pictures(tmp_path: Path, stand_in: StandIn) -> None:
    clip = watched_folder(on_folder(put_folder(tmp_path / "films", each=1))).clips["train"][0]
    extractor = VggFeatures(VggConfig(2, 16, short_side=64)).eval()
    kept = clip_features(clip, extractor, CPU)
    steps = np.array([1, 2, 4])
    some = list(step_pictures(clip, steps, np.array([7, 8, 9]), clip.present[steps]))
    with torch.no_grad():
        read = read_regions(some, extractor, 12, 10, CPU)
    assert read.known is not None and read.known.nonzero().flatten().tolist() == [7, 8, 9]
    assert torch.allclose(read.parts[7:10], kept.parts[steps], atol=1e-5)
    assert torch.allclose(read.objects[7:10], kept.objects[steps], atol=1e-5)
    assert read.parts[:7].abs().max() == 0 == read.parts[10:].abs().max()
    assert [one.metas[0].frame for one in some] == [int(clip.seen.frame[clip.rows[1]])]


def test_withheld_pictures_are_not_read_and_generated_rows_have_no_pictures(tmp_path: Path, stand_in: StandIn) -> None:
    clips = watched_folder(on_folder(put_folder(tmp_path / "films"))).clips["train"]
    unseen = pictures_of(clips, unseen_share=1.0).batch(3, 6)
    assert unseen.pictures == ()
    read = read_regions(unseen.pictures, VggFeatures(VggConfig(2, 16, short_side=64)), 18, 10, CPU)
    assert read.known is not None and not read.known.any()
    seen = pictures_of(clips).batch(2, 6)
    both = joined(FolderSource(clips, 1).batch(3, 6), seen)
    assert both.pictures is not None and seen.pictures is not None
    assert [int(one.rows[0]) for one in both.pictures] == [int(one.rows[0]) + 18 for one in seen.pictures]


def test_a_video_that_becomes_unreadable_is_named_and_left_out(
    tmp_path: Path, stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    root = put_folder(tmp_path / "films")
    config = on_folder(root, steps=5, evaluation={"every": 5})
    videos = watched_folder(config)
    gone, worn = videos.clips["train"][0], videos.clips["validation"][0]
    assert gone.video is not None and worn.video is not None

    def spoil(step: int, *_: Any) -> None:
        if step == 1:
            gone.video.unlink()  # pyright: ignore[reportOptionalMemberAccess]

    out = tmp_path / "model.safetensors"
    with caplog.at_level(logging.WARNING):
        trained(config, out, videos, report=spoil)
    assert load(out).metrics["lost_videos"] == [gone.name]
    assert [record.getMessage() for record in caplog.records if "left out from now on" in record.getMessage()] == [
        f"{gone.video}: can't be read: No such file or directory; left out from now on"
    ]
    state = torch.load(f"{out}.resume.pt", weights_only=True)["batches"]["folder"]
    assert list(state["lost"]) == [gone.name]
    damage(make_film(worn.video))
    with pytest.raises(TrainingError, match=rf"none of the videos that select the weights .*{worn.name}\.mp4"):
        trained(config, tmp_path / "other.safetensors", videos)


def test_a_run_ends_when_no_video_is_left(tmp_path: Path, stand_in: StandIn) -> None:
    videos = watched_folder(on_folder(put_folder(tmp_path / "films", each=1)))
    for clip in videos.clips["train"]:
        assert clip.video is not None
        clip.video.write_bytes(b"nothing")
    with pytest.raises(
        DatasetError, match=r"none of the training videos can be read any more; the last error: .*\.mp4"
    ):
        pictures_of(videos.clips["train"]).batch(2, 4)


def test_a_video_whose_size_changed_is_rejected(tmp_path: Path, stand_in: StandIn) -> None:
    root = put_folder(tmp_path / "films", each=1)
    clip = watched_folder(on_folder(root)).clips["train"][0]
    make_film(video_file(root, "train", clip.action, clip.name))
    with pytest.raises(LostVideoError, match=r"is 160x120 now but was 96x64 when it was watched"):
        clip_features(clip, VggFeatures(VggConfig(2, 16, short_side=64)), CPU)


def test_held_out_videos_are_read_with_the_current_weights(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(put_folder(tmp_path / "films"), steps=3, evaluation={"every": 3})
    videos = watched_folder(config)
    asked: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:

        def recorded(clip: Clip, extractor: VggFeatures, device: torch.device) -> Any:
            asked.append(torch.equal(extractor.fc7.weight, first))
            return clip_features(clip, extractor, device)

        first = feature_source(config).make().fc7.weight  # pyright: ignore[reportOptionalMemberAccess]
        patch.setattr("training.run.validation.clip_evaluation.clip_features", recorded)
        outcome = trained(config, tmp_path / "model.safetensors", videos)
    assert asked and not any(asked)
    assert outcome.checkpoint.metrics["held_out_videos"]["videos"] == 1


def test_no_features_are_cached_for_a_tuned_extractor(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(put_folder(tmp_path / "films"))
    videos = watched_folder(config)
    assert all(clip.features is None for clips in videos.clips.values() for clip in clips)
    without = tiny(data={"folder": str(tmp_path / "films")})
    folder = features_folder(tmp_path / "films", watch_settings(config))
    assert folder == features_folder(tmp_path / "films", watch_settings(without)), "both use the same watched videos"


@pytest.mark.parametrize(("frozen", "stages"), [(None, 2), (0, 0), (5, 5)])
def test_the_first_stages_of_weights_from_a_file_stay_frozen(frozen: int | None, stages: int, tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    save_features(VggFeatures(VggConfig(2, 16, short_side=64)), path)
    extractor = tuned_extractor(on_folder(tmp_path, {"weights": str(path), "frozen_stages": frozen}))
    assert extractor is not None
    still = {name.rsplit(".", 1)[0] for name, weight in extractor.named_parameters() if not weight.requires_grad}
    convolutions = [f"features.{at}" for at in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
    assert still == set(convolutions[: (0, 2, 4, 7, 10, 13)[stages]])
    random = tuned_extractor(on_folder(tmp_path))
    assert random is not None and all(weight.requires_grad for weight in random.parameters())


def test_frozen_stages_keep_their_bits_while_the_rest_is_tuned(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(put_folder(tmp_path / "films"), {"frozen_stages": 2}, optimiser={"weight_decay": 0.1})
    run = begun(config, watched_folder(config))
    assert run.learned.extractor is not None
    before = {name: weight.clone() for name, weight in run.learned.extractor.named_parameters()}
    for _ in range(2):
        run.advance()
    moved = {name for name, weight in run.learned.extractor.named_parameters() if not torch.equal(weight, before[name])}
    assert {name for name in before if name not in moved} == {
        f"features.{at}.{kind}" for at in (0, 2, 5, 7) for kind in ("weight", "bias")
    }


def test_the_vggs_learning_rate_is_its_share_of_the_others(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(put_folder(tmp_path / "films"), optimiser={"trunk_share": 0.25, "name": "adamw"})
    run = begun(config, watched_folder(config))
    rate = run.advance().learning_rate
    assert [group["lr"] for group in run.optimiser.param_groups] == [rate, rate * 0.25]


def test_a_run_begins_with_a_checkpoints_tuned_vgg_and_a_frozen_run_rejects_it(
    tmp_path: Path, stand_in: StandIn
) -> None:
    root = put_folder(tmp_path / "films")
    config = on_folder(root)
    videos = watched_folder(config)
    out = tmp_path / "first.safetensors"
    first = trained(config, out, videos).checkpoint.features
    second = begun(on_folder(root, seed=5), videos)
    second.start_from(str(out))
    assert first is not None and second.learned.extractor is not None
    assert same(second.learned.extractor.state_dict(), first.state_dict())
    frozen = on_folder(root, {"tuned": False})
    with pytest.raises(TrainingError, match=r"its VGG was tuned with it, and this run would use another"):
        begun(frozen, watched_folder(frozen)).start_from(str(out))
    other = on_folder(root, {"short_side": 80})
    with pytest.raises(TrainingError, match=r"its VGG has short_side 64 instead of 80: set the same"):
        begun(other, watched_folder(other)).start_from(str(out))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"visual": "all", "vgg": {"tuned": True}},
            r"model: vgg\.tuned needs regions: vgg, .* set regions to vgg, or vgg\.tuned to false",
        ),
        (
            {"visual": "all", "regions": "vgg", "vgg": {"tuned": True, "short_side": 128}},
            r"model: vgg\.crop is 224, larger than vgg\.short_side",
        ),
    ],
)
def test_invalid_tuning_settings_are_rejected_before_anything_is_watched(model: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingConfigError, match=message):
        tiny(data={"folder": "films"}, model=model)


def test_a_bfloat16_run_tunes_in_float32(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(put_folder(tmp_path / "films"), precision="bfloat16")
    run = begun(config, watched_folder(config))
    assert np.isfinite(run.advance().gradient_norm)
    assert all(weight.dtype == torch.float32 for weight in run.learned.parameters())
