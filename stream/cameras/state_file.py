"""The state file: changes of cameras made at run time, kept for the next start.

It holds only the difference to the configuration: all settings of cameras that were added or changed, the ids of those
removed, and what was hidden of any. So a camera that is added to the configuration later appears too. The file is
replaced atomically. It contains the cameras' passwords and is readable only by its owner.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from stages.settings import Section
from stream import file_lock, output_file
from stream.privacy.known_privacy import HiddenCamera, KnownPrivacy, laxer
from stream.settings import files
from stream.settings.config_error import ConfigError
from stream.settings.engine import CameraConfig

logger = logging.getLogger(__name__)


class _Kept(Section):
    """The content of the file."""

    version: Literal[1]
    cameras: list[CameraConfig] = Field(default_factory=list[CameraConfig])
    removed: list[str] = Field(default_factory=list[str])
    hidden: list[HiddenCamera] = Field(default_factory=list[HiddenCamera])


class CameraStateFile:
    """The state file of an engine whose configuration has the cameras `configured`."""

    def __init__(self, path: Path, configured: Sequence[CameraConfig]) -> None:
        self.path = path
        self._configured = {camera.id: camera for camera in configured}
        self._lock: int | None = None
        self.hidden: list[HiddenCamera] = []
        """What `load` found to be hidden, except of cameras of which the configuration shows more."""

    def hold(self) -> None:
        """Keep other engines from using the file, until `close`. Raises `ConfigError`."""
        path = self.path.resolve()
        lock = path.with_name(f"{path.name}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = file_lock.held(lock)
        except file_lock.InUseError:
            raise ConfigError(
                f"state_file: {self.path} is in use by another engine ({file_lock.holder_of(lock)}): set another file"
            ) from None
        except OSError as error:
            raise ConfigError(f"state_file: {self.path} can't be written: {error.strerror}") from None

    def close(self) -> None:
        """Let another engine use the file. May be called again."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self) -> list[CameraConfig]:
        """Return the cameras to start with: those of the configuration, with the changes in the file.

        Raises `ConfigError` naming the file if it is damaged or cannot be used.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            output_file.check_regular(self.path)
            text = self.path.read_bytes()
        except FileNotFoundError:
            text = None
        except OSError as error:
            raise ConfigError(f"state_file: {self.path} can't be read: {error.strerror}") from None
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            raise ConfigError(f"state_file: {self.path} can't be written: no permission to write into its folder")
        if text is None:
            return list(self._configured.values())
        try:
            kept = _Kept.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            raise ConfigError(
                f"state_file: {self.path} is damaged ({place + ': ' if place else ''}{first['msg']}): correct it, or "
                "delete it to start with the cameras of the configuration"
            ) from None
        cameras = {name: camera for name, camera in self._configured.items() if name not in kept.removed}
        # The configuration may hide more than it did when the change was kept.
        changed_ids = {camera.id for camera in kept.cameras}
        self.hidden = [
            camera
            for camera in kept.hidden
            if camera.id in changed_ids or camera.id not in cameras or laxer(camera, cameras[camera.id]) is None
        ]
        known = KnownPrivacy(self._configured.values())
        known.remember(self.hidden)
        try:
            changed = {camera.id: known.applied(camera) for camera in kept.cameras}
        except ValueError as error:
            raise ConfigError(f"state_file: {self.path}: {error}") from None
        for camera in kept.cameras:
            if (now := changed[camera.id]) != camera:
                hidden = f"privacy {now.privacy}, masks {', '.join(now.masks) or 'none'}"
                logger.warning("camera %s: what is known to be hidden is kept: %s (docs/privacy.md)", now.id, hidden)
        if absent := sorted({camera.id for camera in self.hidden} - cameras.keys() - changed.keys()):
            logger.info("state_file: what was hidden of removed cameras is remembered: %s", ", ".join(absent))
        return list((cameras | changed).values())

    def save(self, cameras: Iterable[CameraConfig], hidden: Iterable[HiddenCamera] = ()) -> None:
        """Save these cameras, and what is hidden of others.

        Blocks until they are on disk; on OSError the old file stays.
        """
        now = {camera.id: _whole(camera) for camera in cameras}
        before = {name: _whole(camera) for name, camera in self._configured.items()}
        decided = [HiddenCamera.of(camera) for camera in self._configured.values()]
        content: dict[str, object] = {
            "version": 1,
            "cameras": [camera for name, camera in now.items() if camera != before.get(name)],
            "removed": [name for name in before if name not in now],
        }
        if kept := [camera.model_dump(mode="json") for camera in hidden if camera not in decided]:
            content["hidden"] = kept
        files.replace(self.path, json.dumps(content, indent=1))


def _whole(camera: CameraConfig) -> Mapping[str, object]:
    """Return all settings other than defaults, with the address's secrets."""
    return camera.model_dump(mode="json", exclude_defaults=True) | {"source": camera.source.reveal()}
