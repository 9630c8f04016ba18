"""Checks of the engine's metrics: the frames of each camera add up, whatever happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

COUNTS = ("frames_decoded_total", "frames_processed_total", "frames_dropped_total", "ring_ready_frames")
IN_FLIGHT = 8 + 8
"""Frames that may be in a ring (`ring_slots`) or on their way while a page is written."""
BEHIND = 4
"""Frames by which a count that is read earlier may be behind one that is read later."""

QUIET = 10
"""Pages on which a camera's counts are the same, after which no frame of it can be on its way."""


class Scrapes:
    """`take` each page of metrics."""

    def __init__(self, violated: Callable[..., Any]) -> None:
        self.pages = 0
        self._violated = violated
        self._before: dict[str, tuple[int, int, int]] = {}
        self._quiet: dict[str, int] = defaultdict(int)

    def take(self, page: str) -> dict[str, tuple[int, int, int]]:
        """Check a page, and return decoded, processed and dropped frames by camera."""
        self.pages += 1
        values: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                camera = sample.labels.get("camera")
                if camera is not None:
                    values[sample.name.removeprefix("partstream_")][camera] += sample.value
        found: dict[str, tuple[int, int, int]] = {}
        for camera in values["frames_decoded_total"]:
            decoded, processed, dropped, ready = (int(values[name][camera]) for name in COUNTS)
            found[camera] = (decoded, processed, dropped)
            leased = decoded - processed - dropped - ready
            self._quiet[camera] = self._quiet[camera] + 1 if self._before.get(camera) == found[camera] else 0
            lost = self._quiet[camera] >= QUIET and not ready and leased != 0
            if lost or not -BEHIND <= leased <= IN_FLIGHT:
                self._violated(
                    "frames",
                    error="decoded frames are not processed, dropped or in flight",
                    camera=camera,
                    decoded=decoded,
                    processed=processed,
                    dropped=dropped,
                    ready=ready,
                    quiet_for=self._quiet[camera],
                )
        self._before = found
        return found
