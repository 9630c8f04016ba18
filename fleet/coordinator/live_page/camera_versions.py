"""Which cameras have changed since a page had them, so that it need not have all of them again. No input or output."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass

NUMBER = re.compile("[0-9]{1,15}")
AT_ONCE = 500
"""Cameras that are looked at before others have their turn; 500 take about 3 ms."""


@dataclass(frozen=True, slots=True)
class Changed:
    """`version`: to be asked with next time. `whole`: whether `cameras` are all, because the version is not known.
    `count`: the number of all."""

    version: str
    whole: bool
    count: int
    cameras: list[str]


class CameraVersions:
    """Numbers the changes of the cameras in `ids()`. It looks for them only when it is asked.

    `facts` returns what of a camera counts as a change, in objects that are equal if there is none.
    """

    def __init__(self, ids: Callable[[], Collection[str]], facts: Callable[[str], object]) -> None:
        self._ids = ids
        self._facts = facts
        self._run = secrets.token_hex(8)
        self._number = 0
        self._last: dict[str, tuple[object, int]] = {}
        """The facts of each camera, and the number of its last change."""

    async def since(self, version: str, sees: Callable[[str], bool], rights: Hashable) -> Changed:
        """Return the cameras for which `sees` is true that have changed since a version, which may be empty.

        `rights` are what `sees` depends on: a version with others is not known.
        """
        await self._look()
        own = f"{self._run}.{hash(rights):x}"
        prefix, _, number = version.rpartition(".")
        whole = prefix != own or NUMBER.fullmatch(number) is None
        after = 0 if whole else int(number)
        shown = [camera for camera in self._ids() if camera in self._last and sees(camera)]
        changed = [camera for camera in shown if self._last[camera][1] > after]
        return Changed(f"{own}.{self._number}", whole, len(shown), changed)

    async def _look(self) -> None:
        for turn, camera in enumerate(list(self._ids()), 1):
            if camera in self._ids():
                self._look_at(camera)
            if turn % AT_ONCE == 0:
                await asyncio.sleep(0)
        for camera in self._last.keys() - set(self._ids()):
            del self._last[camera]

    def _look_at(self, camera: str) -> None:
        facts, last = self._facts(camera), self._last.get(camera)
        if last is None or last[0] != facts:
            self._number += 1  # each has its own, because another reader may ask between two
            self._last[camera] = facts, self._number
