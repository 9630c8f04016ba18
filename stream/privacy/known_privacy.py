"""KnownPrivacy: what is hidden of each camera by its id, also of those that were removed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Literal, Protocol, Self, TypeVar

from pydantic import Field

from stages.settings import Section
from stream.results import Frame
from stream.settings.engine import CameraConfig
from stream.settings.privacy import MODES, MOST_MASKS, BackgroundConfig, MaskConfig, PrivacyMode, WantedPrivacy

Camera = TypeVar("Camera", bound=CameraConfig)

MOST_KNOWN = 4096
"""Cameras whose privacy one engine remembers. When there are more, none that hides anything is added, as none may be
forgotten."""
APPLIED_WITHIN_US = 5_000_000
"""Time until a running camera applies a stricter setting, at most."""


class HiddenCamera(Section):
    """What is hidden of a camera: an entry of the [state file](control-api.md#state-file)."""

    id: str
    privacy: WantedPrivacy = "off"
    masks: dict[str, MaskConfig] = Field(default_factory=dict[str, MaskConfig])
    since_us: int = 0
    """When the camera became this strict, microseconds since 1970, UTC; 0: before anything was kept of it."""

    @classmethod
    def of(cls, config: CameraConfig, since_us: int = 0) -> Self:
        """Return what these settings hide."""
        return cls(id=config.id, privacy=config.privacy, masks=config.masks, since_us=since_us)


class KnownPrivacy:
    """The privacy that each camera has had in this run, in the configuration and in the state file.

    A camera is known by its id: what was hidden of it stays hidden when it is removed and added again, or moved to
    another address. Nothing is forgotten.
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
        self._known: dict[str, list[HiddenCamera]] = {}
        self._backgrounds: dict[str, BackgroundConfig | None] = {}
        """Of each camera, what the configuration file approves."""
        for config in configured:
            self._backgrounds[config.id] = config.background
            self.remember([HiddenCamera.of(config)])

    @property
    def hidden(self) -> list[HiddenCamera]:
        """All that is known."""
        return [hidden for known in self._known.values() for hidden in known]

    def add(self, config: CameraConfig) -> None:
        """Take the settings of a camera as it runs. If it hid less before, what was kept until now is not permitted."""
        hidden = HiddenCamera.of(config)
        if config.id in self._known and self._hides_more(hidden):
            hidden = HiddenCamera.of(config, time.time_ns() // 1000 + APPLIED_WITHIN_US)
        self.remember([hidden])

    def known(self, camera_id: str) -> list[HiddenCamera]:
        """Return what is known of a camera, for `restore`."""
        return list(self._known.get(camera_id, ()))

    def restore(self, camera_id: str, known: list[HiddenCamera]) -> None:
        """Know of a camera what was known before a change that was not made."""
        if known:
            self._known[camera_id] = known
        else:
            self._known.pop(camera_id, None)

    def remember(self, hidden: Iterable[HiddenCamera]) -> None:
        """Take what was known before, for example in an earlier run. What is laxer than known hides nothing more.

        The latest time at which the camera became stricter stays known in any case.
        """
        for camera in hidden:
            known = self._known.get(camera.id, [])
            since_us = max(one.since_us for one in (camera, *known))
            if self._hides_more(camera):
                known = [*(other for other in known if laxer(other, camera) is not None), camera]
            if known:
                self._known[camera.id] = [*known[:-1], known[-1].model_copy(update={"since_us": since_us})]

    def _hides_more(self, camera: HiddenCamera) -> bool:
        """Return whether something is hidden that none of the known entries hides alone."""
        hides = bool(camera.masks) or camera.privacy != "off"
        return hides and all(laxer(camera, other) is not None for other in self._known.get(camera.id, ()))

    def mode_of(self, camera_id: str) -> PrivacyMode:
        """Return how much is hidden of a camera, which may have been removed."""
        known = self._known.get(camera_id, ())
        modes: list[PrivacyMode] = ["masked" if camera.privacy == "off" else camera.privacy for camera in known]
        return max([self.everywhere, *modes], key=MODES.index)

    def permits(self, camera_id: str, hides: PrivacyMode | None, capture_us: int) -> bool:
        """Return whether a picture or clip in this mode, begun at this time, hides as much as is hidden now."""
        since_us = max((camera.since_us for camera in self._known.get(camera_id, ())), default=0)
        return capture_us >= since_us and MODES.index(hides or "off") >= MODES.index(self.mode_of(camera_id))

    def permits_picture(self, result: Frame | None) -> bool:
        """Return whether a kept picture with this result hides as much as is hidden now.

        Without its result, which tells its camera, a picture is permitted only if nothing is hidden of any camera.
        """
        if result is None:
            return self.everywhere == "off" and not self._known
        return self.permits(result.camera, result.privacy, result.capture_us)

    def refusal(self, config: CameraConfig, now: CameraConfig | None = None) -> str | None:
        """Return why these settings would show more than is known to be permitted; None if they would not.

        `now`: the camera's present settings; what shows no more than they do is never refused.
        """
        if config.background not in (None, self._backgrounds.get(config.id)):
            return f"camera {config.id}: a background is approved in the configuration file only"
        if now is not None and laxer(now, config) is None:
            return None
        known = self._known.get(config.id, ())
        if not known and config.privacy_mode != "off" and len(self._known) >= self._most:
            return (
                f"camera {config.id}: {self._most} remembered cameras with masks or in skeleton mode are the limit: "
                "add it to the configuration file, or stop, delete entries of `hidden` in the state file, and restart"
            )
        for hidden in known:
            if (what := laxer(hidden, config)) is not None:
                return f"camera {config.id}: {what}; only the configuration file can show more"
        return None

    def applied(self, config: Camera) -> Camera:
        """Return these settings with all that is known to be hidden. Raises ValueError as `stricter` does."""
        for hidden in self._known.get(config.id, ()):
            config = stricter(hidden, config)
        if config.background not in (None, self._backgrounds.get(config.id)):
            config = config.model_copy(update={"background": None})
        return config


class Hiding(Protocol):
    """Settings that say what is hidden of a camera."""

    @property
    def privacy(self) -> WantedPrivacy: ...
    @property
    def masks(self) -> Mapping[str, MaskConfig]: ...


def laxer(before: Hiding, now: Hiding) -> str | None:
    """Return what `now` would show that `before` hides, as a sentence without its end; None if nothing."""
    if before.privacy == "skeleton" != now.privacy:
        return "its privacy must stay `skeleton`"
    if any(one not in now.masks.values() for one in before.masks.values()) and not _covers(now, before):
        return "its masks must cover what they cover now"
    return None


def _covers(now: Hiding, before: Hiding) -> bool:
    """Whether the masks of `now` cover those of `before`, except for errors of rounding."""
    import shapely  # Most engines never compare masks.

    covered = shapely.union_all([shapely.Polygon(mask.points) for mask in now.masks.values()])
    hidden = shapely.union_all([shapely.Polygon(mask.points) for mask in before.masks.values()])
    return bool(hidden.difference(covered).area < 1e-9)


def stricter(hidden: Hiding, kept: Camera) -> Camera:
    """Return `kept` with what `hidden` hides as well. Raises ValueError if there would be too many masks."""
    kept = kept.at_least(hidden.privacy)
    if laxer(hidden, kept) is None:
        return kept
    masks = dict(kept.masks)
    for name, mask in hidden.masks.items():
        if mask in masks.values():
            continue
        free = (f"{name[:57]}-{number}" for number in count(2))
        masks[name if name not in masks else next(one for one in free if one not in masks)] = mask
    if len(masks) > MOST_MASKS:
        raise ValueError(f"camera {kept.id} would have more than {MOST_MASKS} masks, with those that it had before")
    return kept.model_copy(update={"masks": masks})
