"""Tests of changes of cameras while others are made."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fleet.coordinator.cameras import Cameras
from fleet.coordinator.changes import Changes
from fleet.coordinator.store import Kept, Statement
from fleet.placement.events import CameraWanted, Event
from fleet.settings import FleetConfig
from stream.cameras.changes import PrivateError

OLD, NEW = "rtsp://10.0.0.1/1", "rtsp://10.0.0.2/1"
MASKS = {"window": {"points": [[0, 0], [1, 0], [1, 1]]}}


class Fleet:
    """Cameras whose store is lost. While `door` is first written, the settings of its engine are taken over."""

    def __init__(self, **adopted: object) -> None:
        self.cameras = Cameras(FleetConfig(), Kept(1, 1, {}, {}, frozenset(), ()))
        self.written: list[Statement] = []
        self.events: list[Event] = []
        self.changed: list[str] = []
        self.changes = Changes(lambda: self.cameras, self._write, self.events.append, self.changed.append)
        self._adopted = self.cameras.adopted("door", adopted, "node")

    async def _write(self, statements: Sequence[Statement]) -> None:
        self.written += statements
        adopted, self._adopted = self._adopted, None
        if adopted is not None:
            self.cameras.put(adopted)
            self.written += self.cameras.keeping(adopted)

    def is_kept(self) -> bool:
        """Return whether the store has what the coordinator has."""
        kept = self.cameras.keeping(self.cameras.all["door"])
        return self.written[-len(kept) :] == kept


async def test_what_a_client_wrote_is_kept_if_the_engines_settings_are_taken_over_meanwhile() -> None:
    fleet = Fleet(source=OLD)
    camera, _ = await fleet.changes.put("door", {"source": NEW})
    assert camera == fleet.cameras.all["door"] and camera.source.reveal() == NEW
    assert fleet.is_kept()
    assert fleet.events == [CameraWanted("door", camera.wish)] and fleet.changed == ["door"]


async def test_masks_that_are_taken_over_meanwhile_are_not_removed() -> None:
    fleet = Fleet(source=OLD, masks=MASKS)
    with pytest.raises(PrivateError):
        await fleet.changes.put("door", {"source": OLD})
    assert fleet.cameras.all["door"].masks and fleet.is_kept()
