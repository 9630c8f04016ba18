"""Which of two settings of a camera shows more of it: over HTTP, cameras only become stricter."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Literal

from stream.results import Frame
from stream.settings.engine import CameraConfig
from stream.settings.privacy.background import BackgroundConfig
from stream.settings.privacy.masks import MOST_MASKS
from stream.settings.privacy.modes import MODES, PrivacyMode

MOST_KNOWN = 4096
"""Cameras whose privacy is remembered. A further one is refused, because none may be forgotten."""


class KnownPrivacy:
    """The privacy that each camera has had in this run, and in the configuration. It survives a camera's removal.

    A camera is known by its id and by its address, so that it cannot be shown by adding it under another id.
    """

    def __init__(self, configured: Iterable[CameraConfig] = (), everywhere: Literal["off", "skeleton"] = "off") -> None:
        """`everywhere`: the least privacy of all cameras."""
        self.everywhere: Literal["off", "skeleton"] = everywhere
        self._known: dict[str, CameraConfig] = {}
        self._backgrounds: dict[str, BackgroundConfig | None] = {}
        """Of each camera, what the configuration file approves."""
        for config in configured:
            self._backgrounds[config.id] = config.background
            self.add(config)

    def add(self, config: CameraConfig) -> None:
        """Take the settings of a camera as it runs."""
        if config.privacy_mode != "off":
            self._known[config.id] = config
        else:
            self._known.pop(config.id, None)

    def mode_of(self, camera_id: str) -> PrivacyMode:
        """Return how much is hidden of a camera, which may have been removed."""
        known = self._known.get(camera_id)
        return self.everywhere if known is None else known.at_least(self.everywhere).privacy_mode

    def permits(self, result: Frame | None) -> bool:
        """Return whether a kept picture with this result hides as much as is hidden now.

        Without its result, which tells its camera, a picture is permitted only if nothing is hidden of any camera.
        """
        if result is None:
            return self.everywhere == "off" and not self._known
        return MODES.index(result.privacy or "off") >= MODES.index(self.mode_of(result.camera))

    def refusal(self, config: CameraConfig) -> str | None:
        """Return why these settings would show more than is known to be permitted; None if they would not."""
        if config.background not in (None, self._backgrounds.get(config.id)):
            return f"camera {config.id}: a background is approved in the configuration file only"
        if config.privacy_mode != "off" and config.id not in self._known and len(self._known) >= MOST_KNOWN:
            return f"camera {config.id}: {MOST_KNOWN} cameras with masks were removed; restart the engine first"
        for known in self._known.values():
            if _same_camera(known, config) and (what := laxer(known, config)) is not None:
                named = "" if known.id == config.id else f", which has the address of camera {known.id}"
                return f"camera {config.id}{named}: {what}; only the configuration file can show more"
        return None

    def applied(self, config: CameraConfig) -> CameraConfig:
        """Return these settings with all that is known to be hidden. Raises ValueError as `stricter` does."""
        for known in self._known.values():
            if _same_camera(known, config):
                config = stricter(known, config)
        if config.background not in (None, self._backgrounds.get(config.id)):
            config = config.model_copy(update={"background": None})
        return config


def _same_camera(one: CameraConfig, other: CameraConfig) -> bool:
    if one.id == other.id:
        return True
    # Publishers and test patterns have one address for all.
    return one.source.kind not in ("whip", "pattern") and one.source.reveal() == other.source.reveal()


def laxer(before: CameraConfig, now: CameraConfig) -> str | None:
    """Return what `now` would show that `before` hides, as a sentence without its end; None if nothing."""
    if before.privacy == "skeleton" != now.privacy:
        return "its privacy must stay `skeleton`"
    if before.masks and before.masks != now.masks and not _covers(now, before):
        return "its masks must cover what they cover now"
    return None


def _covers(now: CameraConfig, before: CameraConfig) -> bool:
    """Whether the masks of `now` cover those of `before`, except for errors of rounding."""
    import shapely  # Most engines never compare masks.

    covered = shapely.union_all([shapely.Polygon(mask.points) for mask in now.masks.values()])
    hidden = shapely.union_all([shapely.Polygon(mask.points) for mask in before.masks.values()])
    return bool(hidden.difference(covered).area < 1e-9)


def stricter(configured: CameraConfig, kept: CameraConfig) -> CameraConfig:
    """Return `kept` with what `configured` hides as well. Raises ValueError if there would be too many masks."""
    kept = kept.at_least(configured.privacy)
    if laxer(configured, kept) is None:
        return kept
    masks = dict(kept.masks)
    for name, mask in configured.masks.items():
        if mask in masks.values():
            continue
        free = (f"{name[:57]}-{number}" for number in count(2))
        masks[name if name not in masks else next(one for one in free if one not in masks)] = mask
    if len(masks) > MOST_MASKS:
        raise ValueError(f"camera {kept.id} has more than {MOST_MASKS} masks with those of the configuration")
    return kept.model_copy(update={"masks": masks})
