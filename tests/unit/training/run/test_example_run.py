"""A run that adds actions from examples: its vocabulary, what it keeps, what it learns, and what it reports."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stages.checkpoint import load as load_checkpoint
from stages.heads.network import SequenceOutputs
from stages.people.smoothing import SmoothingConfig
from stages.vocabulary import packaged
from support.training.clip_runs import begun, generated, on_clips, probabilities, trained
from support.training.example_people import example_clips, starting_checkpoint, watched_examples
from support.training.training_examples import motion_clips
from training.run.clip_run import ExampleRun, example_run, grown
from training.run.learning.losses import KeptAnswers
from training.run.validation.held_out import KnownActions, example_figures
from training.sequences import Tensors
from training.settings.run_config import DEFAULTS, TrainingConfig, load
from training.sources.tracks import ExampleTracks
from training.synthetic.sequences.generator import Generator

WORDS = packaged("edge")


@pytest.fixture(scope="module")
def flap() -> ExampleRun:
    """Ten clips of a new action, and a small checkpoint."""
    return example_run(example_clips(*watched_examples("flap", 10)), starting_checkpoint())


def on_examples(run: ExampleRun, **changes: Any) -> TrainingConfig:
    return on_clips(run, changes.pop("examples", None), **changes)


# Vocabulary and configuration


def test_new_actions_come_after_the_old_ones_and_known_ones_are_not_repeated() -> None:
    found = grown(WORDS, ["flap", "squat", "skip"])
    assert found.actions == (*WORDS.actions, "flap", "skip")
    assert found.states_of == WORDS.states_of and found.words == WORDS.words
    assert grown(WORDS, ["squat"]) == WORDS


def test_examples_have_their_own_defaults_which_a_file_or_an_option_replaces() -> None:
    data = {"examples": {"folder": "my_clips"}}
    config = load(None, {"start": "edge", "data": data})
    assert config.steps == DEFAULTS["steps"] and config.optimiser.learning_rate < load().optimiser.learning_rate
    assert load(None, {"start": "edge", "data": data, "steps": 7}).steps == 7
    assert load(None, {"start": "edge"}).steps == 3000


def test_the_sizes_are_those_of_the_checkpoint_and_a_new_action_has_its_odds_at_the_end(flap: ExampleRun) -> None:
    config = on_examples(flap, model={"graph_hidden": 99})
    assert config.model.graph_hidden == flap.start.network.config.graph_hidden
    assert config.actions.prevalence == {"flap": 2.0}
    assert flap.new == ("flap",)


def test_events_keep_the_onsets_of_the_checkpoint_unless_the_run_gives_others(flap: ExampleRun) -> None:
    smoothing = SmoothingConfig(onset={"fall": 0.6, "kick": 0.4})
    strict = dataclasses.replace(flap, start=dataclasses.replace(flap.start, smoothing=smoothing))
    assert on_examples(strict).actions.onset == {"fall": 0.6, "kick": 0.4}
    assert on_examples(strict, actions={"onset": {"kick": 0.0}}).actions.onset == {"fall": 0.6, "kick": 0.0}


def test_generated_motion_of_an_action_that_the_checkpoint_does_not_know_is_unknown() -> None:
    known = dataclasses.replace(WORDS, actions=tuple(name for name in WORDS.actions if name not in ("walk", "wave")))
    with pytest.raises(ValueError, match="lacks actions of generated sequences: walk, wave"):
        Generator(motion_clips(), known, 1)
    generator = Generator(motion_clips(), known, 1, partial=True)
    batch = generator.batch(40, 12)
    named = {known.actions[index] for index in np.unique(batch.action[batch.action >= 0])}
    assert not named & {"walk", "wave"} and len(named) > 8
    last = batch.action[np.arange(40), batch.lengths - 1]
    every = Generator(motion_clips(), WORDS, 1).batch(40, 12)
    assert (last < 0).sum() <= (every.action[np.arange(40), every.lengths - 1] < 0).sum() + 4


# What is kept


def test_before_the_first_step_the_answers_are_those_of_the_checkpoint(flap: ExampleRun) -> None:
    config = on_examples(flap)
    batch = generated(flap, config)
    before = probabilities(flap.start.network, batch)
    after = probabilities(begun(flap, config).network, batch)
    assert float(after[..., -1].max()) < 0.02
    assert torch.allclose(after[..., :-1] / (1 - after[..., -1:]), before, atol=1e-5)


def kept(run: ExampleRun, rows: slice = slice(0, 0)) -> KeptAnswers:
    return KeptAnswers(run.start.network, rows, 1.0, torch.device("cpu"))


def test_a_new_action_counts_as_wrong_only_where_the_label_is_an_old_one(flap: ExampleRun) -> None:
    config = on_examples(flap)
    run, batch = begun(flap, config), generated(flap, config)
    outputs = run.network.eval()(batch.parts, batch.context, batch.present, batch.dt)
    outputs = SequenceOutputs(*(tensor.detach() for tensor in outputs))
    raised = outputs._replace(action_logits=F.pad(outputs.action_logits[..., :-1], (0, 1), value=5.0))
    unlabelled = kept(flap, slice(0, len(batch.last))).unlabelled(batch)
    unknown = Tensors(**{**unlabelled._tensors(), "action": torch.full_like(batch.action, -1)})
    assert float(kept(flap).loss(raised, batch, run.mask)) > 1.0
    assert float(kept(flap).loss(raised, unknown, run.mask)) == pytest.approx(
        float(kept(flap).loss(outputs, unknown, run.mask)), abs=1e-5
    )


# Learning


def test_a_new_action_is_learned_and_the_old_answers_stay(flap: ExampleRun, tmp_path: Path) -> None:
    config = on_examples(
        flap, steps=150, examples={"share": 0.34, "keep_weight": 3}, data={"batch": 9, "reuse": 5, "pool": 10}
    )
    batch = generated(flap, config)
    outcome = trained(flap, tmp_path / "mine.safetensors", config)
    network = outcome.checkpoint.network
    others = ExampleTracks(watched_examples("flap", 40)[20:], flap.vocabulary, 5).batch(20, 8)  # other people
    full = others.last >= 5
    answers = probabilities(network, others)[torch.arange(20), others.last].argmax(-1)[full]
    assert float((answers == len(WORDS.actions)).float().mean()) > 0.8
    before, after = probabilities(flap.start.network, batch), probabilities(network, batch)
    change = 0.5 * (F.pad(before, (0, 1)) - after).abs().sum(-1)[batch.real]
    assert float(change.mean()) < 0.15, "mean total variation"
    assert float((before.argmax(-1) == after.argmax(-1))[batch.real].float().mean()) > 0.85


def test_the_checkpoint_names_the_new_action_and_its_clips(flap: ExampleRun, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    trained(flap, path, on_examples(flap, evaluation={"sequences": 48}))
    made = load_checkpoint(path)
    assert made.network.vocabulary.actions == (*WORDS.actions, "flap") and made.language_model == "stand-in"
    assert made.metrics["examples"]["clips"] == {"flap": {"learned": 8, "held_out": 2}}
    figures = made.metrics["held_out_examples"]
    assert figures["actions"]["flap"].keys() == {"new", "learned", "held_out", "recall", "precision"}
    assert 0 <= figures["before"] <= 1 and 0 <= figures["after"] <= 1
    assert made.network.action_lstm.temperature == pytest.approx(1.25), "the start's temperature is kept"


def test_recall_and_precision_are_those_of_an_independent_count(flap: ExampleRun) -> None:
    """The network always answers `flap`, for two held-out clips and for sequences of each old action."""
    always = begun(flap, on_examples(flap)).network.eval()
    with torch.no_grad():
        always.action_lstm.get_parameter("scores.bias")[-1] = 100.0
    known = KnownActions(WORDS, motion_clips(), 48, window=8, seed=1)
    found = example_figures(flap, known, always, 8)
    assert found["actions"]["flap"]["recall"] == 1.0
    # All of the old actions are mistaken for it: one right answer among as many as there are actions.
    assert found["actions"]["flap"]["precision"] == pytest.approx(1 / (1 + len(WORDS.actions)), abs=0.002)
    assert found["after"] == 0.0 < found["before"] or found["before"] == 0.0
