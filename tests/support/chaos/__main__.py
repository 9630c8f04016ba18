"""Chaos: the real engine with cameras and readers, random faults by a seed, and invariants checked from outside.

    PYTHONPATH=.:tests python -m support.chaos --seconds 7200 --seed 1 --log build/chaos/log.jsonl

Exits with 1 if an invariant was violated. The same seed gives the same plan of faults.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from itertools import islice
from pathlib import Path

from support.chaos.journal import Journal
from support.chaos.plan import plan
from support.chaos.run import run

SHOWN = 30


def main() -> int:
    """Run it, print the summary, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m support.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=7200.0, help="time for faults")
    parser.add_argument("--seed", type=int, default=1, help="of the plan")
    parser.add_argument("--log", type=Path, default=Path("build/chaos/log.jsonl"), help="file for JSON lines")
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--fps", type=int, default=5, help="frames per second of each camera")
    parser.add_argument("--faults", default="", help="only these kinds, with commas between them")
    parser.add_argument("--keep", type=Path, help="folder for everything that is written, kept afterwards")
    parser.add_argument("--show-plan", type=int, metavar="N", help="print the first N steps, and end")
    given = parser.parse_args()
    kinds = tuple(kind.strip() for kind in given.faults.split(",") if kind.strip())
    if given.show_plan:
        for step in islice(plan(given.seed, kinds=kinds), given.show_plan):
            print(step)
        return 0
    journal = Journal(given.log)
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as temporary:
        folder: Path = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        summary = asyncio.run(
            run(
                journal,
                folder,
                seconds=given.seconds,
                seed=given.seed,
                cameras=given.cameras,
                fps=given.fps,
                kinds=kinds,
            )
        )
    print(json.dumps(summary, indent=1, default=str))
    for line in journal.worst[:SHOWN]:
        print(json.dumps(line, default=str)[:2000])
    journal.close()
    return 1 if journal.violations else 0


if __name__ == "__main__":
    sys.exit(main())
