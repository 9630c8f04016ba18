"""Add up how long each action was seen by each camera, and print the totals every few seconds.

Start an engine (`partstream run door=rtsp://…`), then: python examples/count_actions.py [ENDPOINT [REPLAY [SECONDS]]]
"""

import asyncio
import sys
from collections import defaultdict
from contextlib import suppress

from partstream import Event, Gap, subscribe


class Totals:
    """Seconds of each action, by camera."""

    def __init__(self) -> None:
        self.seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._began_us: defaultdict[str, dict[int, int]] = defaultdict(dict)
        """When each person's action began, by camera and track."""
        self._epochs: dict[str, tuple[str, int]] = {}

    def add(self, event: Event) -> None:
        """Count the action that this event ends, if it ends one."""
        if self._epochs.get(event.camera) != (event.run, event.epoch):
            # Track numbers begin again. Nothing says when earlier actions ended if the engine was killed.
            self._epochs[event.camera] = (event.run, event.epoch)
            self._began_us[event.camera].clear()
        began_us = self._began_us[event.camera].pop(event.track, None)
        if event.kind == "ended":
            self.seconds[event.camera, event.label] += (event.capture_us - event.since_us) / 1e6
            return
        if event.previous is not None and began_us is not None:
            self.seconds[event.camera, event.previous] += (event.since_us - began_us) / 1e6
        self._began_us[event.camera][event.track] = event.since_us


def report_gap(gap: Gap) -> None:
    """Report missed messages. Those that the engine still had were replayed, and are counted."""
    print(f"{gap.topic}: {gap.missed} messages missed, {gap.replayed} of them replayed", file=sys.stderr)


async def main(
    endpoint: str = "tcp://127.0.0.1:5555", replay: str = "tcp://127.0.0.1:5556", every_s: str = "10"
) -> None:
    totals = Totals()
    async with subscribe(endpoint, kinds=("events",), replay=replay, on_gap=report_gap) as events:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(float(every_s)):
                    async for event in events:
                        if isinstance(event, Event):
                            totals.add(event)
            for (camera, action), seconds in sorted(totals.seconds.items()):
                print(f"{camera}: {action} {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:4]))
