"""CPU time of MoveNet in each runtime and precision that `model.runtime` offers, in turns on one thread.

`python -m benchmarks.model.runtimes` prints milliseconds of processor time a picture and the differences of the people
from those of torch in float32, and writes them to a JSON file. It needs the extra `openvino`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine
from stages.detection.movenet.movenet import MoveNet
from stages.runtimes.agreement import differences
from stages.runtimes.building import build, package_versions
from stages.runtimes.check_pictures import check_pictures
from stages.runtimes.choosing import tiled
from stages.runtimes.machine import processor
from stages.runtimes.network import CANDIDATES, REFERENCE, TYPES, Candidate, RuntimeUnavailableError
from stages.runtimes.runnable_movenet import RunnableMoveNet
from stages.third_party import weights

SIZES = ((256, 256), (384, 512), (576, 768))
"""Heights and widths."""
MAX_PEOPLE = 32


def measure(rounds: int) -> dict[str, Any]:
    """Measure all candidates. Raises `WeightsError`, or `RuntimeUnavailableError` for a runtime that is missing."""
    nets = {candidate: _net(candidate) for candidate in CANDIDATES}
    pictures = check_pictures()
    shown = {size: torch.from_numpy(tiled(pictures[-1], size))[None] for size in SIZES}
    network: dict[tuple[Candidate, tuple[int, int]], list[float]] = {}
    decoding: dict[tuple[int, int], list[float]] = {size: [] for size in SIZES}
    for number in range(rounds + 1):
        for size, picture in shown.items():
            for candidate, net in nets.items():
                start = time.process_time()
                _, heads = net(picture)
                computed = time.process_time()
                net.decode(heads, MAX_PEOPLE)
                if number:  # The first round is for warming up.
                    network.setdefault((candidate, size), []).append((computed - start) * 1e3)
                    decoding[size].append((time.process_time() - computed) * 1e3)
    reference = [RunnableMoveNet(nets[REFERENCE]).detect(picture) for picture in pictures]
    return {
        "rounds": rounds,
        "processor": processor(),
        "packages": package_versions(),
        "cpu_ms": {
            str(candidate): {_name(size): _summary(network[candidate, size]) for size in SIZES}
            for candidate in CANDIDATES
        },
        "decoding_cpu_ms": {_name(size): _summary(decoding[size]) for size in SIZES},
        "differences": {
            str(candidate): asdict(
                differences(
                    reference,
                    [RunnableMoveNet(net).detect(picture) for picture in pictures],
                    RunnableMoveNet.sure_score,
                )
            )
            for candidate, net in nets.items()
        },
    }


def _net(candidate: Candidate) -> MoveNet:
    net = MoveNet.load()
    runnable = RunnableMoveNet(net)
    runnable.use(TYPES[candidate.precision], build(runnable, candidate, 1))
    return net


def _name(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _summary(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(float(np.median(values)), 1), "least": round(min(values), 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model.runtimes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/runtimes.json"))
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        measured = measure(chosen.rounds)
    except (weights.WeightsError, RuntimeUnavailableError) as error:
        print(error, file=sys.stderr)
        return 1
    for candidate, by_size in measured["cpu_ms"].items():
        print(f"{candidate:25}", *(f"{size} {one['median']} (least {one['least']})" for size, one in by_size.items()))
    provenance = {"commit": machine.commit(Path(__file__).parents[2]), "machine": machine.describe()}
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps({**measured, **provenance}, indent=1, sort_keys=True) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
