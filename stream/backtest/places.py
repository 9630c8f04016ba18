"""Zones and lines computed again, from recorded boxes and foot points: results as they would be with other ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stream.backtest.segments import People, SeenPerson, Segment
from stream.rules.bodies import Body, Point
from stream.rules.lines import Lines
from stream.rules.signals import Signal
from stream.rules.zones import Zones
from stream.settings.config_error import ConfigError
from stream.settings.zones import LineConfig, ZoneConfig


def with_places(segment: Segment, zones: Mapping[str, ZoneConfig], lines: Mapping[str, LineConfig]) -> Segment:
    """Return the results with these zones and lines instead of the recorded ones.

    People in zones that are ignored are left out, as the engine leaves them out.
    """

    def people(signals: Sequence[Signal]) -> People:
        recorded = segment.people(signals)
        in_zones = Zones(zones, segment.size) if zones else None
        over_lines = Lines(lines, segment.size) if lines else None

        def of(index: int) -> list[SeenPerson]:
            seen = recorded(index)
            standing = [Body(one.track, one.box, _foot(one, segment)) for one in seen]
            inside = None if in_zones is None else in_zones.update(standing)
            if inside is not None:
                standing = [one for one in standing if one.track in inside]
            crossed = {} if over_lines is None else over_lines.update(standing)
            kept = {one.track for one in standing}
            for one in seen:
                one.zones = () if inside is None else inside.get(one.track, ())
                one.crossed = crossed.get(one.track, ())
            return [one for one in seen if one.track in kept]

        return of

    return replace(segment, people=people)


def _foot(seen: SeenPerson, segment: Segment) -> Point:
    if seen.foot is None:
        where = f"the results of camera {segment.camera}, run {segment.run}"
        raise ConfigError(f"{where}, lack foot points, so zones can't be recomputed")
    return seen.foot
