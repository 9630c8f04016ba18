"""Cameras that no engine could take, and when they are tried again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.placement.commands import Announce
from fleet.placement.ledger import Ledger
from fleet.placement.records import CameraRecord

NO_ROOM = "no room"


class Unplaced:
    """The names of such cameras. `ledger` has engines, cameras, and those that are to be placed now."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._names: dict[str, None] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def add(self, camera: CameraRecord) -> None:
        """Note that no engine could take the camera, for the reason that was told before."""
        self._names[camera.name] = None

    def discard(self, camera: str) -> None:
        """Forget a camera that was removed or is wanted otherwise."""
        self._names.pop(camera, None)

    def tell(self, camera: CameraRecord, barred: Mapping[str, tuple[float, str]]) -> None:
        """Add the camera, and announce why no engine can take it. `barred`: engines that refused it."""
        self.add(camera)
        kind, reason = self._why(camera, barred)
        self._ledger.announce(camera, Announce(camera.name, "unplaced", camera.generation, reason=reason), kind)

    def is_hopeless(self, camera: CameraRecord) -> bool:
        """Return whether the camera was announced to find no room, and this holds."""
        pinned = camera.wish is not None and camera.wish.pinned is not None
        room = self._ledger.room
        return camera.told == NO_ROOM and not pinned and not camera.refusals and not room.may_take(camera.cost)

    def try_again(self) -> None:
        """Let those be placed now which may find an engine."""
        if not self._ledger.engines:
            return
        for name in [name for name in self._names if not self.is_hopeless(self._ledger.cameras[name])]:
            del self._names[name]
            self._ledger.due.setdefault(name, "an engine has room for it")

    def _why(self, camera: CameraRecord, barred: Mapping[str, tuple[float, str]]) -> tuple[str, str]:
        """Return a word for the kind of reason, and the reason as a sentence without full stop."""
        assert camera.wish is not None
        ledger, pinned = self._ledger, camera.wish.pinned
        if barred:
            engine, (_, reason) = next(iter(barred.items()))
            return "refused", f"{engine} refused it: {reason}"
        named = ledger.named(pinned) if pinned is not None else []
        if pinned is not None and not named:
            return "pin absent", f"it is pinned to {pinned}, which is not there"
        if pinned is not None and all(engine.emptying for engine in named):
            return "pin drained", f"it is pinned to {pinned}, which is being drained"
        if not ledger.engines:
            return "no engine", "no engine is there"
        freest = max(map(ledger.room.free, named)) if named else ledger.room.freest
        where = f"{pinned}, to which it is pinned, has no room" if pinned else "no engine has room"
        return NO_ROOM, f"{where}: it needs {camera.cost:.3g} Mpx/s, the freest has {max(freest, 0.0):.3g}"
