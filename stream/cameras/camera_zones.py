"""Where the people of a running camera are: measures, zones and lines, applied to its analyses.

Zones and lines may change at any time. All are computed from the numbers that are published, so that a reader of
results can compute the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ring_buffers.frames import FrameMeta
from stages.types import FrameAnalysis
from stream.messaging.assemble import NO_PLACES, Place, published_parts, rounded_box
from stream.rules.bodies import Bodies, SeenParts
from stream.rules.lines import Lines
from stream.rules.zones import Zones
from stream.settings.zones import LineConfig, ZoneConfig


class CameraZones:
    """Follows where the people of one camera are. Runs in the inference thread."""

    def __init__(self) -> None:
        self._epoch = 0
        self._bodies = Bodies((0, 0))
        self._configured_zones: Mapping[str, ZoneConfig] | None = None
        self._zones: Zones | None = None
        self._configured_lines: Mapping[str, LineConfig] | None = None
        self._lines: Lines | None = None

    def apply(
        self,
        meta: FrameMeta,
        analysis: FrameAnalysis,
        zones: Mapping[str, ZoneConfig],
        lines: Mapping[str, LineConfig],
    ) -> tuple[FrameAnalysis, Mapping[int, Place]]:
        """Return the analysis without people who are ignored, and the places of the others by track.

        The tracks of those who are ignored are in its `ended`, so that their actions end.
        """
        self._configure(meta, zones, lines)
        ended = analysis.ended
        if not analysis.people and not ended:
            return analysis, NO_PLACES
        people = [
            SeenParts(person.track, rounded_box(person.box), published_parts(person)) for person in analysis.people
        ]
        bodies = self._bodies.update(people, meta.media_us, ended)
        inside = None if self._zones is None else self._zones.update(bodies, meta.media_us, ended)
        reported = bodies if inside is None else [body for body in bodies if body.track in inside]
        crossed = {} if self._lines is None else self._lines.update(reported, meta.media_us, ended)
        if not people:
            return analysis, NO_PLACES
        places = {
            body.track: Place(
                seen.parts, body, () if inside is None else inside[body.track], crossed.get(body.track, ())
            )
            for seen, body in zip(people, bodies, strict=True)
            if inside is None or body.track in inside
        }
        if len(places) == len(people):
            return analysis, places
        kept = [person for person in analysis.people if person.track in places]
        ignored = [person.track for person in analysis.people if person.track not in places]
        return replace(analysis, people=kept, ended=[*ended, *ignored]), places

    def _configure(self, meta: FrameMeta, zones: Mapping[str, ZoneConfig], lines: Mapping[str, LineConfig]) -> None:
        """Begin a new epoch, or with other zones or lines; equal ones keep who is where."""
        new_epoch = meta.epoch != self._epoch
        if not new_epoch and zones is self._configured_zones and lines is self._configured_lines:
            return
        if new_epoch:
            self._epoch, self._bodies = meta.epoch, Bodies(meta.size)
        if new_epoch or (zones is not self._configured_zones and zones != self._configured_zones):
            self._zones = Zones(zones, meta.size) if zones else None
        if new_epoch or (lines is not self._configured_lines and lines != self._configured_lines):
            self._lines = Lines(lines, meta.size) if lines else None
        self._configured_zones, self._configured_lines = zones, lines
