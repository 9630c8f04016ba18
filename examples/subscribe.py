"""Print each person's action and the body part that supports it most.

Start an engine (`partstream run door=rtsp://…`), then: python examples/subscribe.py [ENDPOINT [CAMERA]]
"""

import asyncio
import sys
from contextlib import suppress

from partstream import subscribe


async def main(endpoint: str = "tcp://127.0.0.1:5555", camera: str | None = None) -> None:
    async for frame in subscribe(endpoint, camera=camera):
        for person in frame.people:
            if person.action is None:
                continue
            part = max(person.parts, key=lambda part: part.relevance, default=None)
            relevant = f"{part.part} {part.relevance:.2f}" if part is not None else "no part"
            action = f"{person.action.label} {person.action.score:.2f}"
            print(f"{frame.camera}: person {person.track}: {action}, most relevant: {relevant}", flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:3]))
