"""Runs: for how long something has held, with short interruptions bridged. In media time, microseconds."""

from __future__ import annotations

from dataclasses import dataclass

BRIDGED_US = 500_000
"""An interruption is bridged if it is shorter: single wrong labels do not end what a person does."""
UNSEEN_US = 3_000_000
"""A person or camera without results for longer is treated as new, because what happened meanwhile is unknown."""


@dataclass(slots=True)
class Run:
    """How long a condition has held. `add` is called for every frame in which it is known whether it holds."""

    since_us: int = 0
    """When it began to hold."""
    until_us: int | None = None
    """When it last held; None if it never did."""
    interrupted: bool = False
    """Whether it did not hold in a frame after `until_us`."""
    score: float = 0.0
    """The score with which it last held."""

    def add(self, holds: bool, media_us: int) -> None:
        """Add the next frame. After a long gap between frames, the caller starts a new run."""
        if holds:
            if self.until_us is None or (self.interrupted and media_us - self.until_us >= BRIDGED_US):
                self.since_us = media_us
            self.until_us, self.interrupted = media_us, False
        else:
            self.interrupted = True

    def lasted(self, least_us: int, media_us: int) -> bool:
        """Return whether it has held for `least_us` and still does. `media_us` is the time of the last frame added.

        With `least_us` of zero nothing is bridged: it must hold in the last frame.
        """
        if self.until_us is None or (self.interrupted and (not least_us or media_us - self.until_us >= BRIDGED_US)):
            return False
        return self.until_us - self.since_us >= least_us

    def over(self, media_us: int) -> bool:
        """Return whether the run has ended, so that the next time it holds starts a new one."""
        return self.until_us is None or (self.interrupted and media_us - self.until_us >= BRIDGED_US)
