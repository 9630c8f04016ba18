"""What the coordinator decided and has not done yet: written to the store first, several decisions at a time.

Decisions that cannot be written wait, and are tried again; nothing of them is done before. Changes of cameras for which
a client waits are refused instead.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fleet.coordinator.store import TRIAL, Kept, Statement, Store, StoreError, is_damage
from fleet.placement.commands import Command
from stream.cameras.changes import NotSavedError

logger = logging.getLogger(__name__)

RETRY_S = 0.5
"""Time until what could not be written is tried again."""
SLOW_S = 1.0
"""Writing that takes longer counts as failing: the disk, or a server that has it, hangs."""
AT_ONCE = 20_000
"""Most statements in one transaction."""


@dataclass(slots=True)
class _Item:
    statements: Sequence[Statement]
    commands: Sequence[Command] = ()
    done: asyncio.Future[None] | None = None


@dataclass(slots=True)
class Outbox:
    """Writes to `store` in a thread. `deliver` is called in the event loop with commands that are written, in order.

    `snapshot` returns all that the store has to have, for a file that was damaged while it was open.
    """

    store: Store
    deliver: Callable[[Sequence[Command]], None]
    snapshot: Callable[[], Kept]
    error: str = ""
    """Why nothing can be written at present; empty if it can."""
    failures: int = 0
    """Tries to write that failed."""
    _items: list[_Item] = field(default_factory=list[_Item])
    _writing: list[_Item] = field(default_factory=list[_Item])
    _since_s: float | None = None
    """Since when what is in `_writing` is being written."""
    _damaged: bool = False
    """Whether the file is damaged, and not replaced yet."""
    _bell: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waiting(self) -> int:
        """Decisions that are not written yet."""
        return len(self._items) + len(self._writing)

    @property
    def held(self) -> bool:
        """Whether decisions wait because writing fails or hangs: the placement is to begin no moves meanwhile."""
        slow = self._since_s is not None and time.monotonic() - self._since_s > SLOW_S
        return bool(self.error) or slow

    def add(self, statements: Sequence[Statement], commands: Sequence[Command]) -> None:
        """Deliver the commands when the statements are written."""
        self._items.append(_Item(statements, commands))
        self._bell.set()

    async def write(self, statements: Sequence[Statement]) -> None:
        """Wait until the statements are written. Raises `NotSavedError`, and nothing was written then.

        Only when the coordinator stops, what it was writing at that moment may be written all the same.
        """
        done = asyncio.get_running_loop().create_future()
        self._items.append(_Item(statements, (), done))
        self._bell.set()
        await done

    async def run(self) -> None:
        """Write until cancelled. Changes that were not written by then are refused."""
        try:
            while True:
                await self._bell.wait()
                self._bell.clear()
                while self._items or self.error:
                    self._writing, self._items = _batch(self._items)
                    self._since_s = time.monotonic()
                    written = await self._written(self._writing)
                    self._since_s = None
                    if not written:  # in order: what was added meanwhile comes after it
                        self._items[:0] = [item for item in self._writing if item.done is None]
                    self._writing = []
                    if not written:
                        await asyncio.sleep(RETRY_S)
        finally:
            for item in [*self._writing, *self._items]:
                _refuse(item, "the coordinator is stopping")

    async def _written(self, batch: Sequence[_Item]) -> bool:
        statements = [statement for item in batch for statement in item.statements]
        if not statements and self.error:
            statements = [TRIAL]  # nothing else may come while the placement waits for the disk
        try:
            if statements:
                await self._write(statements)
        except StoreError as error:
            if not self.error:
                logger.error(
                    "coordinator.store: %s can't be written, so no camera is placed or moved: %s",
                    self.store.path,
                    error,
                )
            self.error = str(error)
            self.failures += 1
            for item in batch:
                _refuse(item, self.error)
            return False
        if self.error:
            logger.warning("coordinator.store: %s is written again", self.store.path)
            self.error = ""
        for item in batch:
            if item.commands:
                self.deliver(item.commands)
            if item.done is not None and not item.done.done():
                item.done.set_result(None)
        return True

    async def _write(self, statements: Sequence[Statement]) -> None:
        if not self._damaged:
            try:
                return await asyncio.to_thread(self.store.write, statements)
            except StoreError as error:
                if not is_damage(error.__cause__):
                    raise
                self._damaged = True
        await asyncio.to_thread(self.store.begin_again, self.snapshot())
        self._damaged = False
        await asyncio.to_thread(self.store.write, statements)


def _batch(items: Sequence[_Item]) -> tuple[list[_Item], list[_Item]]:
    size = 0
    for number, item in enumerate(items):
        size += len(item.statements)
        if size > AT_ONCE and number:
            return list(items[:number]), list(items[number:])
    return list(items), []


def _refuse(item: _Item, reason: str) -> None:
    if item.done is not None and not item.done.done():
        item.done.set_exception(
            NotSavedError(f"the fleet's store can't be written ({reason}): make room, or correct coordinator.store")
        )
