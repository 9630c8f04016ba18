"""A run that begins with the weights of a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.checkpoint import Checkpoint, save
from stages.heads.network import ActionNetwork, VisualInput
from stages.vocabulary import Vocabulary, packaged
from support.training.training_examples import stand_in_priors, started, tiny
from training.run.clip_run import with_sizes_of
from training.run.learning.training_run import Run, TrainingError, network_sizes
from training.run.learning.warm_start import begin_from, from_keypoints_alone
from training.sequences import unseen_regions
from training.settings.run_config import TrainingConfig

PEOPLE, STEPS = 3, 5
SEEING = tiny(data={"folder": "videos"}, model={"visual": "objects"})


def network(config: TrainingConfig, vocabulary: Vocabulary, seed: int) -> ActionNetwork:
    torch.manual_seed(seed)
    made = ActionNetwork(network_sizes(config.model), vocabulary, stand_in_priors()).eval()
    made.set_normalisation(
        *(torch.rand(len(vocabulary.parts), made.config.part_features) + 0.5 for _ in range(2)),
        *(torch.rand(made.config.context_features) + 0.5 for _ in range(2)),
    )
    return made.requires_grad_(False)


def scores(net: ActionNetwork, visual: VisualInput | None = None) -> torch.Tensor:
    torch.manual_seed(9)
    parts = torch.randn(PEOPLE, STEPS, len(net.vocabulary.parts), net.config.part_features)
    context = torch.randn(PEOPLE, STEPS, net.config.context_features)
    present = torch.rand(PEOPLE, STEPS, len(net.vocabulary.parts)) > 0.2
    return net(parts, context, present, torch.full((PEOPLE, STEPS), 0.1), visual).action_logits


def seen(net: ActionNetwork) -> VisualInput:
    rows, length = PEOPLE * STEPS, net.config.visual_features
    return VisualInput(torch.zeros(rows, 0, length), torch.randn(rows, 3, length))


def test_regions_that_only_the_new_network_reads_have_no_effect_at_first() -> None:
    vocabulary = packaged("edge")
    old, new = network(tiny(), vocabulary, 1), network(SEEING, vocabulary, 2)
    fresh = begin_from(new, old)
    assert set(fresh) == {"visual_mean", "visual_scale", "embed_object.weight", "embed_object.bias"}
    assert torch.allclose(scores(new, seen(new)), scores(old), atol=1e-6)


def test_outputs_are_copied_by_name() -> None:
    vocabulary = packaged("edge")
    other = replace(vocabulary, actions=("skip", *reversed(vocabulary.actions)))
    old, new = network(tiny(), vocabulary, 1), network(tiny(), other, 2)
    before = new.action_lstm.state_dict()["scores.weight"][0].clone()
    begin_from(new, old)
    found = scores(new)[..., [other.action_index(action) for action in vocabulary.actions]]
    assert torch.allclose(found, scores(old), atol=1e-6)
    assert torch.equal(new.action_lstm.state_dict()["scores.weight"][0], before)


def begun(config: TrainingConfig) -> Run:
    run = started(config)
    assert config.start is not None
    run.start_from(config.start)
    return run


def kept(path: Path, config: TrainingConfig) -> Path:
    save(Checkpoint(network(config, packaged("edge"), 1), "edge", True, "none"), path)
    return path


def test_a_run_and_its_running_mean_begin_with_the_checkpoint(tmp_path: Path) -> None:
    path = kept(tmp_path / "old.safetensors", tiny())
    run = begun(tiny(start=str(path), optimiser={"ema_decay": 0.9}))
    assert run.average is not None
    assert torch.equal(scores(run.network.eval()), scores(run.average.network))
    assert torch.equal(scores(run.network), scores(network(tiny(), packaged("edge"), 1)))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"graph_hidden": 24}, "its graph_hidden is 16, not 24"),
        ({"person_hidden": 8}, "its person_hidden is 0, not 8"),
        ({"graph": "mean"}, "its graph is sequential, not mean"),
        ({"relevance_hidden": 9, "state_hidden": 17}, "its relevance_hidden is 8, not 9, state_hidden is 16, not 17"),
        ({"action_width": 20}, "its action_width is 96, not 20"),
        ({"language": False}, "its language is True, not False"),
    ],
)
def test_other_sizes_are_rejected_with_the_settings_to_change(
    changes: dict[str, Any], named: str, tmp_path: Path
) -> None:
    path = kept(tmp_path / "old.safetensors", tiny())
    with pytest.raises(TrainingError, match=rf"old\.safetensors: can't be used: {named}: set the same under `model`"):
        begun(tiny(start=str(path), model=changes))


def test_a_run_takes_the_sizes_of_its_start_that_it_does_not_set(tmp_path: Path) -> None:
    small = {"relevance_hidden": 8, "state_hidden": 16, "prior_hidden": 8, "graph_hidden": 16, "action_hidden": 16}
    old = tiny(model={**small, "graph": "mean", "person_hidden": 12, "action_width": 20, "dropout": 0.1})
    start = Checkpoint(network(old, packaged("edge"), 1), "edge", True, "none")
    mine = TrainingConfig.model_validate({"model": {"dropout": 0.3}})
    model = with_sizes_of(mine, start).model
    assert (model.graph, model.person_hidden, model.action_width, model.graph_hidden) == ("mean", 12, 20, 16)
    assert (model.dropout, model.visual, model.action_dropout) == (0.3, "none", 0.0)
    other = TrainingConfig.model_validate({"model": {"graph_hidden": 5}})
    assert with_sizes_of(other, start).model.graph_hidden == 5
    path = kept(tmp_path / "old.safetensors", old)
    begun(with_sizes_of(tiny(start=str(path)).model_copy(update={"model": mine.model}), start))


def test_a_network_without_regions_answers_as_with_unknown_regions() -> None:
    torch.manual_seed(2)
    vocabulary = packaged("edge")
    priors = (
        torch.randn(len(vocabulary.parts), len(vocabulary.states), 12) * torch.from_numpy(vocabulary.mask())[..., None]
    )
    sizes = network_sizes(SEEING.model)
    seeing = Checkpoint(ActionNetwork(sizes, vocabulary, priors).eval(), "edge", True, "none")
    seeing.network.action_lstm.temperature.fill_(1.3)
    alone = from_keypoints_alone(seeing)
    assert not alone.network.config.visual and from_keypoints_alone(alone) is alone
    parts, context = torch.randn(2, 5, 10, sizes.part_features), torch.randn(2, 5, sizes.context_features)
    present, dt = torch.rand(2, 5, 10) < 0.8, torch.full((2, 5), 0.1)
    with torch.inference_mode():
        wanted = seeing.network(parts, context, present, dt, unseen_regions(seeing.network, 10))
        found = alone.network(parts, context, present, dt)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
