"""Run the engine inside a program, without `partstream run`: print what it publishes for a camera.

Needs no running engine: python examples/embed.py rtsp://user:password@10.0.0.7/stream

`load` reads the `PARTSTREAM_…` environment variables too, and a YAML file if it is given one.
"""

import asyncio
import sys
from contextlib import suppress

from partstream import Engine, Event, Frame, Status, load


async def main(source: str = "pattern:640x360@25") -> None:
    config = load(
        overrides={
            "cameras": [{"id": "door", "source": source, "max_fps": 12.5}],
            # This program reads results in memory: the sockets take any free port, and there is no HTTP server.
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": None},
        }
    )
    async with Engine(config) as engine:
        async for message in engine.results():
            match message:
                case Status():
                    print(f"{message.camera} is {message.state}: {message.message}", flush=True)
                case Event():
                    print(f"{message.camera}: person {message.track} {message.kind} {message.label}", flush=True)
                case Frame() if message.frame % 25 == 0:
                    print(f"{message.camera}: frame {message.frame}, {len(message.people)} people", flush=True)
                case _:
                    pass


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:2]))
