"""Growth of the engine's memory under a load: `python -m benchmarks.engine.memory LOAD COUNT [--json FILE]`.

LOAD is tracks, cameras or subscribers, of which COUNT come and go, or viewers, for COUNT seconds. The figures are
printed and, with --json, added to the file. Requires GStreamer's RTSP server and, for viewers, Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from benchmarks.engine.memory.loads import LOADS
from benchmarks.engine.memory.recorded import record


def main() -> None:
    """Run a load."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("load", choices=list(LOADS))
    parser.add_argument("count", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, help="directory for samples, logs and the engine's files")
    parser.add_argument("--environment", action="append", default=[], metavar="NAME=VALUE", help="for the engine")
    arguments = parser.parse_args()
    environment = dict(one.split("=", 1) for one in arguments.environment)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        load = LOADS[arguments.load]
        figures = asyncio.run(load(folder, arguments.count, lambda line: print(line, flush=True), environment))
    if environment:
        figures["environment"] = environment
    print(json.dumps(figures, indent=1))
    if arguments.json is not None:
        record(arguments.json, figures)


if __name__ == "__main__":
    main()
