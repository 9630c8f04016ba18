"""A subscriber that is killed and suspended, and checks the numbers of what it gets.

    python -m support.chaos.programs.subscriber_process ENDPOINT REPLAY

Violations, and its counts each second, are JSON lines on standard output.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from stream.subscriber import KINDS, Kind, subscribe
from support.chaos.judges.numbering import Numbering
from support.chaos.pacing import now


def say(invariant: str, **details: Any) -> None:
    """Print a violation."""
    print(json.dumps({"violation": invariant, **details}), flush=True)


async def main() -> None:
    """Read until killed."""
    numbering = Numbering(say)
    kinds: list[Kind] = [kind for kind in KINDS if kind != "directory"]
    told = now()
    messages = subscribe(sys.argv[1], kinds=kinds, replay=sys.argv[2], on_gap=numbering.gap, high_water_mark=100)
    async for message in messages:
        numbering.take(message)
        if now() - told > 1:
            told = now()
            counts = {"messages": numbering.messages, "lost": numbering.lost, "replayed": numbering.replayed}
            print(json.dumps({"counts": counts}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
