"""Tests of the goals and of the command line."""

from dataclasses import replace

import torch

from benchmarks import peers
from benchmarks.engine.engine_bench import goals
from benchmarks.main import main, spread
from benchmarks.model.multiply_adds import counter, multiply_adds
from benchmarks.rounds import Load, Measured, Plan, order
from benchmarks.run_once import Figures

A_RUN = Figures(
    contender="",
    cameras=4,
    cpu_ms_per_frame=3.0,
    frames_sent=800,
    frames_delivered=800,
    frames_lost=0,
    duplicates=0,
    unreadable=0,
    restarts=0,
    latency_ms_p50=40.0,
    latency_ms_p99=50.0,
    open_s=0.5,
    peak_rss_mib=100.0,
    server_cpu_ms_per_frame=0.5,
    other_cpu_share=0.0,
)


def measured(ours_cpu: float, lost: int = 0, runs: int = 9) -> Measured:
    plan = Plan((Load(4),), (peers.OURS, peers.BARE, peers.OPENCV), runs)
    ours = replace(A_RUN, contender=peers.OURS, cpu_ms_per_frame=ours_cpu, own_latency_ms_p99=1.0)
    opencv = replace(A_RUN, contender=peers.OPENCV, cpu_ms_per_frame=3.4, latency_ms_p50=80.0)
    rows: dict[tuple[str, Load], list[Figures | None]] = {
        (peers.OURS, Load(4)): [replace(ours, frames_lost=lost), *[ours] * (runs - 1)],
        (peers.BARE, Load(4)): [replace(A_RUN, contender=peers.BARE)] * runs,
        (peers.OPENCV, Load(4)): [opencv] * runs,
    }
    return Measured(plan, rows)


def outcomes(of: Measured) -> dict[str, str]:
    return {goal.text: goal.outcome for goal in goals(of)}


def test_the_cpu_goal_is_met_within_a_tenth_of_the_bare_loop() -> None:
    text = "partstream: CPU per frame at most 1.10 x bare loop, 4 cameras"
    assert outcomes(measured(3.2))[text] == "met"
    assert outcomes(measured(3.4))[text] == "missed"


def test_too_few_runs_meet_no_goal() -> None:
    found = outcomes(measured(3.2, runs=3))
    assert found["partstream: CPU per frame at most 1.10 x bare loop, 4 cameras"] == "not resolved"


def test_a_lost_frame_misses_the_goals_of_no_loss() -> None:
    found = outcomes(measured(3.2, lost=1))
    assert found["no frame lost, 4 cameras"] == "missed"
    assert found[f"no more frames lost than {peers.OPENCV}, 4 cameras"] == "missed"


def test_each_figure_is_compared_with_a_peer_separately() -> None:
    found = outcomes(measured(3.5))
    assert found[f"ahead of {peers.OPENCV} in CPU per frame, 4 cameras"] == "missed"
    assert found[f"ahead of {peers.OPENCV} in latency p50, 4 cameras"] == "met"


def test_rounds_with_a_failed_run_give_no_pair() -> None:
    of = measured(3.2)
    of.runs[peers.BARE, Load(4)][3] = None
    assert len(of.paired((peers.OURS, Load(4)), (peers.BARE, Load(4)), "cpu_ms_per_frame")) == 8


def test_every_other_round_runs_in_reverse_order() -> None:
    assert order(["a", "b", "c"], 0) == ["a", "b", "c"]
    assert order(["a", "b", "c"], 1) == ["c", "b", "a"]


def test_all_numbers_after_a_repeatable_option_belong_to_it() -> None:
    written = spread(["engine", "--cameras", "1", "4", "8", "--runs", "9", "--json", "f"])
    assert written == ["engine", "--cameras", "1", "--cameras", "4", "--cameras", "8", "--runs", "9", "--json", "f"]


def test_unknown_commands_and_contenders_are_usage_errors() -> None:
    assert main(["nothing"]) == 2
    assert main(["engine", "--contender", "nobody"]) == 2
    assert main(["engine", "--transport", "carrier pigeon"]) == 2
    assert main(["ingest", "--contender", "nobody"]) == 2
    assert main(["model", "--size", "large"]) == 2


def test_multiply_adds_of_a_convolution_a_linear_layer_and_an_lstm_are_counted() -> None:
    convolution, linear = torch.nn.Conv2d(3, 8, 3), torch.nn.Linear(5, 7)
    lstm = torch.nn.LSTM(16, 32, batch_first=True)
    with torch.inference_mode(), counter() as counted:
        convolution(torch.zeros(1, 3, 16, 16))
        linear(torch.zeros(2, 5))
        before_lstm = multiply_adds(counted)
        lstm(torch.zeros(3, 10, 16))
    assert before_lstm == 8 * 14 * 14 * 3 * 3 * 3 + 2 * 5 * 7
    assert multiply_adds(counted) - before_lstm == 3 * 10 * 4 * 32 * (16 + 32)
