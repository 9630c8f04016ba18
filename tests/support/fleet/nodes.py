"""Two nodes of a fleet on this machine, with four cameras."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.fleet.nodes import Addresses, Node

CAMERAS: tuple[str, ...] = ("a", "b", "c", "d")


@asynccontextmanager
async def two_nodes(folder: Path) -> AsyncGenerator[tuple[Node, Node]]:
    """Run a head `n1` and a node `n2`, and stop both at the end."""
    addresses = Addresses()
    cameras = [{"id": name, "source": "pattern:128x96@10", "expected_mpx": 0.1} for name in CAMERAS]
    head = Node("n1", folder / "n1", addresses, cameras=cameras)
    other = Node("n2", folder / "n2", addresses, token=head.state, cameras=cameras)
    try:
        async with AsyncExitStack() as stack:
            for node in (head, other):
                await node.up()
                stack.push_async_callback(node.down)
            yield head, other
    except BaseException:
        print(head.logs(), other.logs(), sep="\n")
        raise


async def asked(node: Node, path: str) -> Any:
    """Return the coordinator's answer; None if it gives none."""
    try:
        async with aiohttp.ClientSession() as client, client.get(f"{node.url}/api/v1/{path}") as answer:
            return await answer.json() if answer.status == 200 else None
    except (aiohttp.ClientError, OSError):
        return None
