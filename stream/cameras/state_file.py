"""CameraStateFile: what was changed of the cameras at run time, kept over restarts.

It holds the difference to the configuration only, so that a camera added to the configuration later is there too: the
cameras that were added or changed, whole, and the ids of those that were removed. Written whole, beside, then renamed
over the old one: whoever reads finds the old or the new one. It has cameras' passwords and is its owner's only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from stream.settings import private_file
from stream.settings.engine import CameraConfig
from stream.settings.section import ConfigError, Section


class _Kept(Section):
    """The file's content."""

    version: Literal[1]
    cameras: list[CameraConfig] = Field(default_factory=list[CameraConfig])
    removed: list[str] = Field(default_factory=list[str])


class CameraStateFile:
    """The state file of one engine, whose configuration has the cameras `configured`."""

    def __init__(self, path: Path, configured: Sequence[CameraConfig]) -> None:
        self.path = path
        self._configured = {camera.id: camera for camera in configured}

    def load(self) -> list[CameraConfig]:
        """The cameras to begin with: the configuration's with the changes that were kept, if any were.

        Raises `ConfigError` naming the file if it is damaged, or neither it nor its folder can be used.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = self.path.read_bytes()
        except FileNotFoundError:
            text = None
        except OSError as error:
            raise ConfigError(f"state_file: {self.path} can't be read: {error.strerror}") from None
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            raise ConfigError(f"state_file: {self.path} can't be written: no right to write into its folder")
        if text is None:
            return list(self._configured.values())
        try:
            kept = _Kept.model_validate_json(text)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in fault["loc"])
            raise ConfigError(
                f"state_file: {self.path} is damaged ({place + ': ' if place else ''}{fault['msg']}): correct it, or "
                "delete it to begin with the configuration's own cameras"
            ) from None
        cameras = {name: camera for name, camera in self._configured.items() if name not in kept.removed}
        return list((cameras | {camera.id: camera for camera in kept.cameras}).values())

    def save(self, cameras: Iterable[CameraConfig]) -> None:
        """Keep these cameras. Blocks until they are on the disk; raises OSError, and the old file stays."""
        now = {camera.id: _whole(camera) for camera in cameras}
        before = {name: _whole(camera) for name, camera in self._configured.items()}
        content = {
            "version": 1,
            "cameras": [camera for name, camera in now.items() if camera != before.get(name)],
            "removed": [name for name in before if name not in now],
        }
        private_file.replace(self.path, json.dumps(content, indent=1))


def _whole(camera: CameraConfig) -> Mapping[str, object]:
    """All that isn't a default, the address with its secrets."""
    return camera.model_dump(mode="json", exclude_defaults=True) | {"source": camera.source.reveal()}
