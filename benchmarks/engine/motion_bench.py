"""CPU time of the motion gate for a frame, on street footage scaled to common sizes and encoded as H.264.

`python -m benchmarks.engine.motion_bench` decodes it, and gives each frame to the gate and to a copy of its planes into
a slot, as a camera's thread does. Rounds alternate between the sizes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import machine, stats
from benchmarks.cameras.footage import street
from benchmarks.report import print_goals, print_machine, write_json
from benchmarks.rounds import Goal, within
from benchmarks.run_once import REPOSITORY
from ring_buffers.frames import SlotFormat
from ring_buffers.motion.motion_gate import MotionGate
from ring_buffers.slot_writers import PlanesWriter, frame_colours
from stages.third_party.weights import WeightsError

SIZES = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))
FRAMES = 80
WARM_UP = 10
"""Frames of a round that do not count: an epoch's first frames settle the background."""
STEP_US = 100_000
LIMIT_MS = 0.2
"""Goal for a 720p frame."""


@dataclass(frozen=True, slots=True)
class GateRun:
    """Medians of a round: CPU ms for a frame, and share of the cells that moved."""

    size: tuple[int, int]
    decoding_ms: float
    gate_ms: float
    copy_ms: float
    moving: float


def encoded(video: Path, size: tuple[int, int], path: Path) -> Path:
    """Write the first frames of a video as H.264, scaled to `size` (width, height)."""
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=10, options={"preset": "superfast", "crf": "26", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number, frame in enumerate(islice(source.decode(video=0), FRAMES)):
            scaled = frame.reformat(*size, "yuv420p", interpolation="BICUBIC")
            scaled.pts, scaled.time_base = number, Fraction(1, 10)
            target.mux(stream.encode(scaled))
        target.mux(stream.encode(None))
    return path


def run(film: Path) -> GateRun:
    """Measure one round in this thread."""
    gate, times, shares = MotionGate(), list[tuple[int, int, int]](), list[float]()
    with av.open(str(film)) as container:
        video = container.streams.video[0]
        video.thread_type = "NONE"
        size = (video.width, video.height)
        frames = container.decode(video)
        writer: PlanesWriter | None = None
        slot = np.zeros(0, np.uint8)
        for number in count():
            began = time.thread_time_ns()
            if (frame := next(frames, None)) is None:
                break
            decoded = time.thread_time_ns()
            found = gate.look(frame, number * STEP_US)
            looked = time.thread_time_ns()
            if writer is None:
                format = SlotFormat("planes", size, size, colours=frame_colours(frame))
                writer, slot = PlanesWriter(format), np.zeros(format.shape, np.uint8)
            writer.write(frame, slot)
            times.append((decoded - began, looked - decoded, time.thread_time_ns() - looked))
            shares.append(found.share)
    decoding_ms, gate_ms, copy_ms = (stats.median(column) / 1e6 for column in zip(*times[WARM_UP:], strict=True))
    return GateRun(size, decoding_ms, gate_ms, copy_ms, stats.median(shares[WARM_UP:]))


def goals(runs: Sequence[GateRun]) -> list[Goal]:
    """Return the goal for 720p."""
    values = [run.gate_ms for run in runs if run.size == (1280, 720)]
    return [within(f"at most {LIMIT_MS} ms for a 720p frame", values, LIMIT_MS)]


def table(runs: Sequence[GateRun]) -> Table:
    """Return the medians of all sizes."""
    shown = Table(title="CPU ms for a frame; median of alternating rounds [95 % interval]")
    for heading in ("size", "decoding", "gate", "copy of the planes", "gate / decoding", "cells that move"):
        shown.add_column(heading, justify="right")
    for size in dict.fromkeys(run.size for run in runs):
        own = [run for run in runs if run.size == size]
        decoding, gate, copy = ([getattr(run, f"{what}_ms") for run in own] for what in ("decoding", "gate", "copy"))
        shown.add_row(
            "x".join(map(str, size)),
            *(str(stats.estimate(values)) for values in (decoding, gate, copy, stats.ratios(gate, decoding))),
            f"{stats.median([run.moving for run in own]):.1%}",
        )
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures and write them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.motion_bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="rounds; use 9 or more for a reliable interval")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/motion.json"))
    chosen = parser.parse_args(arguments)
    console, host = Console(), machine.describe()
    with TemporaryDirectory() as folder:
        try:
            films = [encoded(street(), size, Path(folder, f"{size[0]}.mp4")) for size in SIZES]
        except WeightsError as error:
            print(error, file=sys.stderr)
            return 1
        runs = [run(film) for number in range(chosen.runs) for film in films[:: -1 if number % 2 else 1]]
    runs.sort(key=lambda run: run.size)
    console.print(table(runs))
    print_goals(goals(runs), console)
    print_machine(host, console)
    content: dict[str, Any] = {"benchmark": "motion", "commit": machine.commit(REPOSITORY), "machine": host}
    write_json(
        chosen.json, {**content, "runs": [asdict(run) for run in runs], "goals": [asdict(g) for g in goals(runs)]}
    )
    console.print(f"written to {chosen.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
