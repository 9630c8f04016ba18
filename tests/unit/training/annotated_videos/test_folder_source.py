"""Training on a folder: learning, mixing with generated motion, exact resumption, and a checkpoint that runs."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from commands.models.train import train_app
from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.window import StaggeredWindow
from stages.checkpoint import load
from stages.detection.keypoint_detector import KeypointDetector
from stages.heads.network import ActionNetwork
from stages.pipeline import Pipeline
from support.engines.film_models import damage, make_film
from support.training.folder_examples import SIZE, STEPS, StandIn, annotated, formats, put_folder, stand_in
from support.training.kinetics_tps_examples import put_dataset
from support.training.training_examples import TINY, motion_clips, stand_in_table, tiny
from training.annotated_videos.clips import Clip
from training.annotated_videos.folder_source import FolderSource, whole_tracks
from training.kinetics_tps import video_file
from training.run.clip_run import watched_folder
from training.run.learning.batches import rows_by_source
from training.run.learning.training_run import TrainingError
from training.run.train import Outcome, train
from training.run.validation.held_out import clip_metric
from training.sequences import joined
from training.settings.run_config import TrainingConfig

__all__ = ["stand_in"]

VISUAL: dict[str, Any] = {"model": {"visual": "all", "visual_bins": 2, "visual_hidden": 4}}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def on_folder(root: Path, data: dict[str, Any] | None = None, **changes: Any) -> TrainingConfig:
    return tiny(data={"folder": str(root), "held_out_share": 0.34, **(data or {})}, **changes)


def trained(config: TrainingConfig, out: Path, **options: Any) -> Outcome:
    videos = watched_folder(config)
    vocabulary = videos.vocabulary
    noise = torch.randn(len(vocabulary.parts), len(vocabulary.states), 48, generator=torch.Generator().manual_seed(0))
    priors = stand_in_table() if config.data.folder_share < 1 else stand_in_table(vocabulary, noise)
    return train(config, out, motions=motion_clips(), priors=priors, videos=videos, **options)


def test_a_network_learns_a_folders_own_labels_and_its_checkpoint_runs(tmp_path: Path, stand_in: StandIn) -> None:
    config = on_folder(
        put_folder(tmp_path / "data"),
        {"folder_share": 1},
        **VISUAL,
        steps=12,
        optimiser={"learning_rate": 0.01, "warm_up": 2},
        evaluation={"every": 6, "select": "area", "calibration_sequences": 10},
    )
    out = tmp_path / "own.safetensors"
    outcome = trained(config, out)
    assert outcome.ending == "done"
    loaded = load(out)
    assert loaded.vocabulary.actions == ("stand", "wave") and loaded.network.config.visual
    figures = loaded.metrics["held_out_videos"]
    assert figures["videos"] == 1 and figures["steps"] == STEPS and "held_out" not in loaded.metrics
    assert 0 <= figures["area"] <= 1 and figures["part_state_correctness"] is not None
    assert set(loaded.metrics["data"]["videos"].values()) == {4, 1}
    assert len(loaded.metrics["data"]["fingerprint"]) == 64
    assert loaded.metrics["selection_accuracy"] >= 0

    model = Pipeline(KeypointDetector(StandIn(), formats), loaded)
    picture = np.full((SIZE[1], SIZE[0], 3), 100, np.uint8)
    for frame in range(4):
        meta = FrameMeta("hall", 1, frame, frame * 80_000, 0, "media", 0, 0, SIZE, formats(SIZE, None))
        (analysis,) = model.process([Lease(meta, picture, 0)])
    (person,) = analysis.people
    assert person.action is not None and person.action.label in ("stand", "wave")
    scores = [person.action.score, *(part.relevance for part in person.parts)]
    assert np.isfinite(scores).all() and all(0 <= score <= 1 for score in scores) and len(person.parts) == 10


def test_generated_motion_and_videos_share_each_batch_and_only_videos_have_regions(
    tmp_path: Path, stand_in: StandIn
) -> None:
    config = on_folder(put_folder(tmp_path / "data"), {"folder_share": 0.3, "visual_dropout": 0}, **VISUAL)
    assert rows_by_source(config) == {"generated": 4, "folder": 2}
    assert rows_by_source(on_folder(tmp_path, {"folder_share": 0.01}))["folder"] == 1
    outcome = trained(config, tmp_path / "mixed.safetensors")
    assert len(outcome.checkpoint.vocabulary.actions) == 24
    run_videos = watched_folder(config)
    source = FolderSource(run_videos.clips["train"], 0)
    mixed = joined(FolderSource(run_videos.clips["train"], 1, unseen_share=1).batch(4, 8), source.batch(2, 8))
    assert mixed.visual is not None and mixed.visual.known is not None
    assert mixed.visual.known.view(6, 8).any(1).tolist() == [False] * 4 + [True] * 2
    assert mixed.real[:, 0].all() and mixed.parts.shape[:2] == (6, 8)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_resumed_run_on_a_folder_equals_an_uninterrupted_one_bit_for_bit(
    share: float, tmp_path: Path, stand_in: StandIn
) -> None:
    config = on_folder(
        put_folder(tmp_path / "data"),
        {"folder_share": share},
        **VISUAL,
        evaluation={"every": 3},
        actions={"balance": "sampling"},
    )
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    trained(config, whole)
    seen: list[int] = []
    halted = trained(config, parts, stop=lambda: 4 in seen, report=lambda step, steps, losses: seen.append(step))
    assert halted.ending == "interrupted"
    torch.manual_seed(99)
    assert trained(config, parts, resume=True).step == 8
    one, other = load(whole).network.state_dict(), load(parts).network.state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_run_is_not_resumed_on_other_annotations(tmp_path: Path, stand_in: StandIn) -> None:
    root = put_folder(tmp_path / "data")
    config = on_folder(root, steps=1)
    trained(config, tmp_path / "a.safetensors")
    put_dataset(root, [annotated(root, "wave", "wave-0", left_arm="bend")])
    with pytest.raises(TrainingError, match=r"other videos, annotations or motion than .*data holds now"):
        trained(config, tmp_path / "a.safetensors", resume=True)


def test_sequences_of_one_person_end_with_labelled_steps_and_miss_frames(tmp_path: Path, stand_in: StandIn) -> None:
    clips = watched_folder(on_folder(put_folder(tmp_path / "data"))).clips["train"]
    batch = FolderSource(clips, 0).batch(60, 5)
    ends = batch.action[torch.arange(60), batch.last]
    assert (ends >= 0).all() and set(ends.tolist()) == set(batch.action[batch.real].unique().tolist())
    gaps = batch.dt[batch.real]
    assert (batch.dt[:, 0] == 0).all()
    assert {0.08, 0.16, 0.24} <= {round(float(gap), 2) for gap in gaps}
    assert batch.last.min() == 0 and batch.last.max() == 4
    again = FolderSource(clips, 0)
    state = again.state()
    assert torch.equal(again.batch(60, 5).parts, batch.parts)
    again.restore(state)
    assert torch.equal(again.batch(60, 5).parts, batch.parts)


def test_balanced_sequences_end_equally_often_with_each_action(tmp_path: Path, stand_in: StandIn) -> None:
    root = put_folder(tmp_path / "data", each=1)
    put_dataset(root, [annotated(root, "wave", f"wave-{n}", left_arm="bend") for n in range(1, 6)])
    videos = watched_folder(on_folder(root, {"held_out_share": 0, "folder_share": 1}))
    wave = videos.vocabulary.action_index("wave")
    for balanced, expected in ((False, 6 / 7), (True, 1 / 2)):
        batch = FolderSource(videos.clips["train"], 0, balanced=balanced).batch(300, 3)
        ends = batch.action[torch.arange(300), batch.last]
        assert abs(float((ends == wave).float().mean()) - expected) < 0.08


def test_every_step_of_a_track_is_answered_once_as_it_would_be_live(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, first = watched_folder(on_folder(put_folder(tmp_path / "data", each=1))).clips["train"][0], 10
    for window, count in itertools.product(range(2, 9), range(1, 30)):
        monkeypatch.setattr(Clip, "tracks", lambda self, stop=first + count: iter([(first, stop)]))
        answered = [
            (int(step), seen)
            for cut, own in whole_tracks(clip, window)
            for seen, step in [*enumerate(cut.steps[cut.lead :], 1)][own]
        ]
        live = StaggeredWindow(window)
        assert answered == [(first + step, live.plan(step).seen) for step in range(count)]


def test_videos_score_a_network_by_correct_steps_or_the_benchmarks_area(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = on_folder(put_folder(tmp_path / "data"), {"folder_share": 1}, steps=1)
    outcome = trained(config, tmp_path / "a.safetensors")
    held_out = watched_folder(config).clips
    clips = held_out["validation"] + held_out["test"]
    network = outcome.checkpoint.network
    words = network.vocabulary

    class Sure(ActionNetwork):
        """Always predicts `wave`, with the left hand holding and the left arm bent."""

        def forward(self, *inputs: Any) -> Any:
            read = super().forward(*inputs)
            states = torch.full_like(read.state_logits, -9.0)
            for part, label in (("left_hand", "hold"), ("left_arm", "bend"), ("head", "none")):
                states[:, :, words.part_index(part), words.state_index(label)] = 9.0
            actions = torch.full_like(read.action_logits, -9.0)
            actions[..., words.action_index("wave")] = 9.0
            return read._replace(state_logits=states, action_logits=actions)

    monkeypatch.setattr(network, "__class__", Sure)
    assert clip_metric(clips, 8, "accuracy")(network) == 0.5
    # One of the two videos has that class, and all of its parts have these states.
    assert clip_metric(clips, 8, "area")(network) == pytest.approx(0.9999 / 2, abs=1e-4)


def test_a_folder_without_the_profiles_actions_is_rejected_with_a_remedy(tmp_path: Path, stand_in: StandIn) -> None:
    root = put_folder(tmp_path / "data", each=1, actions=("juggling_balls", "lunge"))
    with pytest.raises(
        TrainingError, match=r"has none of its actions \(juggling_balls, lunge\); set data.folder_share"
    ):
        watched_folder(on_folder(root))
    assert watched_folder(on_folder(root, {"folder_share": 1})).vocabulary.actions == ("juggling_balls", "lunge")


def test_the_command_trains_on_a_folder_and_reports_what_it_left_out(tmp_path: Path, stand_in: StandIn) -> None:
    root, out = put_folder(tmp_path / "data"), tmp_path / "mine.safetensors"
    damage(make_film(video_file(root, "train", "wave", "wave-0")))
    config = tmp_path / "mine.yaml"
    config.write_text(json.dumps(TINY | {"steps": 2}))
    options = ["--config", str(config), "--data", str(root), "--data-share", "1", "--workers", "1", "--out", str(out)]
    done = CliRunner().invoke(train_app, options)
    assert done.exit_code == 0, done.output
    assert "wave-0.mp4: can't be read" in done.output and "4 videos for training, 1 for validation" in done.output
    assert load(out).vocabulary.actions == ("stand", "wave")
    assert load(out).training_command.startswith("partstream train --profile edge --config mine.yaml --data data")
    nowhere = CliRunner().invoke(train_app, ["--data", str(tmp_path / "nowhere"), "--out", str(out)])
    assert nowhere.exit_code == 2 and "there is no such folder" in nowhere.output
