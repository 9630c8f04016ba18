"""Goals of the engine benchmark, which runs a model that does no work against a bare loop and other programs."""

from __future__ import annotations

from benchmarks import peers, stats
from benchmarks.rounds import Goal, Load, Measured, within

CPU_LIMIT = 1.10
OWN_LATENCY_LIMIT_MS = 5.0


def goals(measured: Measured) -> list[Goal]:
    """Return the goals for which there are measurements."""
    loads = sorted(measured.plan.loads, key=lambda load: load.cameras)
    found: list[Goal] = []
    if peers.OURS not in measured.plan.contenders:
        return found
    for ours, floor in peers.FLOORS.items():
        for load in loads:
            ratio = measured.paired((ours, load), (floor, load), "cpu_ms_per_frame")
            if ratio:
                text = f"{ours}: CPU per frame at most {CPU_LIMIT:.2f} x {floor}, {load}"
                found.append(within(text, ratio, CPU_LIMIT))
    if len(loads) > 1:
        ratio = measured.paired((peers.OURS, loads[-1]), (peers.OURS, loads[0]), "cpu_ms_per_frame")
        text = f"CPU per frame constant: with {loads[-1]} at most {CPU_LIMIT:.2f} x with {loads[0]}"
        found.append(within(text, ratio, CPU_LIMIT))
    for load in loads:
        lost = [int(value) for value in measured.values(peers.OURS, load, "frames_lost")]
        sent = sum(int(value) for value in measured.values(peers.OURS, load, "frames_sent"))
        found.append(Goal(f"no frame lost, {load}", f"{sum(lost)} of {sent}", stats.all_zero(lost)))
        own = measured.values(peers.OURS, load, "own_latency_ms_p99")
        text = f"ready to handed over, p99 at most {OWN_LATENCY_LIMIT_MS:g} ms, {load}"
        found.append(within(text, own, OWN_LATENCY_LIMIT_MS))
    for peer in peers.PEERS:
        for load in loads:
            found += _ahead(measured, peer, load)
    return found


def _ahead(measured: Measured, peer: str, load: Load) -> list[Goal]:
    if not measured.of(peer, load):
        return []
    found = [
        within(
            f"ahead of {peer} in {words}, {load}",
            measured.paired((peers.OURS, load), (peer, load), figure),
            1.0,
        )
        for figure, words in (
            ("cpu_ms_per_frame", "CPU per frame"),
            ("latency_ms_p50", "latency p50"),
            ("latency_ms_p99", "latency p99"),
        )
    ]
    ours = int(sum(measured.values(peers.OURS, load, "frames_lost")))
    theirs = int(sum(measured.values(peer, load, "frames_lost")))
    found.append(
        Goal(
            f"no more frames lost than {peer}, {load}",
            f"{ours} to {theirs}",
            "met" if ours <= theirs else "missed",
        )
    )
    return found
