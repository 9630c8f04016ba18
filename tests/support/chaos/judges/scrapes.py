"""Checks of the engine's metrics: the frames of each camera add up, whatever happened.

The counts of a page are read one after another while frames move on. While a camera is quiet, they must add up exactly;
at other times, the counts of a page are compared with those of the page before and after.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

COUNTS = ("frames_decoded_total", "frames_processed_total", "frames_dropped_total", "ring_ready_frames")
IN_FLIGHT = 8 + 8
"""Frames that may be in a ring (`ring_slots`) or leased."""
QUIET = 4
"""Pages on which a camera's counts are the same, after which no frame of it can be on its way."""


class Counts(NamedTuple):
    """Of a camera's frames, on one page."""

    decoded: int
    processed: int
    dropped: int
    ready: int


class Scrapes:
    """`take` each page of metrics; `forget` the pages of an engine that has ended."""

    def __init__(self, violated: Callable[..., Any]) -> None:
        self.pages = self.exact = 0
        """Pages, and how often a quiet camera was checked exactly."""
        self._violated = violated
        self._before: dict[str, Counts] = {}
        self._quiet: dict[str, int] = defaultdict(int)

    @property
    def quiet(self) -> bool:
        """Whether the counts of all cameras have been the same for long enough."""
        return all(self._quiet[camera] >= QUIET for camera in self._before)

    def forget(self) -> None:
        """Forget all pages: the next one is of another process."""
        self._before = {}
        self._quiet.clear()

    def take(self, page: str) -> None:
        """Check a page."""
        self.pages += 1
        values: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                camera = sample.labels.get("camera")
                if camera is not None:
                    values[sample.name.removeprefix("partstream_")][camera] += sample.value
        found = {
            camera: Counts(*(int(values[name][camera]) for name in COUNTS)) for camera in values["frames_decoded_total"]
        }
        for camera, counts in found.items():
            self._check(camera, counts)
        self._before = found

    def _check(self, camera: str, now: Counts) -> None:
        before = self._before.get(camera)
        if before is None or now.decoded < before.decoded:  # the camera was removed, and is there again
            self._quiet[camera] = 0
            return
        self._quiet[camera] = self._quiet[camera] + 1 if before == now else 0
        exact = self._quiet[camera] >= QUIET
        self.exact += exact
        left = now.decoded - now.processed - now.dropped - now.ready
        came_before = before.processed + before.dropped > now.decoded
        are_missing = before.decoded - now.processed - now.dropped > IN_FLIGHT
        if came_before or are_missing or (exact and left):
            self._violated(
                "frames",
                error="decoded frames are not processed, dropped or in flight",
                camera=camera,
                quiet_for=self._quiet[camera],
                counts=now._asdict(),
                before=before._asdict(),
            )
