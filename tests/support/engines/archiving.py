"""An archiver that reads a real publisher and writes into a folder, and queries of that folder with DuckDB."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import duckdb

import support.engines.wire_messages as wire
from stream.archive.archive import Archive
from stream.archive.archiver import KINDS, Archiver
from stream.messaging.publisher import MessageStore, Publisher
from stream.settings.engine import PublishConfig
from stream.subscriber import subscribe
from support.waiting import PATIENCE_S, until
from telemetry.observer import Observer


@asynccontextmanager
async def publishing(
    run: str = wire.RUN, store: MessageStore | None = None, **settings: Any
) -> AsyncIterator[Publisher]:
    """Run a publisher at free ports of this machine. `store` keeps its messages."""
    config = PublishConfig(**{"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", **settings})
    publisher = Publisher(config, run, Observer())
    if store is not None:
        publisher.keep_in(store)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


@asynccontextmanager
async def archiving(
    publisher: Publisher,
    folder: Path,
    *,
    fleet: bool = False,
    every_s: float = 0.05,
    replay: bool = True,
    keys: dict[str, Any] | None = None,
    queue: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Archiver]:
    """Run an archiver, and stop it at the end of the block as Ctrl-C does.

    `fleet`: the publisher is a directory. `queue`: limits of the subscription.
    """
    archive = Archive(folder)
    archiver = Archiver(archive, every_s=every_s, fleet=fleet, **options)
    messages = subscribe(
        publisher.endpoint.replace("tcp://", "fleet://") if fleet else publisher.endpoint,
        kinds=KINDS,
        replay=publisher.replay_endpoint if replay and not fleet else None,
        on_gap=archiver.gap,
        on_moved=archiver.moved if fleet else None,
        resume=None if fleet else archive.positions,
        replay_timeout_s=PATIENCE_S,
        **(keys or {}),
        **(queue or {}),
    )
    running = asyncio.create_task(archiver.run(messages))
    try:
        await until(lambda: publisher.subscriptions == (1 if fleet else 3) or running.done())
        yield archiver
    finally:
        running.cancel()
        ended = await asyncio.gather(running, return_exceptions=True)
        archive.close()
    assert isinstance(ended[0], asyncio.CancelledError), ended


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    """Start DuckDB once, which takes longer than most queries. It keeps nothing of the files that it has read."""
    return duckdb.connect(config={"threads": 1, "enable_external_file_cache": "false"})


def ask(folder: Path, question: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, in which `{people}`, `{frames}` and so on stand for the tables."""
    tables = {table: f"'{folder}/{table}/**/*.parquet'" for table in ("people", "frames", "events", "status", "gaps")}
    with _database().cursor() as cursor:
        return cursor.execute(question.format(**tables)).fetchall()


def numbers(folder: Path, camera: str = "lobby") -> list[int]:
    """Return `seq` of every result of the camera in the archive."""
    return [seq for (seq,) in ask(folder, f"SELECT seq FROM {{frames}} WHERE camera = '{camera}' ORDER BY epoch, seq")]
