"""Configurations of engines with test patterns, and the messages that an engine publishes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stream import results
from stream.config import Config
from stream.engine import Engine
from support.engines.controlled_engine import PATIENT, UNHURRIED


def configured(*cameras: dict[str, Any], **settings: Any) -> Config:
    return Config.model_validate(
        {
            "cameras": [UNHURRIED | camera for camera in cameras],
            "batch": {"max_batch_ms": PATIENT["staleness_ms"]},
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", "stats_interval_s": 0.2},
            "http": {"bind": "127.0.0.1:0"},
            **settings,
        }
    )


def pattern(name: str, fps: int = 50, **settings: Any) -> dict[str, Any]:
    """Return a camera that loses no frame to a busy machine, unless the settings say otherwise."""
    return {"id": name, "source": f"pattern:128x96@{fps}", **PATIENT, **settings}


async def messages_until(engine: Engine, enough: Callable[[list[results.Message]], bool]) -> list[results.Message]:
    """Return the messages from now on until they are enough."""
    seen: list[results.Message] = []
    async for message in engine.results():
        seen.append(message)
        if enough(seen):
            return seen
    raise AssertionError(f"the engine ended after {len(seen)} messages")


def frames_of(messages: Sequence[results.Message], camera: str) -> list[results.Frame]:
    return [message for message in messages if isinstance(message, results.Frame) and message.camera == camera]
