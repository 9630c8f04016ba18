"""Which cameras each engine is to have, in numbered versions, and the grants that say so.

A version is the state of all cameras of an engine. An engine tells the version that it has taken over, and gets only
the settings that this one lacks, in parts if they are many. No input or output.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from stream.membership.protocol import MOST_BYTES, PROTOCOL, Assigned, Fence, Grant, Viewing, encode

MOST_SETTINGS = MOST_BYTES // 2
"""Bytes of settings in a grant, beyond the first camera's."""

SettingsOf = Callable[[str], Mapping[str, Any] | None]
"""Returns a camera's settings as an engine gets them; None if they are not known."""


@dataclass(slots=True)
class _Wanted:
    """The cameras of one run of an engine."""

    run: str
    version: int
    generations: dict[str, int]
    changed: dict[str, int] = field(default_factory=dict[str, int])
    """In which version each camera got its generation or its settings."""
    sent: int = 0
    """The latest version that was sent to it."""


class Assignments:
    """The cameras of all engines. `coordinator`: the coordinator's run."""

    def __init__(
        self,
        coordinator: str,
        ttl_s: float,
        fence: Fence,
        settings_of: SettingsOf,
        first_version: int,
        most_settings: int = MOST_SETTINGS,
    ) -> None:
        self.http = ""
        """The address of the coordinator's HTTP server, which engines tell to those who want to change a camera."""
        self.viewing: Callable[[str, str], Viewing] | None = None
        """Returns what a run of an engine has to know to serve viewers; None if there is no live page."""
        self._coordinator = coordinator
        self._ttl_ms = round(ttl_s * 1000)
        self._fence: Fence = fence
        self._settings_of = settings_of
        self._most_settings = most_settings
        self._version = first_version
        """Of the latest change of any engine."""
        self._engines: dict[str, _Wanted] = {}

    def begin(self, engine: str, run: str, generations: Mapping[str, int], own: Collection[str] = ()) -> None:
        """Begin with the cameras that this run of an engine has already.

        Those in `own` keep the settings that the engine has, until `settings_changed`.
        """
        changed = {camera: 0 if camera in own else self._next() for camera in generations}
        self._engines[engine] = _Wanted(run, self._next(), dict(generations), changed)

    def end(self, engine: str, run: str) -> None:
        """Forget a run of an engine."""
        if (wanted := self._of(engine, run)) is not None:
            del self._engines[wanted[0]]

    def assign(self, engine: str, run: str, camera: str, generation: int) -> bool:
        """Let the engine have the camera. Return whether that changes anything."""
        found = self._of(engine, run)
        if found is None or found[1].generations.get(camera) == generation:
            return False
        wanted = found[1]
        wanted.version = wanted.changed[camera] = self._next()
        wanted.generations[camera] = generation
        return True

    def release(self, engine: str, run: str, camera: str, generation: int) -> bool:
        """Take the camera from the engine, if it has this generation or a lower one. Return whether it had it."""
        found = self._of(engine, run)
        if found is None or found[1].generations.get(camera, generation + 1) > generation:
            return False
        wanted = found[1]
        wanted.version = self._next()
        del wanted.generations[camera], wanted.changed[camera]
        return True

    def remove(self, camera: str) -> dict[str, int]:
        """Take the camera from all engines. Return those that had it, with their generations."""
        had = {
            name: wanted.generations[camera] for name, wanted in self._engines.items() if camera in wanted.generations
        }
        for name, generation in had.items():
            self.release(name, self._engines[name].run, camera, generation)
        return had

    def settings_changed(self, camera: str) -> list[str]:
        """Send a camera's settings again to the engines that have it. Return their names."""
        engines = [name for name, wanted in self._engines.items() if camera in wanted.generations]
        for name in engines:
            wanted = self._engines[name]
            wanted.version = wanted.changed[camera] = self._next()
        return engines

    def generations(self, engine: str) -> Mapping[str, int]:
        """Return the cameras that an engine is to have, with their generations."""
        wanted = self._engines.get(engine)
        return wanted.generations if wanted is not None else {}

    def grant(
        self,
        engine: str,
        asked_ns: int,
        version: int,
        *,
        prolong: bool,
        wants_settings: bool = False,
        has: Mapping[str, int] | None = None,
    ) -> Grant:
        """Return a grant for an engine that has taken over this version of what it is to have.

        `has`: the generations of the cameras that it reports. If the settings are sent in parts, the engine keeps these
        cameras until their part comes.
        """
        wanted = self._engines[engine]
        if version > wanted.sent:  # of another coordinator
            version = 0
        told = wanted.version
        generations: dict[str, int] | None = None
        cameras: dict[str, Assigned] | None = None
        if version != wanted.version:
            generations, cameras = dict(wanted.generations), {}
            lacking = sorted(
                (camera for camera, changed in wanted.changed.items() if changed > version),
                key=wanted.changed.__getitem__,
            )
            size = 0
            for number, camera in enumerate(lacking):
                generation = wanted.generations[camera]
                if (settings := self._settings_of(camera)) is None:
                    continue
                assigned = Assigned(generation, dict(settings))
                size += len(encode(assigned))
                if size > self._most_settings and cameras:
                    told = wanted.changed[lacking[number - 1]]
                    for later in lacking[number:]:
                        if (has or {}).get(later) != generations[later]:
                            del generations[later]
                    break
                cameras[camera] = assigned
        wanted.sent = max(wanted.sent, told)
        return Grant(
            PROTOCOL,
            self._coordinator,
            asked_ns,
            self._ttl_ms if prolong else 0,
            self._fence,
            told,
            generations,
            cameras,
            wants_settings=wants_settings,
            http=self.http,
            viewing=self.viewing(engine, wanted.run) if self.viewing is not None else None,
        )

    def ask_for_cameras(self, asked_ns: int, version: int) -> Grant:
        """Return a grant for an engine of which is not known what it has: it prolongs and changes nothing."""
        return Grant(PROTOCOL, self._coordinator, asked_ns, 0, self._fence, version, wants_cameras=True)

    def nothing_new(self, asked_ns: int, version: int, *, prolong: bool = False) -> Grant:
        """Return a grant that changes nothing, and prolongs the lease if asked to."""
        return Grant(PROTOCOL, self._coordinator, asked_ns, self._ttl_ms if prolong else 0, self._fence, version)

    def _of(self, engine: str, run: str) -> tuple[str, _Wanted] | None:
        wanted = self._engines.get(engine)
        return (engine, wanted) if wanted is not None and wanted.run == run else None

    def _next(self) -> int:
        self._version += 1
        return self._version
