"""Alternating runs of several contenders under several loads.

Results are saved after every round, so that an interrupted measurement keeps its completed rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import peers, stats
from benchmarks.cameras.clip import prepared
from benchmarks.peers import PeerUnavailableError
from benchmarks.run_once import Contender, Figures, RunFailedError, run_once

SETUP_S = 6.0
"""Approximate additional time of a run: server, imports, opening the cameras, grace period."""


def camera_count(number: int) -> str:
    """Return `1 camera`, `2 cameras` and so on."""
    return f"{number} camera{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Load:
    """A number of cameras that send their frames staggered within a frame interval, or all at once."""

    cameras: int
    staggered: bool = True

    def __str__(self) -> str:
        at_once = "" if self.staggered or self.cameras == 1 else " at once"
        return f"{camera_count(self.cameras)}{at_once}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Every contender under every load, `runs` times."""

    loads: tuple[Load, ...]
    contenders: tuple[str, ...]
    runs: int = 9
    seconds: float = 8.0
    warm_up_s: float = 2.0
    transport: str = "auto"
    """`transport` of the cameras for partstream contenders that do not set it themselves."""
    against: Path | None = None
    """Another checkout, for contenders whose names end with `peers.OTHER`."""

    @property
    def duration_s(self) -> float:
        """Approximate duration."""
        return self.runs * len(self.loads) * len(self.contenders) * (self.seconds + self.warm_up_s + SETUP_S)


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal, the measurement for it, and the outcome."""

    text: str
    measured: str
    outcome: stats.Outcome


@dataclass(slots=True)
class Measured:
    """All runs of a plan. `runs[name, load]` has one entry per round, None if the contender failed."""

    plan: Plan
    runs: dict[tuple[str, Load], list[Figures | None]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def of(self, name: str, load: Load) -> list[Figures]:
        """Return the successful runs."""
        return [run for run in self.runs.get((name, load), []) if run is not None]

    def values(self, name: str, load: Load, figure: str) -> list[float]:
        """Return a figure of all successful runs."""
        return [getattr(run, figure) for run in self.of(name, load)]

    def paired(self, ours: tuple[str, Load], theirs: tuple[str, Load], figure: str) -> list[float]:
        """Return the ratio of a figure, ours to theirs, for each round in which both succeeded."""
        pairs = [(a, b) for a, b in zip(self.runs.get(ours, []), self.runs.get(theirs, []), strict=False) if a and b]
        return stats.ratios([getattr(a, figure) for a, _ in pairs], [getattr(b, figure) for _, b in pairs])

    def as_json(self, goals: Sequence[Goal]) -> dict[str, Any]:
        """Return plan, runs and goals as plain values."""
        return {
            "plan": asdict(self.plan) | {"against": self.plan.against and self.plan.against.name},
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


def measure(plan: Plan, progress: Callable[[str], None], save: Callable[[Measured], None]) -> Measured:
    """Run the plan. Every other round has the reverse order, so that a drift of the machine affects all alike."""
    clip = prepared()
    measured = Measured(plan)
    ready: dict[str, Contender] = {}
    for name in plan.contenders:
        try:
            ready[name] = peers.contender(name, plan.transport, plan.against)
        except PeerUnavailableError as error:
            measured.unavailable[name] = str(error)
            progress(f"{name}: not measured: {error}")
    begun = time.monotonic()
    for number in range(plan.runs):
        for load in plan.loads:
            for name in order(list(ready), number):
                figures = None
                try:
                    figures = run_once(
                        ready[name], clip, load.cameras, plan.seconds, plan.warm_up_s, staggered=load.staggered
                    )
                    progress(_line(number, load, figures))
                except RunFailedError as error:
                    measured.failures.append(f"round {number + 1}, {load}: {error}")
                    progress(f"round {number + 1}, {load}: {error}")
                measured.runs.setdefault((name, load), []).append(figures)
        save(measured)
        left_s = (time.monotonic() - begun) / (number + 1) * (plan.runs - number - 1)
        progress(f"round {number + 1} of {plan.runs} done, about {left_s / 60:.0f} min left")
    return measured


def order(names: Sequence[str], number: int) -> list[str]:
    """Return the order of the contenders in round `number`, which alternates between forward and reverse."""
    return list(names) if number % 2 == 0 else list(reversed(names))


def within(text: str, values: Sequence[float], limit: float) -> Goal:
    """Return the goal of a median of at most `limit`."""
    value = stats.estimate(values)
    return Goal(text, str(value) if values else "not measured", stats.at_most(value, limit))


def _line(number: int, load: Load, run: Figures) -> str:
    own = "" if run.own_latency_ms_p99 is None else f", own p99 {run.own_latency_ms_p99:.2f} ms"
    return (
        f"round {number + 1}, {load}, {run.contender}: {run.cpu_ms_per_frame:.2f} ms CPU per frame, "
        f"{run.frames_lost} of {run.frames_sent} lost, latency {run.latency_ms_p50:.1f} / {run.latency_ms_p99:.1f} ms"
        f"{own}, open after {run.open_s:.1f} s; other programs used {run.other_cpu_share:.0%} of the machine"
    )
