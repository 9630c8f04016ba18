"""The engine with a model that costs nothing, against a bare loop and peers, on the same cameras in alternating runs.

Owns the sequence of runs and what is concluded from them; each run's process ends with the run. Results are written
after every round, so that a long measurement that is cut short leaves what it had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks import peers, stats
from benchmarks.clip import prepared
from benchmarks.peers import PeerUnavailableError
from benchmarks.run_once import Contender, Figures, RunFailedError, run_once

CPU_LIMIT = 1.10
OWN_LATENCY_LIMIT_MS = 5.0
SETUP_S = 6.0
"""About what a run takes besides the time measured: server, imports, opening the cameras, grace."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: every contender with every number of cameras, `runs` times."""

    cameras: tuple[int, ...] = (1, 4, 8)
    runs: int = 9
    seconds: float = 8.0
    warm_up_s: float = 2.0
    contenders: tuple[str, ...] = peers.ALL

    @property
    def duration_s(self) -> float:
        """About how long it takes."""
        return self.runs * len(self.cameras) * len(self.contenders) * (self.seconds + self.warm_up_s + SETUP_S)


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing that should hold, what was measured, and whether it does."""

    text: str
    measured: str
    outcome: stats.Outcome


@dataclass(slots=True)
class Measured:
    """All runs of a plan. `runs[name, cameras]` holds one entry a round, None where the contender failed."""

    plan: Plan
    runs: dict[tuple[str, int], list[Figures | None]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def values(self, name: str, cameras: int, figure: str) -> list[float]:
        """One figure over the rounds in which the contender ran."""
        return [getattr(run, figure) for run in self.runs.get((name, cameras), []) if run is not None]

    def paired(self, ours: tuple[str, int], theirs: tuple[str, int], figure: str) -> list[float]:
        """Ratio of a figure, ours to theirs, for each round in which both ran."""
        pairs = [(a, b) for a, b in zip(self.runs.get(ours, []), self.runs.get(theirs, []), strict=False) if a and b]
        return stats.ratios([getattr(a, figure) for a, _ in pairs], [getattr(b, figure) for _, b in pairs])

    def as_json(self) -> dict[str, Any]:
        """Everything, run by run."""
        return {
            "plan": asdict(self.plan),
            "unavailable": self.unavailable,
            "failures": self.failures,
            "runs": [
                {"round": number, **asdict(run)}
                for rows in self.runs.values()
                for number, run in enumerate(rows)
                if run is not None
            ],
            "goals": [asdict(goal) for goal in goals(self)],
        }


def measure(plan: Plan, say: Callable[[str], None], save: Callable[[Measured], None]) -> Measured:
    """Run the plan. In every other round the order is reversed, so that a drift of the machine favours nobody."""
    clip = prepared()
    measured = Measured(plan)
    ready: dict[str, Contender] = {}
    for name in plan.contenders:
        try:
            ready[name] = peers.contender(name)
        except PeerUnavailableError as error:
            measured.unavailable[name] = str(error)
            say(f"{name}: not measured: {error}")
    begun = time.monotonic()
    for number in range(plan.runs):
        for cameras in plan.cameras:
            for name in order(list(ready), number):
                figures = None
                try:
                    figures = run_once(ready[name], clip, cameras, plan.seconds, plan.warm_up_s)
                    say(_line(number, figures))
                except RunFailedError as error:
                    measured.failures.append(f"round {number + 1}, {cameras} cameras: {error}")
                    say(f"round {number + 1}, {cameras} cameras: {error}")
                measured.runs.setdefault((name, cameras), []).append(figures)
        save(measured)
        left_s = (time.monotonic() - begun) / (number + 1) * (plan.runs - number - 1)
        say(f"round {number + 1} of {plan.runs} done, about {left_s / 60:.0f} min left")
    return measured


def order(names: Sequence[str], number: int) -> list[str]:
    """The contenders' order in round `number`: forwards, backwards, forwards …"""
    return list(names) if number % 2 == 0 else list(reversed(names))


def goals(measured: Measured) -> list[Goal]:
    """What the engine should show, as far as it was measured."""
    counts = sorted(measured.plan.cameras)
    found: list[Goal] = []
    if peers.OURS not in measured.plan.contenders:
        return found
    for ours, floor in peers.FLOORS.items():
        for cameras in counts:
            ratio = measured.paired((ours, cameras), (floor, cameras), "cpu_ms_per_frame")
            if ratio:
                text = f"{ours}: CPU a frame at most {CPU_LIMIT:.2f} x {floor}, {cameras} cameras"
                found.append(_limit(text, ratio, CPU_LIMIT))
    if len(counts) > 1:
        ratio = measured.paired((peers.OURS, counts[-1]), (peers.OURS, counts[0]), "cpu_ms_per_frame")
        text = f"CPU a frame flat: with {counts[-1]} cameras at most {CPU_LIMIT:.2f} x with {counts[0]}"
        found.append(_limit(text, ratio, CPU_LIMIT))
    for cameras in counts:
        lost = [int(value) for value in measured.values(peers.OURS, cameras, "frames_lost")]
        sent = sum(int(value) for value in measured.values(peers.OURS, cameras, "frames_sent"))
        found.append(Goal(f"no frame lost, {cameras} cameras", f"{sum(lost)} of {sent}", stats.none_at_all(lost)))
        own = measured.values(peers.OURS, cameras, "own_latency_ms_p99")
        text = f"ready to handed over, p99 at most {OWN_LATENCY_LIMIT_MS:g} ms, {cameras} cameras"
        found.append(_limit(text, own, OWN_LATENCY_LIMIT_MS))
    for peer in peers.PEERS:
        for cameras in counts:
            found += _ahead(measured, peer, cameras)
    return found


def _ahead(measured: Measured, peer: str, cameras: int) -> list[Goal]:
    if not measured.values(peer, cameras, "cpu_ms_per_frame"):
        return []
    found = [
        _limit(
            f"ahead of {peer} in {words}, {cameras} cameras",
            measured.paired((peers.OURS, cameras), (peer, cameras), figure),
            1.0,
        )
        for figure, words in (
            ("cpu_ms_per_frame", "CPU a frame"),
            ("latency_ms_p50", "latency p50"),
            ("latency_ms_p99", "latency p99"),
        )
    ]
    ours = int(sum(measured.values(peers.OURS, cameras, "frames_lost")))
    theirs = int(sum(measured.values(peer, cameras, "frames_lost")))
    found.append(
        Goal(
            f"no more frames lost than {peer}, {cameras} cameras",
            f"{ours} to {theirs}",
            "met" if ours <= theirs else "missed",
        )
    )
    return found


def _limit(text: str, values: Sequence[float], limit: float) -> Goal:
    value = stats.estimate(values)
    return Goal(text, str(value), stats.at_most(value, limit))


def _line(number: int, run: Figures) -> str:
    own = "" if run.own_latency_ms_p99 is None else f", own p99 {run.own_latency_ms_p99:.2f} ms"
    return (
        f"round {number + 1}, {run.cameras} cameras, {run.contender}: {run.cpu_ms_per_frame:.2f} ms CPU a frame, "
        f"{run.frames_lost} of {run.frames_sent} lost, latency {run.latency_ms_p50:.1f} / {run.latency_ms_p99:.1f} ms"
        f"{own}; others used {run.other_cpu_share:.0%} of the machine"
    )
