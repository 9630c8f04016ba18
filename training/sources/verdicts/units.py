"""Units of clips with verdicts: what is learned or held out together.

Neighbouring clips often show the same person in the same place, and can overlap. So the role belongs to a unit: the
clips of one camera that begin in the same ten minutes. It depends on the unit alone, and therefore stays when verdicts
are added, changed or taken back. Only clips on both sides of the end of ten minutes can still show one incident.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

SOURCE = "verdicts"
"""The name of the clips' source, in batches and in a checkpoint's metrics."""
LEARNED_UNITS = "learned_units"
"""The key in `metrics[SOURCE]` of the units that a checkpoint, or one that it started from, learned."""
HELD_OUT_OF = 5
"""One unit in this many is held out."""

_TIMED = re.compile(r"([0-9]{8}T[0-9]{3})[0-9]{6}Z_")
"""The begin of a recorded clip's name: the UTC time of its first event or alert, captured up to the ten minutes."""


def unit_of(camera: str, clip: str) -> str:
    """Return the unit of a clip by its name, such as `door/20261130T0540`.

    A clip whose name does not begin with a time, as a recorded one does, is a unit of its own.
    """
    timed = _TIMED.match(clip)
    return f"{camera}/{clip if timed is None else timed[1] + '0'}"


def chosen(unit: str) -> bool:
    """Return whether a unit is one of those to hold out. About one in five is, by the hash of its name."""
    return int.from_bytes(hashlib.sha256(unit.encode()).digest()[:8]) % HELD_OUT_OF == 0


def learned_units(metrics: Mapping[str, Any]) -> frozenset[str]:
    """Return the units from which a checkpoint with these metrics learned, itself or one that it started from.

    Raises ValueError if it learned from verdicts and does not say from which units.
    """
    recorded: Any = metrics.get(SOURCE)
    if recorded is None:
        return frozenset()
    units: Any = recorded.get(LEARNED_UNITS) if isinstance(recorded, Mapping) else None  # pyright: ignore
    if not isinstance(units, list) or not all(isinstance(unit, str) for unit in units):  # pyright: ignore
        raise ValueError(
            f"the checkpoint learned from verdicts and does not say from which (metrics.{SOURCE}.{LEARNED_UNITS}), so "
            "that nothing could be held out from it; train it with this version of Partstream"
        )
    return frozenset(units)  # pyright: ignore
