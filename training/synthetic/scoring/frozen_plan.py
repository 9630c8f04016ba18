"""The generator's plan for a frozen set; separate from `frozen_set` because scoring needs no generator."""

from __future__ import annotations

import msgspec

from training.synthetic.scoring.frozen_set import FrozenSet, FrozenSetError, require_this_code
from training.synthetic.videos.folder import Plan
from training.synthetic.videos.settings import Settings


def plan_of(frozen: FrozenSet) -> Plan:
    """Return the plan that makes this set. Raises `FrozenSetError` if this code would make another one."""
    require_this_code(frozen)
    settings = dict(frozen.settings)
    try:
        actions = msgspec.convert(settings.pop("actions"), tuple[str, ...])
        frames = msgspec.convert(settings.pop("frames"), int | None)
        ranges = msgspec.convert(settings, Settings)
    except (KeyError, msgspec.ValidationError) as error:
        raise FrozenSetError(f"version {frozen.version}: its settings are not the generator's: {error}") from None
    return Plan("test", frozen.per_action * len(actions), frozen.seed, actions, ranges, frames)
