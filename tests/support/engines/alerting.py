"""An engine with rules, and a person who walks through its zone and over its line with raised hands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.types import ActionAnalysis, FrameAnalysis, PartAnalysis, PersonAnalysis
from stream import results
from stream.engine import Engine
from support.engines.controlled_engine import Client, configured

LEFT_HALF = {"points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
RULES = """
actions:
  hands_up: {all: [{part: left_hand, above: head}, {part: right_hand, above: head}], for: 200ms}
rules:
  visitor: {zone: hall, clear_after: 200ms, cooldown: 0s, severity: info}
  call: {action: hands_up, zone: hall, clear_after: 200ms, cooldown: 0s, severity: critical}
  fence: {crosses: fence, to: left, cooldown: 0s}
  empty: {zone: hall, people: {at_most: 0}, for: 500ms, cooldown: 0s, clear_after: 0s}
"""


class Walker(FreeModel):
    """A person with raised hands who walks from left to right, 4 pixels a frame, again and again."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        walk = ActionAnalysis("walk", 0.9, 0, [("walk", 0.9)], "walk", 0.9)
        return [
            FrameAnalysis(
                people=[PersonAnalysis(1, (x - 10.0, 50.0, x + 10.0, 90.0), 0.9, walk, parts_at(x))], tracks=1
            )
            for x in (lease.meta.frame * 4 % 200 for lease in frames)
        ]


def parts_at(x: float) -> list[PartAnalysis]:
    return [
        PartAnalysis(part, (x - 2, y - 2, x + 2, y + 2), 0.8, relevance, [])
        for part, y, relevance in (("head", 58, 0.2), ("left_hand", 50, 0.9), ("right_hand", 51, 0.8), ("hip", 70, 0.1))
    ]


def with_rules(folder: Path, rules: str = RULES, **camera: Any) -> Any:
    path = folder / "rules.yaml"
    path.write_text(rules)
    lines = {"fence": {"points": [[0.5, 0], [0.5, 1]]}}
    settings = {"id": "door", "source": "pattern:200x100@25", "zones": {"hall": LEFT_HALF}, "lines": lines}
    return configured(settings | camera, rules_file=path)


@asynccontextmanager
async def engine_with(config: Any) -> AsyncIterator[tuple[Engine, Client, list[results.Message]]]:
    engine = Engine(config, model=Walker())
    messages: list[results.Message] = []
    engine.publisher.on_message(lambda topic, message: messages.append(message))  # before the first frame
    async with engine, aiohttp.ClientSession() as session:
        yield engine, Client(session, engine.http_address or ""), messages
