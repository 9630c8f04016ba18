"""What the engine last published about its cameras: their state, and the people by action."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from stream.results import Event, Stats, Status

LISTS_WITHOUT = 2
"""Statistics that must lack a camera until it counts as removed."""


@dataclass(slots=True)
class CameraView:
    """One camera. `people` has the action of each tracked person of the epoch, by track."""

    status: Status | None = None
    state: str = "connecting"
    epoch: int = 0
    people: dict[int, str] = field(default_factory=dict[int, str])
    unlisted: int = 0

    @property
    def actions(self) -> dict[str, int]:
        """People by action."""
        return dict(sorted(Counter(self.people.values()).items()))


class EngineView:
    """The cameras of the engine's latest run, by id."""

    def __init__(self) -> None:
        self.cameras: dict[str, CameraView] = {}
        self.listed = False
        """Whether statistics have listed all cameras."""

    def new_run(self) -> None:
        """Forget the people of the run before."""
        for camera in self.cameras.values():
            camera.people.clear()
            camera.epoch = 0

    def take(self, message: Event | Status | Stats) -> set[str]:
        """Take a message of the latest run. Return the cameras that were removed."""
        if isinstance(message, Stats):
            return self._listed(message)
        if isinstance(message, Status) and message.state == "removed":
            return {message.camera} if self.cameras.pop(message.camera, None) is not None else set()
        camera = self.cameras.setdefault(message.camera, CameraView())
        if message.epoch < camera.epoch:
            return set()
        if message.epoch > camera.epoch:
            camera.epoch = message.epoch
            camera.people.clear()
        if isinstance(message, Status):
            camera.status, camera.state = message, message.state
            if message.state != "live":
                camera.people.clear()
        elif message.source == "model":
            if message.kind == "ended":
                camera.people.pop(message.track, None)
            else:
                camera.people[message.track] = message.label
        return set()

    def _listed(self, stats: Stats) -> set[str]:
        self.listed = True
        listed = {one.camera: one for one in stats.cameras}
        for name, one in listed.items():
            camera = self.cameras.setdefault(name, CameraView())
            camera.unlisted = 0
            camera.state = one.state
            if one.epoch > camera.epoch:
                camera.epoch = one.epoch
                camera.people.clear()
            if not one.tracks:
                camera.people.clear()
        gone: set[str] = set()
        for name, camera in self.cameras.items():
            camera.unlisted += name not in listed
            if camera.unlisted >= LISTS_WITHOUT:
                gone.add(name)
        for name in gone:
            del self.cameras[name]
        return gone
