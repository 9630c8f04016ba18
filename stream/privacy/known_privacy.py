"""KnownPrivacy: what is hidden of each camera, and was of those that were removed or moved to another address."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

from stream.privacy.hidden_camera import HiddenCamera, place_of
from stream.privacy.strictness import laxer, stricter
from stream.results import Frame
from stream.settings.engine import CameraConfig
from stream.settings.privacy.background import BackgroundConfig
from stream.settings.privacy.modes import MODES, PrivacyMode

Camera = TypeVar("Camera", bound=CameraConfig)

MOST_KNOWN = 4096
"""Cameras whose privacy one engine remembers. When there are more, no camera is added, as none may be forgotten."""


class KnownPrivacy:
    """The privacy that each camera has had in this run, in the configuration and in the state file.

    A camera is known by its id and by its address. Neither another id nor another address, nor both one after the
    other, therefore show what was hidden. Nothing is forgotten.
    """

    def __init__(
        self,
        configured: Iterable[CameraConfig] = (),
        everywhere: Literal["off", "skeleton"] = "off",
        most: int | None = None,
    ) -> None:
        """`everywhere`: the least privacy of all cameras; `most`: a limit in place of `MOST_KNOWN`."""
        self.everywhere: Literal["off", "skeleton"] = everywhere
        self._most = MOST_KNOWN if most is None else most
        self._known: dict[str, dict[str | None, HiddenCamera]] = {}
        self._backgrounds: dict[str, BackgroundConfig | None] = {}
        """Of each camera, what the configuration file approves."""
        for config in configured:
            self._backgrounds[config.id] = config.background
            self.add(config)

    @property
    def hidden(self) -> list[HiddenCamera]:
        """All that is known."""
        return [camera for places in self._known.values() for camera in places.values()]

    def add(self, config: CameraConfig) -> None:
        """Take the settings of a camera as it runs."""
        self.remember([HiddenCamera.of(config)])

    def remember(self, hidden: Iterable[HiddenCamera]) -> None:
        """Take what was known before, for example in an earlier run. What is laxer than known changes nothing."""
        for camera in hidden:
            before = self._known.get(camera.id, {}).get(camera.address)
            hides = camera.masks or camera.privacy != "off"
            if hides and (before is None or laxer(before, camera) is None):
                self._known.setdefault(camera.id, {})[camera.address] = camera

    def mode_of(self, camera_id: str) -> PrivacyMode:
        """Return how much is hidden of a camera, which may have been removed."""
        known = self._known.get(camera_id, {}).values()
        modes: list[PrivacyMode] = ["masked" if camera.privacy == "off" else camera.privacy for camera in known]
        return max([self.everywhere, *modes], key=MODES.index)

    def permits(self, result: Frame | None) -> bool:
        """Return whether a kept picture with this result hides as much as is hidden now.

        Without its result, which tells its camera, a picture is permitted only if nothing is hidden of any camera.
        """
        if result is None:
            return self.everywhere == "off" and not self._known
        return MODES.index(result.privacy or "off") >= MODES.index(self.mode_of(result.camera))

    def refusal(self, config: CameraConfig, now: CameraConfig | None = None) -> str | None:
        """Return why these settings would show more than is known to be permitted; None if they would not.

        `now`: the camera's present settings; what shows no more than they do is never refused.
        """
        if config.background not in (None, self._backgrounds.get(config.id)):
            return f"camera {config.id}: a background is approved in the configuration file only"
        place = place_of(config.source)
        if now is not None and place_of(now.source) == place and laxer(now, config) is None:
            return None
        is_known = place in self._known.get(config.id, {})
        if not is_known and sum(map(len, self._known.values())) >= self._most:
            return f"camera {config.id}: {self._most} cameras of which something is hidden are remembered, the limit"
        for known in self.hidden:
            if _same_camera(known, config.id, place) and (what := laxer(known, config)) is not None:
                named = "" if known.id == config.id else f", which has the address of camera {known.id}"
                return f"camera {config.id}{named}: {what}; only the configuration file can show more"
        return None

    def applied(self, config: Camera) -> Camera:
        """Return these settings with all that is known to be hidden. Raises ValueError as `stricter` does."""
        place = place_of(config.source)
        for known in self.hidden:
            if _same_camera(known, config.id, place):
                config = stricter(known, config)
        if config.background not in (None, self._backgrounds.get(config.id)):
            config = config.model_copy(update={"background": None})
        return config


def _same_camera(known: HiddenCamera, camera_id: str, place: str | None) -> bool:
    return known.id == camera_id or (place is not None and known.address == place)
