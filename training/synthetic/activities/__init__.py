"""Styles of each action's whole-body motion, some of them held out for evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.synthetic.activities import (
    dancing,
    fighting,
    gaits,
    juggling,
    jumping,
    lifting,
    standing,
    throwing,
    unclassified,
)
from training.synthetic.activities.floor import (
    crawling,
    crouch_and_sit,
    exercising,
    falling,
    floor_exercises,
    lying,
    sit_and_stand,
)
from training.synthetic.motion.motion import MotionFormatError, read_motions
from training.synthetic.motion.movement import CapturedStyle, Rng, Style
from training.synthetic.motion.procedural import GESTURES

STYLES: tuple[Style, ...] = (
    *standing.STYLES, *gaits.STYLES, *jumping.STYLES, *crouch_and_sit.STYLES, *lying.STYLES, *crawling.STYLES,
    *falling.STYLES, *sit_and_stand.STYLES, *fighting.STYLES, *throwing.STYLES, *lifting.STYLES, *exercising.STYLES,
    *dancing.STYLES, *juggling.STYLES, *floor_exercises.STYLES, *unclassified.STYLES,
)  # fmt: skip
"""Styles made by procedures."""
CAPTURED: tuple[CapturedStyle, ...] = (
    *gaits.CAPTURED, *jumping.CAPTURED, *crouch_and_sit.CAPTURED, *lying.CAPTURED, *crawling.CAPTURED,
    *falling.CAPTURED, *sit_and_stand.CAPTURED, *fighting.CAPTURED, *lifting.CAPTURED, *dancing.CAPTURED,
    *unclassified.CAPTURED,
)  # fmt: skip
"""Styles made from motion capture."""


def sources(action: str, *, held_out: bool) -> set[str]:
    """Return the independent sources of an action's motion, trained on or held out."""
    found = {style.source or style.name for style in STYLES if (style.action, style.held_out) == (action, held_out)}
    found |= {f"captured {one.clip}" for one in CAPTURED if (one.action, one.held_out) == (action, held_out)}
    return found | {one.source or one.name for one in GESTURES if (one.action, one.held_out) == (action, held_out)}


def unseen_motion(action: str) -> bool:
    """Return whether held-out data shows an action as training never does.

    It needs at least three sources, one of which is held out completely, and no held-out style from a trained source.
    """
    trained, kept = sources(action, held_out=False), sources(action, held_out=True)
    return bool(kept) and len(trained | kept) >= 3 and not trained & kept


class MotionLibrary:
    """All styles of all actions, with the motion-capture clips of `folder`. Raises `MotionFormatError`."""

    def __init__(self, folder: Path) -> None:
        self.clips = read_motions(folder)
        missing = sorted({one.clip for one in CAPTURED} - set(self.clips))
        if missing:
            raise MotionFormatError(f"{folder}: lacks {', '.join(missing)}; fetch the `motion` asset again")
        self.styles = [*STYLES, *(one.of(self.clips[one.clip]) for one in CAPTURED)]

    def has(self, action: str, *, held_out: bool) -> bool:
        """Return whether `action` has a trained or a held-out style."""
        return any((style.action, style.held_out) == (action, held_out) for style in self.styles)

    def choose(self, rng: Rng, action: str, *, held_out: bool) -> Style:
        """Draw a trained or a held-out style of `action` by its share."""
        # Some actions have no held-out style; their people, cameras and draws differ.
        use_held_out = held_out and self.has(action, held_out=True)
        styles = [style for style in self.styles if style.action == action and style.held_out == use_held_out]
        shares = np.array([style.share for style in styles])
        return styles[int(rng.choice(len(styles), p=shares / shares.sum()))]
