"""CPU time of the engine's threads for each frame: `python -m benchmarks.threads.threads_bench`.

An engine with a model that does no work reads test patterns of 1280x720 pixels, whose threads fill the rings, and one
subscriber in another process receives the results. With `--against DIR`, runs of this checkout alternate with those of
the checkout in DIR. `--steps` measures only the inference thread, frame by frame (`steps_trial`): it then never waits
for the GIL or a core, so that the figure is smaller, and depends less on what else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks import machine, stats
from benchmarks.report import print_machine, write_json
from benchmarks.run_once import REPOSITORY

LIVE, STEPS = (Path(__file__).with_name(name) for name in ("threads_trial.py", "steps_trial.py"))
WARM_UP_S = "2"
BLOCKS = 9
"""Runs with --steps of two engines, before both are started again."""
SUBSCRIBER = """
import sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.subscribe(b"")
socket.connect(sys.argv[1])
while True:
    socket.recv_multipart()
"""


def main(arguments: Sequence[str]) -> int:
    """Measure, print the figures and write them as JSON."""
    parser = argparse.ArgumentParser(prog="threads_bench", description="CPU time of the engine's threads per frame.")
    parser.add_argument("--against", type=Path, help="another checkout to compare this one with")
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--steps", action="store_true", help="measure the inference thread frame by frame")
    parser.add_argument("--frames", type=int, default=200, help="with --steps, in a run")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "build/benchmarks/threads.json")
    options = parser.parse_args(arguments)
    trial = [str(LIVE), str(options.cameras), f"{options.fps:g}", WARM_UP_S, f"{options.seconds:g}"]
    if options.steps:
        trial = [str(STEPS), str(options.cameras), str(options.frames)]
    checkouts = {"this": REPOSITORY, **({"against": options.against.resolve()} if options.against else {})}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    host, console = machine.describe(), Console()
    for number in range(options.runs):
        order = sorted(checkouts, reverse=number % 2 == 1)
        if options.steps:
            with ExitStack() as stack:
                trials = {name: stack.enter_context(started(checkouts[name], trial)) for name in order}
                for _ in range(BLOCKS):
                    for name in order:
                        runs[name].append(measured(trials[name]))
        else:
            for name in order:
                with started(checkouts[name], trial) as engine:
                    runs[name].append(measured(engine))
        commits = {name: machine.commit(path) for name, path in checkouts.items()}
        write_json(options.json, {"machine": host, "commits": commits, "trial": trial[1:], "runs": runs})
    for figure in runs["this"][0]:
        values = {name: [one[figure] for one in found] for name, found in runs.items()}
        line = ", ".join(f"{name} {stats.estimate(found)}" for name, found in values.items())
        if options.against:
            pairs = zip(values["this"], values["against"], strict=True)
            line += f"; difference {_signed([this - other for this, other in pairs])}"
        console.print(f"{figure}: {line}", highlight=False)
    print_machine(host, console)
    return 0


@contextmanager
def started(checkout: Path, trial: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Run an engine of a checkout with a subscriber within the block."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, *trial], cwd=checkout, env=environment, text=True, **pipes) as engine:  # pyright: ignore
        assert engine.stdout is not None
        try:
            with _subscriber(engine.stdout.readline().strip()):
                yield engine
        finally:
            engine.kill()


def measured(engine: subprocess.Popen[str]) -> dict[str, float]:
    """Have an engine measure, and return its figures."""
    assert engine.stdin is not None and engine.stdout is not None
    print(file=engine.stdin, flush=True)
    return json.loads(engine.stdout.readline())


@contextmanager
def _subscriber(endpoint: str) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", SUBSCRIBER, endpoint]) as process:
        try:
            yield
        finally:
            process.kill()


def _signed(values: Sequence[float]) -> str:
    found = stats.estimate(values)
    if found.low is None or found.high is None:
        return f"{found.median:+.2f}"
    return f"{found.median:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
