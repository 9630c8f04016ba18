"""Tests of the decisions that wait to be written."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from fleet.coordinator import outbox as outboxes
from fleet.coordinator.outbox import Outbox
from fleet.coordinator.store import Kept, LastPlace, Statement, Store, StoreError, drain_begun
from fleet.placement.commands import Command, Drained
from stream.cameras.changes import NotSavedError
from support.repository import REPOSITORY
from support.waiting import until


class FailingStore(Store):
    """A store whose disk can be full or damaged."""

    error: sqlite3.Error | None = None
    hangs: threading.Event | None = None
    begun_again = 0
    fails_to_begin = 0
    """How often it cannot begin again."""

    def write(self, statements: Iterable[Statement]) -> None:
        if self.hangs is not None:
            self.hangs.wait()
        if self.error is not None:
            raise StoreError("the disk is full") from self.error
        super().write(statements)

    def begin_again(self, kept: Kept) -> None:
        self.begun_again += 1
        if self.begun_again <= self.fails_to_begin:
            self.error = sqlite3.OperationalError("no such table: drains")
            raise StoreError("the disk is full")
        self.error = None
        super().begin_again(kept)


class Fixture:
    def __init__(self, path: Path) -> None:
        self.store = FailingStore(path)
        self.created = self.store.open().created_ms
        self.delivered: list[str] = []
        self.outbox = Outbox(self.store, self.deliver, self.snapshot)

    def deliver(self, commands: Sequence[Command]) -> None:
        self.delivered += [command.name for command in commands if isinstance(command, Drained)]

    def snapshot(self) -> Kept:
        return Kept(self.created, self.created, {}, {"a": LastPlace(self.created)}, frozenset({"all"}), [])

    def add(self, name: str) -> None:
        self.outbox.add([drain_begun(name)], [Drained(name)])

    def kept(self) -> Kept:
        self.store.close()
        return Store(self.store.path).open()


@asynccontextmanager
async def running(outbox: Outbox) -> AsyncIterator[None]:
    task = asyncio.create_task(outbox.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fixture:
    monkeypatch.setattr(outboxes, "RETRY_S", 0.01)
    return Fixture(tmp_path / "fleet.db")


async def test_commands_are_delivered_in_order_once_they_are_written(fixture: Fixture) -> None:
    fixture.add("a")
    fixture.add("b")
    async with running(fixture.outbox):
        await until(lambda: fixture.delivered == ["a", "b"])
        fixture.add("c")
        await until(lambda: fixture.delivered == ["a", "b", "c"])
    assert fixture.kept().drains == {"a", "b", "c"}


async def test_while_the_disk_is_full_decisions_wait_and_changes_are_refused(fixture: Fixture) -> None:
    fixture.store.error = sqlite3.OperationalError("full")
    fixture.add("a")
    async with running(fixture.outbox):
        with pytest.raises(NotSavedError, match="the disk is full"):
            await fixture.outbox.write([drain_begun("refused")])
        fixture.add("b")
        await until(lambda: fixture.outbox.error)
        assert fixture.outbox.held
        assert fixture.delivered == [] and fixture.outbox.waiting
        fixture.store.error = None
        await until(lambda: fixture.delivered == ["a", "b"])
        await fixture.outbox.write([drain_begun("kept")])
        assert fixture.outbox.error == "" and not fixture.outbox.held
    assert fixture.kept().drains == {"a", "b", "kept"}


@pytest.mark.parametrize("fails", [0, 2])
async def test_a_file_that_turns_out_damaged_is_written_again_whole(fixture: Fixture, fails: int) -> None:
    fixture.store.fails_to_begin = fails
    damage = sqlite3.DatabaseError("malformed")
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    fixture.store.error = damage
    fixture.add("a")
    async with running(fixture.outbox):
        await until(lambda: fixture.delivered == ["a"])
    assert fixture.store.begun_again == fails + 1
    kept = fixture.kept()
    assert kept.drains == {"all", "a"} and dict(kept.places) == {"a": LastPlace(fixture.created)}


async def test_a_change_that_is_not_written_when_the_coordinator_stops_is_refused(fixture: Fixture) -> None:
    fixture.store.error = sqlite3.OperationalError("full")
    fixture.add("a")
    async with running(fixture.outbox):
        await until(lambda: fixture.outbox.error)
        change = asyncio.create_task(fixture.outbox.write([drain_begun("late")]))
        await until(lambda: fixture.outbox.waiting == 2 or change.done())
    with pytest.raises(NotSavedError):
        await change
    assert fixture.delivered == []


async def test_a_disk_that_hangs_holds_decisions_like_one_that_is_full(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "SLOW_S", 0.0)
    fixture.store.hangs = threading.Event()
    fixture.add("a")
    async with running(fixture.outbox):
        await until(lambda: fixture.outbox.held)
        assert fixture.delivered == []
        fixture.store.hangs.set()
        await until(lambda: fixture.delivered == ["a"] and not fixture.outbox.held)


_FULL_DISK = """
import asyncio, os, resource, sys
from pathlib import Path
from fleet.coordinator import outbox as outboxes
from fleet.coordinator.outbox import Outbox
from fleet.coordinator.store import Store, drain_begun
from stream.cameras.changes import NotSavedError

outboxes.RETRY_S = 0.01
path = Path(sys.argv[1])
errors = []

class CountingStore(Store):
    def write(self, statements):
        errors.append(outbox.error)
        super().write(statements)

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main():
    writing = asyncio.create_task(outbox.run())
    limit(path.with_name(path.name + "-wal").stat().st_size)
    try:
        await outbox.write([drain_begun("a")])
    except NotSavedError:
        pass
    while len(errors) < 6 and outbox.error:
        await asyncio.sleep(0)
    limit(resource.RLIM_INFINITY)
    while outbox.error:
        await asyncio.sleep(0)
    os.write(1, repr([bool(error) for error in errors[:6]]).encode())
    writing.cancel()

store = CountingStore(path)
store.open()
outbox = Outbox(store, lambda commands: None, lambda: None)
asyncio.run(main())
"""


def test_a_disk_that_stays_full_is_an_error_until_there_is_room(tmp_path: Path) -> None:
    """In a process of its own, whose files cannot grow."""
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, tmp_path / "fleet.db"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == repr([False] + [True] * 5), done.stderr
