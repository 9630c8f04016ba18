"""Tests of the goals of the coordinator's benchmark."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.fleet.coordinator_bench import CoordinatorRun, goals

RUN = CoordinatorRun(placed_s=4.5, placing_s=0.1, placing_cpu_s=0.3, cpu_share=0.05, failover_s=2.0, rss_mib=90.0)


def test_nine_runs_within_the_goals_meet_them() -> None:
    assert [goal.outcome for goal in goals([RUN] * 9)] == ["met", "met", "met"]


def test_what_is_above_a_goal_is_missed_and_few_runs_resolve_nothing() -> None:
    slow = replace(RUN, placed_s=6.0, cpu_share=0.2, rss_mib=200.0)
    assert [goal.outcome for goal in goals([slow] * 9)] == ["missed", "missed", "missed"]
    assert {goal.outcome for goal in goals([RUN] * 3)} == {"not resolved"}
