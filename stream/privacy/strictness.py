"""Which of two settings of a camera shows more of it: over HTTP, cameras only become stricter."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Protocol, TypeVar

from stream.settings.engine import CameraConfig
from stream.settings.privacy.masks import MOST_MASKS, MaskConfig
from stream.settings.privacy.modes import WantedPrivacy

Camera = TypeVar("Camera", bound=CameraConfig)


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
    if before.masks and before.masks != now.masks and not _covers(now, before):
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
