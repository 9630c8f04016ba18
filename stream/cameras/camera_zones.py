"""The zones of a running camera, applied to its analyses. They may change at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ring_buffers.frames import FrameMeta
from stages.types import FrameAnalysis
from stream.messaging.assemble import NO_PLACES
from stream.rules.zones import Located, Place, Zones, between_feet
from stream.settings.zones import ZoneConfig


class CameraZones:
    """Follows which zones the people of one camera are in. Runs in the inference thread."""

    def __init__(self) -> None:
        self._configured: Mapping[str, ZoneConfig] | None = None
        self._epoch = 0
        self._zones: Zones | None = None

    def apply(
        self, meta: FrameMeta, analysis: FrameAnalysis, configured: Mapping[str, ZoneConfig]
    ) -> tuple[FrameAnalysis, Mapping[int, Place]]:
        """Return the analysis without people who are ignored, and the places of the others by track.

        The tracks of those who are ignored are in its `ended`, so that their actions end. Without zones, it is the
        analysis as it was, and there are no places.
        """
        changed = configured is not self._configured and configured != self._configured
        self._configured = configured
        if changed or meta.epoch != self._epoch:
            self._zones = Zones(configured, meta.size) if configured else None
            self._epoch = meta.epoch
        if self._zones is None:
            return analysis, NO_PLACES
        people = [Located(person.track, person.box, between_feet(person.parts)) for person in analysis.people]
        places = self._zones.update(people, meta.media_us, analysis.ended)
        if len(places) == len(people):
            return analysis, places
        kept = [person for person in analysis.people if person.track in places]
        ignored = [person.track for person in analysis.people if person.track not in places]
        return replace(analysis, people=kept, ended=[*analysis.ended, *ignored]), places
