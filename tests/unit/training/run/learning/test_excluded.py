"""The loss of an action that was said wrongly: what it lowers, and what is kept beside it."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from stages.heads.network import SequenceOutputs
from stages.vocabulary import packaged
from support.training.example_people import starting_checkpoint
from support.training.training_examples import motion_clips
from training.run.learning.losses import KeptAnswers, excluded_loss, losses
from training.sequences import Tensors, to_tensors
from training.settings.run_config import load
from training.synthetic.sequences.generator import Generator

WORDS = packaged("edge")
ACTIONS = len(WORDS.actions)
MASK = torch.from_numpy(WORDS.mask())


def random_logits(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def batch() -> Tensors:
    """Sequences whose third step excludes an action, as those of clips without another label."""
    made = to_tensors(Generator(motion_clips(), WORDS, 5).batch(4, 6))
    excluded = torch.full_like(made.action, -1)
    excluded[:, 2] = torch.tensor([0, 5, 8, ACTIONS - 1])
    return dataclasses.replace(made, action=torch.full_like(made.action, -1), excluded=excluded)


def test_the_loss_is_the_mean_of_minus_the_logarithm_of_the_other_actions() -> None:
    logits = random_logits(3, 4, 5)
    excluded = torch.tensor([[-1, 2, -1, 0], [-1, -1, -1, -1], [4, 4, 1, -1]])
    each = [
        -math.log(1 - float(logits[row, step].double().softmax(-1)[excluded[row, step]]))
        for row in range(3)
        for step in range(4)
        if excluded[row, step] >= 0
    ]
    assert float(excluded_loss(logits, excluded)) == pytest.approx(sum(each) / len(each), rel=1e-5)
    assert float(excluded_loss(logits, torch.full_like(excluded, -1))) == 0.0


def test_the_gradient_keeps_the_odds_of_the_other_actions() -> None:
    logits = random_logits(1, 1, 6).requires_grad_()
    excluded_loss(logits, torch.tensor([[2]])).backward()
    assert logits.grad is not None
    gradient, shares = logits.grad[0, 0], logits.detach()[0, 0].softmax(-1)
    others = [0, 1, 3, 4, 5]
    assert gradient[2] > 0
    assert torch.allclose(gradient[others] / shares[others], (gradient[0] / shares[0]).expand(5), rtol=1e-4)
    assert float(gradient.sum()) == pytest.approx(0, abs=1e-6)


def outputs_of(batch: Tensors, seed: int = 0) -> SequenceOutputs:
    rows, steps = batch.action.shape
    shapes = ((len(MASK),), tuple(MASK.shape), (ACTIONS,), (ACTIONS,))
    return SequenceOutputs(*(random_logits(rows, steps, *shape, seed=seed) for shape in shapes))


def test_the_total_has_the_term_with_its_weight_only_if_something_is_excluded(batch: Tensors) -> None:
    outputs, plain = outputs_of(batch), torch.ones(MASK.shape)
    config = load(None, {"data": {"verdicts": {"wrong_weight": 3.0}}})
    found = losses(outputs, batch, MASK, plain, config)
    without = losses(outputs, dataclasses.replace(batch, excluded=None), MASK, plain, config)
    assert found["excluded"] > 0 and "excluded" not in without
    assert torch.isclose(found["total"], without["total"] + 3 * found["excluded"])


def test_the_other_answers_are_kept_where_an_action_is_excluded(batch: Tensors) -> None:
    """Against a plain loop: the divergence from the start's answers, without the excluded action in either."""
    start = starting_checkpoint().network
    kept = KeptAnswers(start, slice(0, 4), 1.0, torch.device("cpu"))
    with torch.no_grad():
        answers = start(batch.parts, batch.context, batch.present, batch.dt, real=batch.real)
    outputs = answers._replace(action_logits=outputs_of(batch).action_logits)
    assert batch.excluded is not None
    each: list[float] = []
    for row, step in batch.real.nonzero().tolist():
        others = [action for action in range(ACTIONS) if action != int(batch.excluded[row, step])]
        wanted = answers.action_logits[row, step, others].double().softmax(-1)
        given = outputs.action_logits[row, step, others].double().softmax(-1)
        each.append(float((wanted * (wanted / given).log()).sum()))
    assert float(kept.loss(outputs, batch, MASK)) == pytest.approx(sum(each) / len(each), rel=1e-4)
