"""The loss: each term counts as configured, what has no target takes no part, rare things can count more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stages.heads.network import SequenceOutputs
from stages.vocabulary import packaged
from support.training.training_examples import motion_clips
from training.run.learning.losses import losses, positive_weights
from training.sequences import Tensors, to_tensors
from training.settings.run_config import load
from training.synthetic.sequences.generator import Generator

VOCABULARY = packaged("edge")
MASK = torch.from_numpy(VOCABULARY.mask())
PLAIN = torch.ones(MASK.shape)


@pytest.fixture(scope="module")
def target() -> Tensors:
    return to_tensors(Generator(motion_clips(), VOCABULARY, 5).batch(8, 12))


def random_outputs(target: Tensors, seed: int = 0) -> SequenceOutputs:
    random = torch.Generator().manual_seed(seed)
    sequences, steps = target.action.shape
    actions = len(VOCABULARY.actions)
    shapes = ((len(MASK),), tuple(MASK.shape), (actions,), (actions,))
    return SequenceOutputs(
        *(torch.randn(sequences, steps, *shape, generator=random).requires_grad_() for shape in shapes)
    )


def test_the_total_is_the_weighted_sum_of_the_terms(target: Tensors) -> None:
    config = load(
        None,
        {
            "states": {"weight": 2.0},
            "relevance": {"weight": 3.0},
            "actions": {"frame_weight": 5.0, "every_step_weight": 7.0, "last_step_weight": 11.0},
        },
    )
    found = losses(random_outputs(target), target, MASK, PLAIN, config)
    expected = 2 * found["states"] + 3 * found["relevance"] + 5 * found["frame"]
    assert torch.isclose(found["total"], expected + 7 * found["every_step"] + 11 * found["last_step"])
    assert all(value.item() > 0 for value in found.values())


def test_padding_absent_parts_foreign_states_and_unknown_actions_do_not_count(target: Tensors) -> None:
    outputs = random_outputs(target)
    losses(outputs, target, MASK, PLAIN, load())["total"].backward()
    assert not outputs.state_logits.grad[~(target.present[..., None] & MASK & target.real[..., None, None])].any()
    assert not outputs.relevance_logits.grad[~(target.present & target.relevance_known)].any()
    for logits in (outputs.frame_logits, outputs.action_logits):
        assert not logits.grad[target.action < 0].any() and logits.grad[target.action >= 0].any()
    assert (~target.real).any() and (target.action < 0).any(), "the example must have padding"


def test_the_window_term_uses_each_sequences_last_step(target: Tensors) -> None:
    outputs = random_outputs(target)
    losses(outputs, target, MASK, PLAIN, load())["last_step"].backward()
    touched = outputs.action_logits.grad.abs().sum(-1) > 0
    for row, last in enumerate(target.last.tolist()):
        known = bool(target.action[row, last] >= 0)
        assert touched[row].nonzero().flatten().tolist() == ([last] if known else [])


def test_positives_of_rare_states_have_larger_limited_weights_only_if_configured() -> None:
    share = torch.tensor([[0.0, 0.01, 0.2, 0.5, 0.99]])
    weighted = load(None, {"states": {"positive_limits": [0.5, 4.0]}}).states
    assert positive_weights(share, weighted).tolist() == [[4.0, 4.0, 2.0, 1.0, 0.5]]
    for other in ("focal", "plain"):
        assert positive_weights(share, load(None, {"states": {"loss": other}}).states).tolist() == [[1.0] * 5]


def test_balanced_batches_end_equally_often_with_each_action_and_plain_ones_do_not() -> None:
    generator = Generator(motion_clips(), VOCABULARY, 3)
    common = [VOCABULARY.action_index(name) for name in ("stand", "walk")]

    def shares(make: Any) -> np.ndarray:
        batch = make(220, 4)
        ends = batch.action[np.arange(220), batch.lengths - 1]
        return np.bincount(ends[ends >= 0], minlength=len(VOCABULARY.actions)) / (ends >= 0).sum()

    plain, balanced = shares(generator.batch), shares(generator.balanced_batch)
    assert plain[common].sum() > 0.17 > 0.14 > balanced[common].sum()
    assert balanced.min() > 0.005
