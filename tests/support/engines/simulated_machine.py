"""A simulated machine that analyses live cameras, for tests of the choice of the ease level."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stages.ease_levels import Detection, EaseLevel
from stream.inference.load_control import LoadControl, Work

RING_SLOTS = 8
STALE_S = 0.5


@dataclass
class SimulatedMachine:
    """Cameras whose frames one thread analyses in order, as the engine does.

    A frame with a detection of full size takes `detection_s` ± `noise`, another one `frame_s`. A ring holds
    `RING_SLOTS` frames; a newer frame overwrites the oldest. When the model is eased, only the newest frames are kept.
    """

    levels: Sequence[EaseLevel]
    frame_rates: list[float]
    detection_s: float
    frame_s: float = 0.0005
    noise: float = 0.0
    seed: int = 0
    cost: Callable[[int, Sequence[float]], float] | None = None
    now_s: float = 0.0
    changes: list[tuple[float, int]] = field(default_factory=list)
    """Time and new level of each change."""
    lost: list[float] = field(default_factory=list)
    """Times at which frames were dropped."""

    def __post_init__(self) -> None:
        self.control = LoadControl(len(self.levels) - 1, self.cost or self._cost, self._detection_rate)
        self._random = random.Random(self.seed)
        self._rings: list[deque[float]] = [deque() for _ in self.frame_rates]
        self._next = [index / 997 for index in range(len(self.frame_rates))]
        self._detections = [Detection(-1000, -1e9) for _ in self.frame_rates]
        self._measured_s = 0.0
        self._busy_s = 0.0
        self._arrived = [0 for _ in self.frame_rates]
        self._analysed = 0
        self._looked = 0
        self._lost = 0
        self._late = 0

    def run(self, seconds: float) -> None:
        """Let the machine work for this long."""
        end = self.now_s + seconds
        while self.now_s < end:
            self._arrive()
            waiting = [index for index, ring in enumerate(self._rings) if ring]
            if not waiting:
                self.now_s = min(end, min(self._next)) if any(self.frame_rates) else end
            else:
                self._analyse(min(waiting, key=lambda index: self._rings[index][0]))
            if self.now_s - self._measured_s >= 0.1:
                self._arrive()
                self._observe()

    def changes_since(self, since_s: float) -> int:
        """Return the number of changes of the level from this time on."""
        return sum(at_s >= since_s for at_s, _ in self.changes)

    def lost_since(self, since_s: float) -> int:
        """Return the number of frames dropped from this time on."""
        return sum(at_s >= since_s for at_s in self.lost)

    def _cost(self, level: int, frame_rates: Sequence[float]) -> float:
        return sum(self.levels[level].cost(rate) for rate in frame_rates)

    def _detection_rate(self, level: int, frame_rate: float) -> float:
        return self.levels[level].detection_rate(frame_rate)

    def _arrive(self) -> None:
        for index, rate in enumerate(self.frame_rates):
            if rate <= 0:
                self._next[index] = self.now_s
                continue
            while self._next[index] <= self.now_s:
                ring = self._rings[index]
                if len(ring) == RING_SLOTS:
                    ring.popleft()
                    self._drop()
                ring.append(self._next[index])
                self._arrived[index] += 1
                self._next[index] += 1 / rate

    def _analyse(self, index: int) -> None:
        at_s = self._rings[index].popleft()
        if self.now_s - at_s > STALE_S:
            self._drop()
            return
        level = self.levels[self.control.level]
        seconds = self.frame_s
        frame = round(at_s * self.frame_rates[index])
        detection = level.next_detection(self._detections[index], frame, round(at_s * 1e6))
        if detection is not None:
            self._detections[index] = detection
            seconds += self.detection_s * level.picture_cost * self._random.uniform(1 - self.noise, 1 + self.noise)
        self.now_s += seconds
        self._busy_s += seconds
        self._analysed += 1
        self._looked += detection is not None
        self._late += self.now_s - at_s > STALE_S

    def _drop(self) -> None:
        self._lost += 1
        self.lost.append(self.now_s)

    def _observe(self) -> None:
        before = self.control.level
        arrived = {str(index): count for index, count in enumerate(self._arrived)}
        seconds = self.now_s - self._measured_s
        work = Work(
            seconds, self._busy_s, self._busy_s, arrived, self._analysed, self._lost, self._late, looked=self._looked
        )
        self.control.observe(self.now_s, work)
        if self.control.level != before:
            self.changes.append((self.now_s, self.control.level))
        if self.control.level > before:
            for ring in self._rings:
                while len(ring) > 1:
                    ring.popleft()
                    self._drop()
        self._measured_s, self._busy_s = self.now_s, 0.0
        self._analysed = self._looked = self._lost = self._late = 0
        self._arrived = [0 for _ in self.frame_rates]
