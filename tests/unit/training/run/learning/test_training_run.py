"""One step of training: what it does with all features off, what each feature adds, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stages.heads.network import ActionNetwork
from stages.vocabulary import packaged
from support.training.training_examples import motion_clips, stand_in_priors, started, tiny
from training.run.learning.precision import autocast_type
from training.run.learning.run_state import read_state, write_state
from training.run.learning.training_run import DivergedError, Run, TrainingError, network_sizes, schedule
from training.sequences.features import to_tensors
from training.sequences.tensors import Tensors
from training.settings.run_config import TrainingConfig
from training.synthetic.sequences.generator import Generator


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def plain_steps(config: TrainingConfig, count: int) -> tuple[list[float], ActionNetwork]:
    """The loop that made the first checkpoint, written out: no option, no other term, a fresh batch a step."""
    vocabulary = packaged("edge")
    torch.manual_seed(config.seed)
    generator = Generator(motion_clips(), vocabulary, config.seed)
    network = ActionNetwork(network_sizes(config.model), vocabulary, stand_in_priors())
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.003, weight_decay=0.001)
    first = to_tensors(generator.batch(config.data.batch, config.data.window))
    parts, context = first.parts[first.real], first.context[first.real]
    network.set_normalisation(parts.mean(0), parts.std(0), context.mean(0), context.std(0))
    share = first.states[first.real].float().mean(0)
    rarity = ((1 - share) / share.clamp(min=1e-3)).sqrt().clamp(0.7, 5.0)
    totals: list[float] = []
    has_bfloat16 = autocast_type(config, torch.device("cpu")) is not None
    for step in range(count):
        target = to_tensors(generator.batch(config.data.batch, config.data.window))
        for group in optimiser.param_groups:
            group["lr"] = 0.003 * schedule(step, config.steps, config.optimiser.warm_up)
        network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bfloat16):
            read = network(target.parts, target.context, target.present, target.dt, real=target.real)
        total = _plain_loss([tensor.float() for tensor in read], target, rarity, torch.from_numpy(vocabulary.mask()))
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        totals.append(float(total.detach()))
    return totals, network


def _plain_loss(read: list[torch.Tensor], target: Tensors, rarity: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    relevance, states, frame, action = read
    some = target.present[..., None] & mask & target.real[..., None, None]
    entropy = F.binary_cross_entropy_with_logits(states, target.states.float(), pos_weight=rarity, reduction="none")
    total = (entropy * some).sum() / some.sum()
    known = target.present & target.relevance_known
    entropy = F.binary_cross_entropy_with_logits(relevance, target.relevance.float(), reduction="none")
    total = total + 0.5 * ((entropy * known).sum() / known.sum())
    rows = torch.arange(len(target.last))
    for weight, logits, truth in (
        (0.5, frame.flatten(0, 1), target.action.flatten()),
        (0.7, action.flatten(0, 1), target.action.flatten()),
        (1.0, action[rows, target.last], target.action[rows, target.last]),
    ):
        total = total + weight * F.cross_entropy(logits, truth, ignore_index=-1, label_smoothing=0.05)
    return total


def test_with_every_feature_off_a_run_is_the_plain_loop_that_made_the_first_checkpoint() -> None:
    config = tiny(
        precision="bfloat16",
        data={"reuse": 1},
        optimiser={"ema_decay": 0, "weight_decay": 0.001},
        actions={"label_smoothing": 0.05},
    )
    totals, network = plain_steps(config, 3)
    run = started(config)
    assert [run.advance().losses["total"] for _ in range(3)] == totals
    for name, value in network.state_dict().items():
        assert torch.equal(value, run.network.state_dict()[name]), name


EVERY_OPTION: dict[str, Any] = {
    "model": {
        "action_kernel": 3,
        "action_dropout": 0.2,
        "part_dropout": 0.3,
        "posture_actions": ["stand", "sit", "lie"],
        "movement_actions": ["walk", "run", "fall"],
    },
    "actions": {
        "implied_postures": {name: "stand" for name in packaged("edge").actions if name not in ("stand", "sit", "lie")}
    },
    "optimiser": {"ema_decay": 0.5},
}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_with_every_option_of_the_network_takes_the_same_steps(precision: str, tmp_path: Path) -> None:
    run = started(tiny(**EVERY_OPTION, precision=precision))
    run.advance()
    write_state(run, tmp_path / "state.pt", {})
    expected = [run.advance().losses for _ in range(2)]
    again = Run(run.config, motion_clips(), stand_in_priors(), packaged("edge"))
    read_state(again, tmp_path / "state.pt")
    assert [again.advance().losses for _ in range(2)] == expected
    assert all(math.isfinite(value) and value > 0 for losses in expected for value in losses.values())
    assert "postures" in expected[0]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"model": {"posture_actions": ["stand", "fly"]}}, "posture_actions, movement_actions: there is no action fly"),
        ({"actions": {"implied_postures": {"walk": "stand"}}}, "stand is not one of model.posture_actions"),
    ],
)
def test_unknown_actions_of_the_heads_end_the_run_before_it_starts(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(TrainingError, match=fault):
        started(tiny(**changes))


def test_the_running_mean_follows_the_weights_and_is_what_is_evaluated() -> None:
    run = started(tiny(optimiser={"ema_decay": 0.5}))
    name = "action_lstm.scores.weight"
    mean = run.network.state_dict()[name].clone()
    for step in range(1, 6):
        run.advance()
        decay = min(0.5, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * run.network.state_dict()[name]
    assert run.average is not None and run.evaluated is run.average.learned
    assert torch.allclose(run.evaluated.network.state_dict()[name], mean, atol=1e-6)
    assert torch.equal(run.evaluated.network.part_mean, run.network.part_mean)
    assert not any(weight.requires_grad for weight in run.evaluated.parameters())


def test_an_evaluated_running_mean_drops_values_cached_from_older_weights() -> None:
    run = started(tiny(optimiser={"ema_decay": 0.5}))
    target = run.batches.fresh()

    def answer(network: ActionNetwork) -> torch.Tensor:
        with torch.no_grad():
            return network(target.parts, target.context, target.present, target.dt).action_logits

    answer(run.evaluated.network)
    run.advance()
    fresh = ActionNetwork(run.network.config, run.network.vocabulary, stand_in_priors()).eval()
    fresh.load_state_dict(run.evaluated.network.state_dict())
    assert torch.equal(answer(run.evaluated.network), answer(fresh))


def test_the_gradient_is_clipped_and_its_norm_before_clipping_is_reported() -> None:
    def norm_of(run: Run) -> float:
        return float(torch.cat([p.grad.flatten() for p in run.network.parameters() if p.grad is not None]).norm())

    free = started(tiny(optimiser={"clip_norm": None}))
    uncut = free.advance().gradient_norm
    cut = started(tiny(optimiser={"clip_norm": 0.01}))
    assert cut.advance().gradient_norm == uncut == pytest.approx(norm_of(free), rel=1e-4)
    assert uncut > 0.1 and norm_of(cut) == pytest.approx(0.01, rel=1e-3)


def test_bfloat16_keeps_weights_in_float32_and_stays_near_float32() -> None:
    half, whole = started(tiny(precision="bfloat16")), started(tiny(precision="float32"))
    ones, others = [half.advance() for _ in range(3)], [whole.advance() for _ in range(3)]
    assert all(weight.dtype == torch.float32 for weight in half.network.parameters())
    for one, other in zip(ones, others):
        assert one.losses["total"] == pytest.approx(other.losses["total"], rel=0.03)
        assert one.losses != other.losses


def test_an_infinite_loss_ends_the_run_with_step_and_name_and_keeps_the_weights() -> None:
    run = started(tiny())
    run.advance()
    with torch.no_grad():
        run.network.frame_scores.bias[0] = math.nan
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    with pytest.raises(DivergedError, match=r"step 2: the loss is not finite: frame \(nan\); try a smaller"):
        run.advance()
    assert run.step == 1
    for name, value in run.network.state_dict().items():
        assert torch.equal(value.nan_to_num(7), before[name].nan_to_num(7)), name


def test_an_infinite_gradient_ends_the_run() -> None:
    run = started(tiny())
    run.network.part_graph.register_full_backward_hook(lambda module, into, out: (into[0] * math.inf, *into[1:]))
    with pytest.raises(DivergedError, match="step 1: the gradient is not finite, though the loss is"):
        run.advance()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"device": "gpu"}, "'gpu' is not auto, cpu, cuda or cuda:N"),
        ({"device": "meta"}, "'meta' is not auto"),
        ({"device": "cuda:99"}, "'cuda:99' is not available"),
        ({"device": "cpu", "precision": "float16"}, "float16 needs CUDA"),
    ],
)
def test_an_unsuitable_device_is_rejected(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(TrainingError, match=named):
        Run(tiny(**changes), motion_clips(), stand_in_priors(), packaged("edge"))


def test_sgd_is_momentum_with_the_decay_in_the_gradient() -> None:
    run = started(tiny(optimiser={"name": "sgd", "momentum": 0.9, "weight_decay": 0.01, "learning_rate": 0.02}))
    weights = {name: weight.detach().double().clone() for name, weight in run.network.named_parameters()}
    speeds = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for _ in range(3):
        report = run.advance()
        limit = min(1.0, 1.0 / (report.gradient_norm + 1e-6))
        assert 0 < limit <= 1
        for name, weight in run.network.named_parameters():
            # The gradient is as it was left: cut to the norm.
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            speeds[name] = 0.9 * speeds[name] + gradient.double() + 0.01 * weights[name]
            weights[name] = weights[name] - report.learning_rate * speeds[name]
            if weight.grad is not None:
                assert torch.allclose(weight.double(), weights[name], atol=1e-6), name


def test_the_learning_rate_warms_up_and_decays_to_its_final_share() -> None:
    rates = [schedule(step, 1000, 100) for step in range(1000)]
    assert rates[0] == 0.01 and max(rates) == pytest.approx(1.0) and rates[-1] < 0.021
    assert np.diff(rates[:100]).min() > 0 and np.diff(rates[101:]).max() < 0
    assert schedule(0, 1000, 0) == 1.0 and schedule(999, 1000, 0, 0.5) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_on_cuda_each_precision_begins_with_the_cpus_losses_and_learns(precision: str) -> None:
    here = started(tiny(model={"dropout": 0.0})).advance()
    run = started(
        tiny(device="cuda", precision=precision, steps=40, model={"dropout": 0.0}, optimiser={"ema_decay": 0.9})
    )
    steps = [run.advance() for _ in range(40)]
    assert steps[0].losses["total"] == pytest.approx(here.losses["total"], rel=1e-4 if precision == "float32" else 0.03)
    assert np.mean([step.losses["total"] for step in steps[-5:]]) < 0.95 * steps[0].losses["total"]
    assert all(weight.dtype == torch.float32 and weight.is_cuda for weight in run.evaluated.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_float16_skips_a_step_that_overflows_and_resumes_with_its_scale(tmp_path: Path) -> None:
    config = tiny(device="cuda", precision="float16")
    run = started(config)
    run.scaler.load_state_dict({**run.scaler.state_dict(), "scale": 2.0**40})
    before = run.network.action_lstm.scores.weight.clone()
    assert not math.isfinite(run.advance().gradient_norm)
    assert run.scaler.get_scale() == 2.0**39 and torch.equal(before, run.network.action_lstm.scores.weight)
    write_state(run, tmp_path / "state.pt", {})
    again = Run(config, motion_clips(), stand_in_priors(), packaged("edge"))
    read_state(again, tmp_path / "state.pt")
    assert again.scaler.get_scale() == 2.0**39
