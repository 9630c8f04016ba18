"""What each engine is to have, as the commands of a placement come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleet.placement.commands import Assign, Command, EngineLost, Release


class Assignments:
    """The cameras of each engine with their generations: what its grants contain."""

    def __init__(self) -> None:
        self._cameras: dict[str, dict[str, int]] = {}

    def __getitem__(self, engine: str) -> Mapping[str, int]:
        """Return the generation of every camera that the engine is to have."""
        return self._cameras.get(engine, {})

    def begin(self, engine: str, generations: Mapping[str, int]) -> None:
        """Begin with the cameras that an engine has already when it joins."""
        self._cameras[engine] = dict(generations)

    def take(self, commands: Iterable[Command]) -> set[str]:
        """Take over commands, in their order. Return the engines whose cameras changed."""
        changed: set[str] = set()
        for command in commands:
            match command:
                case Assign(engine, _, camera, generation):
                    self._cameras.setdefault(engine, {})[camera] = generation
                    changed.add(engine)
                case Release(engine, _, camera, generation):
                    cameras = self._cameras.get(engine, {})
                    if camera in cameras and cameras[camera] <= generation:
                        del cameras[camera]
                    changed.add(engine)
                case EngineLost(engine):
                    self._cameras.pop(engine, None)
                    changed.discard(engine)
                case _:
                    pass
        return changed
