"""The choice of the ease level: how much quality a model gives up so that live cameras lose no frames.

No clock and no threads: each call of `observe` brings the work since the one before.

Easing is quick: a second in which frames were missed while the model was busy. The level is the first at which the
estimated load fits. Restoring is slow: the load must have been low enough for the next better level for a hold time
without a break, and a restored level that has to be eased again soon doubles the hold time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

EASE_AFTER_S = 1.0
"""Time over which the model must have been too slow before it is eased."""
MISSED_SHARE = 0.05
"""Share of frames that were dropped or late, from which the model may be too slow."""
MISSED_FOR_S = 0.4
"""Time between the first and the last such frame, at least: a single pause of the machine is no overload."""
BUSY_SHARE = 0.85
"""Share of the time in which the model worked, below which missed frames have other causes: packets that arrive in
bursts."""
EASED_LOAD = 0.85
"""Most load that is estimated for a level when it is eased to."""
RESTORED_LOAD = 0.7
"""Most load that is estimated for a level when it is restored. The margin is for busier scenes and wrong estimates."""
LOAD_OVER_S = 2.0
"""Time over which the load is measured before a level is restored."""
SETTLE_S = 0.5
"""Time after a change of the level that counts for nothing: frames that waited under the old level are worked off."""
HOLD_S = 5.0
MAX_HOLD_S = 320.0
"""Time for which the load must have been low before a level is restored: at first, and at most after relapses."""
RELAPSE_S = 20.0
"""A level that is eased again within this and two hold times was restored too early."""
OVERLOADED_FOR_S = 3.0
"""Time for which the model counts as overloaded after it last was."""
SAME_COST = 1 + 1e-6


@dataclass(frozen=True, slots=True)
class Work:
    """What the model did in some time. Live cameras are those that do not wait for it.

    Their frames are counted without those in which there was nothing to look at: these cost nothing at any level.
    """

    seconds: float
    busy_s: float = 0.0
    """Time in which the model worked."""
    live_s: float = 0.0
    """The part of it spent on frames of live cameras."""
    arrived: Mapping[str, int] = field(default_factory=dict[str, int])
    """Frames of live cameras that arrived and were to be analysed, by camera. It may be negative for a moment, because
    whether there was anything to look at is known only later."""
    analysed: int = 0
    """Frames of live cameras that were analysed, whether they were looked at or left out as settings and level say."""
    lost: int = 0
    """Frames of live cameras that were dropped because the model was too slow."""
    late: int = 0
    """Frames of live cameras whose results came too late to be useful."""
    looked: int = 0
    """Frames of live cameras that were looked at."""


class LoadControl:
    """Chooses the ease level, from 0 (full quality) to `max_level`.

    `cost(level, frame_rates)` estimates the cost of live cameras at a level, given their frames per second. Only ratios
    have a meaning. `detection_rate(level, frame_rate)` is how many frames per second of a camera are looked at.
    """

    def __init__(
        self,
        max_level: int,
        cost: Callable[[int, Sequence[float]], float],
        detection_rate: Callable[[int, float], float] = lambda level, frame_rate: frame_rate,
    ) -> None:
        self.max_level = max_level
        self.level = 0
        self.overloaded = False
        """Whether frames are missed although no level that costs less is left."""
        self._cost = cost
        self._detection_rate = detection_rate
        self._recent: deque[Work] = deque()
        self._changed_s: float | None = None
        self._restored_s: float | None = None
        self._low_since_s: float | None = None
        self._overloaded_s: float | None = None
        self._hold_s = HOLD_S

    def observe(self, now_s: float, work: Work) -> None:
        """Take the work since the last call and choose the level. `now_s` is monotonic."""
        if self._changed_s is not None and now_s - self._changed_s < SETTLE_S:
            return
        self._remember(work)
        pieces = _last(self._recent, EASE_AFTER_S)
        if not pieces:
            return
        # The sum is needed only after frames were missed.
        if _missed_for_s(pieces) >= MISSED_FOR_S and _too_slow(last := _sum(pieces)):
            self._low_since_s = None
            self._ease(now_s, last)
        elif self.level:
            self._restore(now_s)
        self.overloaded = self._overloaded_s is not None and now_s - self._overloaded_s < OVERLOADED_FOR_S

    def _remember(self, work: Work) -> None:
        self._recent.append(work)
        seconds = sum(one.seconds for one in self._recent)
        while len(self._recent) > 2 and seconds - self._recent[0].seconds >= LOAD_OVER_S:
            seconds -= self._recent.popleft().seconds

    def _ease(self, now_s: float, last: Work) -> None:
        """Change to the first cheaper level at which the load fits, else to the cheapest."""
        costs = self._costs(last)
        cheaper = [level for level in range(self.level + 1, len(costs)) if costs[self.level] > costs[level] * SAME_COST]
        if not cheaper:
            self._overloaded_s = now_s
            return
        load = _load(last) * self._wanted_share(last)
        fitting = (level for level in cheaper if load * costs[level] <= EASED_LOAD * costs[self.level])
        if self._restored_s is not None:
            relapsed = now_s - self._restored_s < RELAPSE_S + 2 * self._hold_s
            self._hold_s = min(2 * self._hold_s, MAX_HOLD_S) if relapsed else HOLD_S
            self._restored_s = None
        self._change(now_s, next(fitting, min(cheaper, key=lambda level: costs[level])))

    def _restore(self, now_s: float) -> None:
        """Change to the next better level if the load has been low enough for it for the hold time."""
        pieces = _last(self._recent, LOAD_OVER_S)
        if not pieces:
            return
        last = _sum(pieces)
        costs = self._costs(last)
        better = self._next_better(costs)
        here = costs[self.level]
        load = _load(last) * (costs[better] / here if here else 1.0)
        if load > RESTORED_LOAD:
            self._low_since_s = None
        elif self._low_since_s is None:
            self._low_since_s = now_s
        if self._low_since_s is not None and now_s - self._low_since_s >= self._hold_s:
            self._restored_s = now_s
            self._change(now_s, better)

    def _next_better(self, costs: Sequence[float]) -> int:
        """Return the best level of the next higher cost; of the same cost if no better level costs more."""
        dearer = [level for level in range(self.level) if costs[level] > costs[self.level] * SAME_COST]
        cost = costs[max(dearer)] if dearer else costs[self.level]
        return next(level for level in range(self.level + 1) if costs[level] <= cost * SAME_COST)

    def _change(self, now_s: float, level: int) -> None:
        self.level = level
        self._changed_s = now_s
        self._low_since_s = None
        self._recent.clear()

    def _wanted_share(self, last: Work) -> float:
        """Return how many times as many frames the model should have looked at.

        If every frame that was analysed was looked at, those that were dropped include some that would have been left
        out.
        """
        of_frames = sum(last.arrived.values()) / max(1, last.analysed)
        wanted = sum(self._detection_rate(self.level, rate) for rate in _rates(last)) * last.seconds
        return max(1.0, min(of_frames, wanted / max(1, last.looked)))

    def _costs(self, last: Work) -> list[float]:
        """Return the estimated cost of each level at the cameras' recent frame rates."""
        rates = _rates(last)
        return [self._cost(level, rates) for level in range(self.max_level + 1)]


