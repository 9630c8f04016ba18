"""The load of the inference thread: measures it, sets the model's ease level, and reports both.

The inference thread calls all methods but `report`. `load_control.py` makes the decisions.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import Lease
from stages.ease_levels import FULL_QUALITY, EaseLevel
from stages.looks import NOTHING, Look
from stages.types import Model
from stream import results
from stream.inference.batcher import Batcher
from stream.inference.load_control import LoadControl, Work
from telemetry.catalogue import SECONDS_BUCKETS
from telemetry.health import missed_frames, wanted_frames
from telemetry.tally import Histogram

logger = logging.getLogger(__name__)

UPDATE_S = 0.1
"""Least time between two measurements."""
WAKE_S = 0.5
"""Longest wait for frames while the level may have to be restored."""
STILL_OVERLOADED_S = 300.0
"""Time after which the warning about frames that are missed at the highest level is repeated."""


class LoadWatch:
    """Watches one model. `adapt`: ease it when it is too slow for live cameras."""

    def __init__(self, batcher: Batcher, adapt: bool, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.batches = Histogram(SECONDS_BUCKETS)
        """Times that the model took for batches, seconds."""
        self._batcher = batcher
        self._adapt = adapt
        self._now_ns = now_ns
        self._model: Model | None = None
        self._levels: Sequence[EaseLevel] = (FULL_QUALITY,)
        self._control = LoadControl(0, lambda level, rates: 1.0)
        self._applied = (0, frozenset[str]())
        self._seen: dict[FrameRing, tuple[int, int]] = {}
        self._measured_ns = now_ns()
        self._busy_s = 0.0
        self._live_s = 0.0
        self._analysed = 0
        self._looked = 0
        self._uneventful = Counter[str]()
        """Frames by camera in which there was nothing to look at."""
        self._late = 0
        self._warned_ns: int | None = None

    def watch(self, model: Model) -> None:
        """Watch this model, at full quality, from now on."""
        model.ease(0)  # another engine may have eased it
        self._levels = model.ease_levels if self._adapt else (FULL_QUALITY,)
        self._control = LoadControl(len(self._levels) - 1, model.ease_cost, model.detection_rate)
        self._measured_ns = self._now_ns()
        self._batcher.drops_for_newer = len(self._levels) == 1
        self._model = model

    @property
    def patience_s(self) -> float | None:
        """Longest wait for a batch until `update` must be called again; None: any."""
        return WAKE_S if self._control.level or self._control.overloaded else None

    def set_level(self) -> None:
        """Set the level at which the model works on the next batch. Cameras that wait for the model are spared."""
        assert self._model is not None
        level = self._control.level
        if not level and not self._applied[0]:
            return
        spared = self._batcher.unhurried if level else frozenset[str]()
        if (level, spared) != self._applied:
            self._applied = (level, spared)
            self._model.ease(level, spared)

    def batch_done(self, seconds: float, batch: Sequence[Lease], looks: Sequence[Look]) -> None:
        """Note the time that the model took for a batch, and what it looked at in each frame."""
        unhurried = self._batcher.unhurried
        live = 0
        for lease, look in zip(batch, looks, strict=True):
            camera = lease.meta.camera
            if camera in unhurried:
                continue
            live += 1
            if look.kind == "nothing" and look == NOTHING:  # most looks differ in their kind
                self._uneventful[camera] += 1
            else:
                self._analysed += 1
                self._looked += look.anything
        self._busy_s += seconds
        self.batches.observe(seconds)
        self._live_s += seconds * live / len(batch)

    def published_late(self) -> None:
        """Note that a frame of a live camera was published late."""
        self._late += 1

    def update(self) -> None:
        """Measure, and choose the level from the next batch on. Call it between batches."""
        now_ns = self._now_ns()
        seconds = (now_ns - self._measured_ns) / 1e9
        if self._model is None or seconds < UPDATE_S:
            return
        before = self._control.level
        self._control.observe(now_ns / 1e9, self._work(seconds))
        self._measured_ns = now_ns
        if self._control.level > before:
            self._drop_backlog()
        if self._control.level != before:
            self._log_change(before)
        if self._control.overloaded:
            self._log_overload(now_ns)

    def report(self) -> results.Load:
        """Return the present level and what it means. May be called from any thread."""
        control = self._control
        level = control.level
        limits = self._levels[level]
        return results.Load(
            ease_level=level,
            max_ease_level=control.max_level,
            overloaded=control.overloaded,
            detections_per_second=limits.detections_per_second,
            detector_side=limits.longest_side,
        )

    def _work(self, seconds: float) -> Work:
        """Return the work since the last call."""
        seen: dict[FrameRing, tuple[int, int]] = {}
        arrived: dict[str, int] = {}
        lost = 0
        for ring in self._batcher.rings:
            if ring.policy == "every":
                continue
            counts = ring.counts()
            wanted, missed = wanted_frames(counts.decoded, counts.dropped), missed_frames(counts.dropped)
            wanted_before, missed_before = self._seen.get(ring, (0, 0))
            seen[ring] = (wanted, missed)
            arrived[ring.camera] = wanted - wanted_before - self._uneventful[ring.camera]
            lost += missed - missed_before
        work = Work(seconds, self._busy_s, self._live_s, arrived, self._analysed, lost, self._late, self._looked)
        self._seen = seen
        self._busy_s = self._live_s = 0.0
        self._analysed = self._looked = self._late = 0
        self._uneventful.clear()
        return work

    def _drop_backlog(self) -> None:
        """Keep only the newest frame of each live camera: at a load that just fits, catching up takes seconds."""
        for ring in self._batcher.rings:
            ring.drop_oldest(ring.ready - 1)

    def _log_change(self, before: int) -> None:
        level = self._control.level
        what = f"ease level {level} of {self._control.max_level}: {_limits(self._levels[level])}"
        if level > before:
            logger.warning("the machine is too slow to analyse every frame in full quality; %s", what)
        else:
            logger.info("the load has fallen; %s", what if level else "full quality again")

    def _log_overload(self, now_ns: int) -> None:
        if self._warned_ns is not None and now_ns - self._warned_ns < STILL_OVERLOADED_S * 1e9:
            return
        self._warned_ns = now_ns
        logger.warning(
            "the model is too slow for the cameras: frames are dropped at ease level %d of %d. Lower max_fps or "
            "detector_size, or move cameras to another engine",
            self._control.level,
            self._control.max_level,
        )


def _limits(level: EaseLevel) -> str:
    """Return the level's limits in words."""
    limits = []
    if level.detections_per_second is not None:
        limits.append(f"at most {level.detections_per_second:g} detections per second and camera")
    if level.longest_side is not None:
        limits.append(f"detector pictures of at most {level.longest_side} pixels")
    return ", ".join(limits) or "full quality"
