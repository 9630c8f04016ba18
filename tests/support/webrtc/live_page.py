"""The live page of a running engine in a browser."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from stages.types import Model
from stream.config import Config
from stream.engine import Engine
from support.webrtc.browser import BrowserWindow
from support.webrtc.chromium import Page

DESKTOP = (1440, 900)


@asynccontextmanager
async def shown(
    config: Config, model: Model | None, size: tuple[int, int] = DESKTOP
) -> AsyncGenerator[tuple[Engine, Page]]:
    """Run an engine, and yield it with its page in a browser."""
    async with Engine(config, model=model) as engine, BrowserWindow() as browser:
        assert engine.http_address is not None
        yield engine, await browser.open(engine.http_address.replace("0.0.0.0", "127.0.0.1") + "/", size=size)


def tile(camera: str, inside: str = "") -> str:
    """Return the CSS selector of a camera's tile, or of an element inside it."""
    return f".tile[data-camera='{camera}'] {inside}".strip()
