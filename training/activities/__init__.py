"""Base activities: what the whole body does. Each action has several styles, some of them kept for evaluation.

`MotionLibrary` owns the motion-capture clips and the table of styles, and lives as long as the generator that made it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.activities import gaits, jumping, kicking, low, others, standing
from training.motion import read_motions
from training.movement import Rng, Style


class MotionLibrary:
    """All styles of all base activities, with the clips of `folder` among them. Raises MotionFormatError."""

    def __init__(self, folder: Path) -> None:
        self.clips = read_motions(folder)
        self.styles: list[Style] = []
        for module in (standing, gaits, jumping, low, kicking, others):
            self.styles += module.STYLES
        for module in (gaits, jumping, kicking, others):
            self.styles += module.captured(self.clips)

    def choose(self, rng: Rng, action: str, *, held_out: bool) -> Style:
        """Draw a style of `action` by its share, from those trained on or from those held out."""
        styles = [style for style in self.styles if style.action == action and style.held_out == held_out]
        if not styles:  # standing has no held-out style of its own: people, cameras and draws differ
            styles = [style for style in self.styles if style.action == action]
        shares = np.array([style.share for style in styles])
        return styles[int(rng.choice(len(styles), p=shares / shares.sum()))]
