"""Cost of receiving RTSP natively: `python -m benchmarks.receive.receive_bench`.

Cameras send the benchmark's clip to partstream's own receiver, without an engine. The benchmark measures the CPU time
of the network thread and of the whole process per frame. Runs alternate with those of another checkout, if one is
given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine, stats
from benchmarks.cameras.clip import prepared
from benchmarks.receive.packet_server import PacketServer
from benchmarks.report import print_machine, write_json
from benchmarks.run_once import REPOSITORY

WARM_UP_FRAMES = 25
"""Of each camera."""
RECEIVER = Path(__file__).with_name("receiver.py")
TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class ReceiveRun:
    """CPU µs for a frame, and waits of the network thread for a frame."""

    network_us: float
    process_us: float
    wake_ups: float
    frames: int
    discarded: int


def run(checkout: Path, chosen: argparse.Namespace) -> ReceiveRun:
    """Measure a checkout once."""
    server = PacketServer(
        prepared(),
        chosen.cameras,
        udp=chosen.udp,
        at_once=chosen.at_once,
        fps=chosen.fps,
        spread_us=chosen.spread_us,
    )
    server.start()
    frames = ["--warm-up", str(WARM_UP_FRAMES * chosen.cameras), "--frames", str(chosen.frames)]
    options = [option for option in ("--udp", "--decode") if getattr(chosen, option[2:])]
    try:
        output = subprocess.run(
            [sys.executable, str(RECEIVER), server.url, "--cameras", str(chosen.cameras), *frames, *options],
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdout=subprocess.PIPE,
            check=True,
            timeout=TIMEOUT_S,
        ).stdout
    finally:
        server.stop()
    return ReceiveRun(**json.loads(output))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures and write them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.receive.receive_bench", description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout, which the runs alternate with")
    parser.add_argument("--runs", type=int, default=9, help="rounds; use 9 or more for a reliable interval")
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--frames", type=int, default=500, help="frames of all cameras in each run")
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--udp", action="store_true", help="receive over UDP instead of TCP")
    parser.add_argument("--decode", action="store_true", help="also decode the frames, in the cameras' threads")
    parser.add_argument("--at-once", action="store_true", help="all cameras send at the same time")
    parser.add_argument("--spread-us", type=float, default=0.0, help="wait between two packets, as on a slow network")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/receive.json"))
    chosen = parser.parse_args(arguments)
    console, host = Console(), machine.describe()
    checkouts = {"this": REPOSITORY}
    if chosen.against is not None:
        checkouts["other"] = chosen.against
    runs: dict[str, list[ReceiveRun]] = {name: [] for name in checkouts}
    for number in range(chosen.runs):
        for name in list(checkouts) if number % 2 else reversed(checkouts):
            runs[name].append(run(checkouts[name], chosen))
            console.print(f"round {number + 1}, {name}: {runs[name][-1]}", highlight=False)
    figures = ("network_us", "process_us", "wake_ups")
    values = {name: {figure: [getattr(one, figure) for one in runs[name]] for figure in figures} for name in runs}
    for name in runs:
        text = ", ".join(f"{figure} {stats.estimate(values[name][figure])}" for figure in figures)
        console.print(f"{name}: {text}", highlight=False)
    if chosen.against is not None:
        for figure in figures:
            ratio = stats.estimate(stats.ratios(values["this"][figure], values["other"][figure]))
            console.print(f"{figure}, this / other: {ratio}", highlight=False)
    print_machine(host, console)
    settings: dict[str, Any] = {key: value for key, value in vars(chosen).items() if isinstance(value, int | float)}
    content = {"machine": host, "settings": settings}
    write_json(chosen.json, {**content, "runs": {name: [asdict(one) for one in runs[name]] for name in runs}})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
