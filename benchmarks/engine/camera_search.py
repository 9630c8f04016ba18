"""Search for the largest number of cameras that an engine sustains, in few trials."""

from __future__ import annotations

from collections.abc import Mapping

PRECISION = 20
"""The number is exact up to twice this, and within a twentieth above."""


def largest_sustained(outcomes: Mapping[int, bool]) -> int:
    """Return the largest number that is sustained and smaller than every number that is not; 0 if there is none."""
    limit = smallest_failed(outcomes)
    return max((n for n, good in outcomes.items() if good and (limit is None or n < limit)), default=0)


def smallest_failed(outcomes: Mapping[int, bool]) -> int | None:
    """Return the smallest number that is not sustained, or None."""
    return min((n for n, good in outcomes.items() if not good), default=None)


class CameraSearch:
    """Proposes numbers of cameras to try: a first guess, growing steps up or down from it, then bisection.

    From a guess of 1, the numbers double. It assumes that if a number is sustained, smaller ones are, too. Of outcomes
    that contradict each other, the one that is not sustained counts, so that chance does not raise the result.
    """

    def __init__(self, most: int) -> None:
        """`most`: the largest number to try."""
        self.most = most
        self._outcomes: dict[int, bool] = {}
        self.expect(1)

    def expect(self, guess: int) -> None:
        """Go on from `guess`, a number expected to be near the result."""
        self._guess = max(1, min(guess, self.most))
        self._step = max(1, self._guess // 4)
        self._at_guess: bool | None = self._outcomes.get(self._guess)
        self._growing = True

    @property
    def found(self) -> int:
        """Largest number known to be sustained, 0 if there is none."""
        return largest_sustained(self._outcomes)

    def next(self) -> int | None:
        """Return the number to try next, or None if the search is over."""
        low, high = self.found, smallest_failed(self._outcomes)
        if high is None:
            if low >= self.most:
                return None
            return self._guess if low < self._guess else min(self.most, low + self._step)
        if high - low <= max(1, low // PRECISION):
            return None
        if self._growing and self._at_guess is False and high - self._step > low:
            return high - self._step
        return (low + high) // 2

    def record(self, cameras: int, sustained: bool) -> None:
        """Record the outcome of a trial; of several with one number of cameras, the last one counts."""
        self._outcomes[cameras] = sustained
        if cameras == self._guess and self._at_guess is None:
            self._at_guess = sustained
        elif self._growing and sustained == self._at_guess:
            self._step *= 2
        else:
            self._growing = False