def _rates(work: Work) -> list[float]:
    """Return the frames per second of each camera."""
    return [max(frames, 0) / work.seconds for frames in work.arrived.values()]


def _last(recent: Sequence[Work], seconds: float) -> list[Work]:
    """Return the latest two or more pieces of work, newest first, of at least `seconds`; none if less is known."""
    pieces: list[Work] = []
    total = 0.0
    for work in reversed(recent):
        pieces.append(work)
        total += work.seconds
        if total >= seconds and len(pieces) > 1:
            return pieces
    return []


def _sum(pieces: Sequence[Work]) -> Work:
    arrived: Counter[str] = Counter()
    for work in pieces:
        arrived.update(work.arrived)
    return Work(
        sum(work.seconds for work in pieces),
        sum(work.busy_s for work in pieces),
        sum(work.live_s for work in pieces),
        arrived,
        sum(work.analysed for work in pieces),
        sum(work.lost for work in pieces),
        sum(work.late for work in pieces),
        sum(work.looked for work in pieces),
    )


def _too_slow(work: Work) -> bool:
    """Return whether the model missed frames because it had too much work."""
    missed = work.lost + work.late
    return missed > MISSED_SHARE * sum(work.arrived.values()) and work.busy_s > BUSY_SHARE * work.seconds


def _missed_for_s(pieces: Sequence[Work]) -> float:
    """Return the time between the first and the last piece of work in which frames were missed. Newest piece first."""
    ends: list[float] = []
    ago_s = 0.0
    for work in pieces:
        if work.lost + work.late:
            ends.append(ago_s)
        ago_s += work.seconds
    return ends[-1] - ends[0] if ends else 0.0


def _load(work: Work) -> float:
    """Return the share of the time that frames of live cameras took."""
    return work.live_s / work.seconds
