"""Goals of the ingest benchmark, which measures the latency from a sent frame to the decoded picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks import peers, stats
from benchmarks.rounds import Goal, Load, Measured, within

JUDGED = Load(4, staggered=False)
"""Load of the latency goals. The FFmpeg backend's latency at this load is 47 ms (p50) and 63 ms (p99)."""
P50_LIMIT_MS, P99_LIMIT_MS = 10.0, 30.0
OPEN_CAMERAS, OPEN_LIMIT_S = 8, 2.5
ENGINE_CPU_LIMIT = 1.08


def loads(cameras: Sequence[int]) -> tuple[Load, ...]:
    """Return two loads for each number of cameras, sent at once and staggered; one camera has a single load."""
    return tuple(
        load for count in cameras for load in ([Load(1)] if count == 1 else [Load(count, False), Load(count, True)])
    )


def goals(measured: Measured) -> list[Goal]:
    """Return the goals of native RTSP for the measured contenders and loads. A failed run counts as infinite."""
    plan = measured.plan
    found: list[Goal] = []
    if peers.NATIVE in plan.contenders:
        if JUDGED in plan.loads:
            for figure, words, limit in (
                ("latency_ms_p50", "p50", P50_LIMIT_MS),
                ("latency_ms_p99", "p99", P99_LIMIT_MS),
            ):
                text = f"{peers.NATIVE}: sent to decoded, {words} at most {limit:g} ms, {JUDGED}"
                found.append(
                    _beside_ffmpeg(measured, within(text, _every_round(measured, JUDGED, figure), limit), figure)
                )
        found += [_nothing_lost(measured, load) for load in plan.loads]
        for load in plan.loads:
            if load.cameras == OPEN_CAMERAS:
                text = f"{peers.NATIVE}: every camera's first picture within {OPEN_LIMIT_S:g} s, {load}"
                found.append(within(text, _every_round(measured, load, "open_s"), OPEN_LIMIT_S))
    if peers.ENGINE_NATIVE in plan.contenders and peers.BARE in plan.contenders:
        for load in plan.loads:
            ratio = measured.paired((peers.ENGINE_NATIVE, load), (peers.BARE, load), "cpu_ms_per_frame")
            text = f"{peers.ENGINE_NATIVE}: CPU per frame at most {ENGINE_CPU_LIMIT:.2f} x {peers.BARE}, {load}"
            found.append(within(text, ratio, ENGINE_CPU_LIMIT))
    return found


def _every_round(measured: Measured, load: Load, figure: str) -> list[float]:
    rows = measured.runs.get((peers.NATIVE, load), [])
    return [math.inf if run is None else getattr(run, figure) for run in rows]


def _nothing_lost(measured: Measured, load: Load) -> Goal:
    rows = measured.runs.get((peers.NATIVE, load), [])
    failed = sum(run is None for run in rows)
    lost = [int(value) for value in measured.values(peers.NATIVE, load, "frames_lost")]
    sent = sum(int(value) for value in measured.values(peers.NATIVE, load, "frames_sent"))
    counts = f"{sum(lost)} of {sent}" + (f", {failed} runs failed" if failed else "")
    return Goal(
        f"{peers.NATIVE}: no frame lost, {load}",
        counts if rows else "not measured",
        stats.all_zero([*lost, *[1] * failed]),
    )


def _beside_ffmpeg(measured: Measured, goal: Goal, figure: str) -> Goal:
    ffmpeg = measured.values(peers.FFMPEG, JUDGED, figure)
    if not ffmpeg:
        return goal
    return Goal(goal.text, f"{goal.measured}; {peers.FFMPEG} {stats.estimate(ffmpeg)}", goal.outcome)
