"""Contenders measured in turns: every one under every load, round after round, and what the runs gave.

Owns the sequence of runs; each run's process ends with the run. Results are handed over after every round, so that a
long measurement that is cut short leaves what it had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks import peers, stats
from benchmarks.cameras.clip import prepared
from benchmarks.peers import PeerUnavailableError
from benchmarks.run_once import Contender, Figures, RunFailedError, run_once

SETUP_S = 6.0
"""About what a run takes besides the time measured: server, imports, opening the cameras, grace."""


@dataclass(frozen=True, slots=True)
class Load:
    """So many cameras, whose frames leave one after the other within a frame interval, or all in the same instant."""

    cameras: int
    staggered: bool = True

    def __str__(self) -> str:
        if self.cameras == 1:
            return "1 camera"
        return f"{self.cameras} cameras" if self.staggered else f"{self.cameras} cameras at once"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: every contender under every load, `runs` times."""

    loads: tuple[Load, ...]
    contenders: tuple[str, ...]
    runs: int = 9
    seconds: float = 8.0
    warm_up_s: float = 2.0
    transport: str = "auto"
    """The cameras' `transport` in those of our contenders that don't name one."""

    @property
    def duration_s(self) -> float:
        """About how long it takes."""
        return self.runs * len(self.loads) * len(self.contenders) * (self.seconds + self.warm_up_s + SETUP_S)


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing that should hold, what was measured, and whether it does."""

    text: str
    measured: str
    outcome: stats.Outcome


@dataclass(slots=True)
class Measured:
    """All runs of a plan. `runs[name, load]` holds one entry a round, None where the contender failed."""

    plan: Plan
    runs: dict[tuple[str, Load], list[Figures | None]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def of(self, name: str, load: Load) -> list[Figures]:
        """The runs that succeeded."""
        return [run for run in self.runs.get((name, load), []) if run is not None]

    def values(self, name: str, load: Load, figure: str) -> list[float]:
        """One figure over the rounds in which the contender ran."""
        return [getattr(run, figure) for run in self.of(name, load)]

    def paired(self, ours: tuple[str, Load], theirs: tuple[str, Load], figure: str) -> list[float]:
        """Ratio of a figure, ours to theirs, for each round in which both ran."""
        pairs = [(a, b) for a, b in zip(self.runs.get(ours, []), self.runs.get(theirs, []), strict=False) if a and b]
        return stats.ratios([getattr(a, figure) for a, _ in pairs], [getattr(b, figure) for _, b in pairs])

    def as_json(self, goals: Sequence[Goal]) -> dict[str, Any]:
        """Everything, run by run, and what was concluded."""
        return {
            "plan": asdict(self.plan),
            "unavailable": self.unavailable,
            "failures": self.failures,
            "runs": [
                {"round": number, "staggered": load.staggered, **asdict(run)}
                for (_, load), rows in self.runs.items()
                for number, run in enumerate(rows)
                if run is not None
            ],
            "goals": [asdict(goal) for goal in goals],
        }


def measure(plan: Plan, say: Callable[[str], None], save: Callable[[Measured], None]) -> Measured:
    """Run the plan. In every other round the order is reversed, so that a drift of the machine favours nobody."""
    clip = prepared()
    measured = Measured(plan)
    ready: dict[str, Contender] = {}
    for name in plan.contenders:
        try:
            ready[name] = peers.contender(name, plan.transport)
        except PeerUnavailableError as error:
            measured.unavailable[name] = str(error)
            say(f"{name}: not measured: {error}")
    begun = time.monotonic()
    for number in range(plan.runs):
        for load in plan.loads:
            for name in order(list(ready), number):
                figures = None
                try:
                    figures = run_once(
                        ready[name], clip, load.cameras, plan.seconds, plan.warm_up_s, staggered=load.staggered
                    )
                    say(_line(number, load, figures))
                except RunFailedError as error:
                    measured.failures.append(f"round {number + 1}, {load}: {error}")
                    say(f"round {number + 1}, {load}: {error}")
                measured.runs.setdefault((name, load), []).append(figures)
        save(measured)
        left_s = (time.monotonic() - begun) / (number + 1) * (plan.runs - number - 1)
        say(f"round {number + 1} of {plan.runs} done, about {left_s / 60:.0f} min left")
    return measured


def order(names: Sequence[str], number: int) -> list[str]:
    """The contenders' order in round `number`: forwards, backwards, forwards …"""
    return list(names) if number % 2 == 0 else list(reversed(names))


def within(text: str, values: Sequence[float], limit: float) -> Goal:
    """The goal that a median is at most `limit`."""
    value = stats.estimate(values)
    return Goal(text, str(value) if values else "not measured", stats.at_most(value, limit))


def _line(number: int, load: Load, run: Figures) -> str:
    own = "" if run.own_latency_ms_p99 is None else f", own p99 {run.own_latency_ms_p99:.2f} ms"
    return (
        f"round {number + 1}, {load}, {run.contender}: {run.cpu_ms_per_frame:.2f} ms CPU a frame, "
        f"{run.frames_lost} of {run.frames_sent} lost, latency {run.latency_ms_p50:.1f} / {run.latency_ms_p99:.1f} ms"
        f"{own}, open after {run.open_s:.1f} s; others used {run.other_cpu_share:.0%} of the machine"
    )
