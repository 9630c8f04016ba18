"""How exactly people enter and leave zones, with what the packaged detector sees.

`python -m benchmarks.model.zones --people 120` watches the real footage of `vtest`, finds people who stand, lays
borders through the points where they stand, and counts changes of zones. Then it draws people who walk, lays a border
across each person's path, and compares the frames in which zones change with those in which they change for the true
feet. Foot points and statures are compared with those of the drawn people.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.model.found import matched
from benchmarks.model.found_scenes import Clip, FixedCamera, Truth
from benchmarks.model.rendered_people import VISIBLE
from ring_buffers.frames import FrameMeta, Lease
from stages.profiles import load_profile
from stages.settings import ModelSettings, PipelineSettings
from stages.third_party import weights
from stages.types import Model
from stream.cameras.camera_zones import CameraZones
from stream.messaging.assemble import frame_message
from stream.results import ModelRef, Person
from stream.rules.zones import Zones
from stream.settings.zones import ZoneConfig
from training.video.frames import lent_frames, video_frames

Array = NDArray[np.float64]
Size = tuple[int, int]

PICTURE: Size = (1280, 720)
RATE = 12.5
HEIGHTS = (80, 140, 240)
"""Of drawn people, in pixels."""
MOST_IN_CLIP = 3
TURNS = (-math.pi / 4, math.pi / 4)
"""How far a border is turned from a right angle to the path."""
FURTHER = 0.2
"""How far beyond the border the path begins and ends at least, in statures."""
SEEN_S = (0.4, 0.8)
"""A crossing is counted if the person is in the results of all frames so long before and after it."""
LATEST = 6
"""Frames after which a change of zones is missing."""
FOOT_REACH = 0.035
"""From the ankle to the middle of a foot's box, in statures (`stages.detection.part_boxes`)."""
STANDS_S = 4.0
STANDS_WITHIN = 0.04
"""A person stands if the foot point's mean over each half of `STANDS_S` is the same within this, in statures."""
ORIENTATIONS = 4


class Standing(NamedTuple):
    """A person at a foot point."""

    track: int
    box: tuple[float, float, float, float]
    foot: tuple[float, float]


@dataclass(slots=True)
class Measured:
    """`late`: frames between the true and the found change of a zone, by kind of change; None if it is missing."""

    late: dict[str, list[int | None]] = field(default_factory=lambda: defaultdict(list))
    late_of_border: list[int | None] = field(default_factory=list[int | None])
    """The same, from the first frame in which the true foot point is beyond the border by anything."""
    extra: int = 0
    """Changes of zones beyond the one of each crossing."""
    unseen: int = 0
    """Crossings of people who were not in all results around them."""
    statures: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Published and true statures."""
    foot_errors: list[float] = field(default_factory=list[float])
    """Distances of the foot point from the true one, in statures."""


def true_foot(truth: Truth, person: int) -> Array:
    """Return the point between both feet, [2]."""
    joints, reach = truth.joints[person], FOOT_REACH * truth.statures[person]
    feet = [
        joints[ankle] + reach * (joints[ankle] - joints[knee]) / max(np.linalg.norm(joints[ankle] - joints[knee]), 1e-6)
        for knee, ankle in ((13, 15), (14, 16))
    ]
    return np.mean(feet, 0)


def half_of(size: Size, point: Array, normal: Array) -> ZoneConfig | None:
    """Return the part of the picture beyond a border through `point` [2], on the side of `normal` [2]."""
    along, reach = np.array([-normal[1], normal[0]]), 4.0 * max(size)
    corners = [point - reach * along, point + reach * along]
    beyond = shapely.Polygon([*corners, corners[1] + reach * normal, corners[0] + reach * normal])
    part = shapely.box(0, 0, *size).intersection(beyond)
    if not isinstance(part, shapely.Polygon) or part.area < 1e-3 * size[0] * size[1]:
        return None
    corner_points = np.clip(np.array(part.exterior.coords)[:-1] / np.array(size), 0, 1)
    return ZoneConfig(points=[(float(x), float(y)) for x, y in corner_points], ignore=False)


def published(model: Model, leases: Iterable[Lease]) -> Iterator[tuple[FrameMeta, list[Person]]]:
    """Yield the people of each frame's result, without zones."""
    places, camera = CameraZones(), ""
    for lease in leases:
        camera = lease.meta.camera
        (analysis,) = model.process([lease])
        analysis, found = places.apply(lease.meta, analysis, {}, {})
        yield lease.meta, frame_message(lease.meta, analysis, ModelRef("edge", "", True), None, found).people
    model.forget(camera)


def watch_drawn(clip: Clip, model: Model, rng: np.random.Generator, measured: Measured) -> None:
    """Add the crossings of a drawn clip."""
    leases = lent_frames(clip.name, clip.frames, lambda size: model.slot_format(size, None))
    frames = [(meta.media_us, people) for meta, people in published(model, leases)]
    partners = [
        {k: people[j] for k, j in matched(truth.boxes, [one.box for one in people]).items()}
        for (_, people), truth in zip(frames, clip.truth, strict=True)
    ]
    for person in range(len(clip.truth[0].shares)):
        feet = np.array([true_foot(truth, person) for truth in clip.truth])
        for row, found in enumerate(partners):
            truth = clip.truth[row]
            if person in found and frames[row][0] >= 1_000_000 and truth.shares[person] >= VISIBLE:
                one, stature = found[person], float(truth.statures[person])
                measured.statures.append((one.stature or 0.0, stature))
                measured.foot_errors.append(float(np.linalg.norm(np.array(one.foot) - feet[row])) / stature)
        _add_crossing(clip, feet, person, partners, rng, measured)


def _add_crossing(
    clip: Clip,
    feet: Array,
    person: int,
    partners: list[dict[int, Person]],
    rng: np.random.Generator,
    measured: Measured,
) -> None:
    middle, stature = len(feet) // 2, float(clip.truth[len(feet) // 2].statures[person])
    way = feet[-1] - feet[0]
    angle = math.atan2(way[1], way[0]) + rng.uniform(*TURNS)
    normal = np.array([math.cos(angle), math.sin(angle)])
    beyond = (feet - feet[middle]) @ normal
    zones = {"front": half_of(PICTURE, feet[middle], -normal), "behind": half_of(PICTURE, feet[middle], normal)}
    if not (beyond[0] < -FURTHER * stature and beyond[-1] > FURTHER * stature) or None in zones.values():
        return
    configured = {name: zone for name, zone in zones.items() if zone is not None}
    true_changes = _changes(
        configured,
        [_true_standing(truth.boxes[person], foot) for truth, foot in zip(clip.truth, feet, strict=True)],
    )
    if sorted(true_changes) != ["+behind", "-front"] or any(len(rows) != 1 for rows in true_changes.values()):
        return  # the true feet waver on the border
    at = min(rows[0] for rows in true_changes.values())
    window = range(at - round(SEEN_S[0] * RATE), at + round(SEEN_S[1] * RATE) + 1)
    tracks = {partners[row][person].track for row in window if 0 <= row < len(partners) and person in partners[row]}
    seen = sum(0 <= row < len(partners) and person in partners[row] for row in window)
    if len(tracks) != 1 or seen != len([row for row in window if 0 <= row < len(partners)]):
        measured.unseen += 1
        return
    path = [found.get(person) for found in partners]
    rows = [row for row, one in enumerate(path) if one is not None and one.track in tracks]
    located = [
        Standing(one.track, one.box, one.foot)
        for one in path
        if one is not None and one.track in tracks and one.foot is not None
    ]
    found_changes = {name: [rows[n] for n in numbers] for name, numbers in _changes(configured, located).items()}
    first_beyond = int(np.argmax(beyond > 0))
    for name, (true_row,) in true_changes.items():
        changes = found_changes.get(name, [])
        nearest = min(changes, key=lambda row: abs(row - true_row), default=None)
        if nearest is not None and abs(nearest - true_row) > LATEST:
            nearest = None
        measured.late[name].append(None if nearest is None else nearest - true_row)
        measured.late_of_border.append(None if nearest is None else nearest - first_beyond)
    measured.extra += sum(map(len, found_changes.values())) - sum(bool(rows) for rows in found_changes.values())


def _true_standing(box: Array, foot: Array) -> Standing:
    x1, y1, x2, y2 = box.tolist()
    x, y = foot.tolist()
    return Standing(1, (x1, y1, x2, y2), (x, y))


def _changes(zones: dict[str, ZoneConfig], path: Sequence[Standing]) -> dict[str, list[int]]:
    """Return the numbers of the frames in which a person enters (+) and leaves (-) each zone."""
    following, changes, before = Zones(zones, PICTURE), defaultdict[str, list[int]](list), None
    for number, standing in enumerate(path):
        now = set(following.update([standing], number)[standing.track])
        if before is not None:
            for name in now - before:
                changes[f"+{name}"].append(number)
            for name in before - now:
                changes[f"-{name}"].append(number)
        before = now
    return changes


def watch_standing(path: Path, model: Model) -> dict[str, Any]:
    """Count the changes of zones of people who stand on a border, on real footage."""
    tracks = defaultdict[int, list[tuple[int, Person]]](list)
    size = PICTURE
    for meta, people in published(model, video_frames(path, lambda size: model.slot_format(size, None))):
        size = meta.size
        for person in people:
            tracks[person.track].append((meta.media_us, person))
    minutes, changes, plain, people = 0.0, 0, 0, set[int]()
    for track, sightings in tracks.items():
        for stretch in _stretches(sightings):
            feet = np.array([person.foot for _, person in stretch])
            minutes += (stretch[-1][0] - stretch[0][0]) / 60e6 * ORIENTATIONS
            people.add(track)
            for turn in range(ORIENTATIONS):
                angle = math.pi * turn / ORIENTATIONS
                normal = np.array([math.cos(angle), math.sin(angle)])
                zone = half_of(size, np.median(feet, 0), normal)
                if zone is None:
                    continue
                zones = Zones({"zone": zone}, size)
                inside = [
                    bool(zones.update([Standing(1, person.box, person.foot)], at)[1])
                    for at, person in stretch
                    if person.foot is not None
                ]
                changes += sum(one != other for one, other in itertools.pairwise(inside))
                sides = (feet - np.median(feet, 0)) @ normal > 0
                plain += int((sides[1:] != sides[:-1]).sum())
    return {
        "people": len(people),
        "minutes_on_a_border": round(minutes, 2),
        "changes": changes,
        "changes_a_minute": round(changes / minutes, 2),
        "changes_a_minute_without_hysteresis": round(plain / minutes, 2),
    }


def _stretches(sightings: list[tuple[int, Person]]) -> Iterator[list[tuple[int, Person]]]:
    """Yield the times of `STANDS_S` in which a person stands, one after another."""
    start = 0
    while start < len(sightings):
        stretch = [one for one in sightings[start:] if one[0] - sightings[start][0] <= STANDS_S * 1e6]
        if stretch[-1][0] - stretch[0][0] < 0.9 * STANDS_S * 1e6:
            return
        feet = np.array([person.foot for _, person in stretch])
        half = len(feet) // 2
        stature = float(np.median([person.stature or 1.0 for _, person in stretch]))
        if np.linalg.norm(feet[:half].mean(0) - feet[half:].mean(0)) < STANDS_WITHIN * stature:
            yield stretch
            start += len(stretch)
        else:
            start += max(1, len(stretch) // 8)


def summary(measured: Measured) -> dict[str, Any]:
    """Return the shares and distributions."""
    late = [one for delays in measured.late.values() for one in delays]
    ratios = np.array([found / true for found, true in measured.statures]) if measured.statures else np.ones(1)
    return {
        "changes": len(late),
        "crossings_unseen": measured.unseen,
        "within_one_step": round(sum(one is not None and abs(one) <= 1 for one in late) / max(len(late), 1), 3),
        "late_in_steps": _distribution(late),
        "late_of_the_border_in_steps": _distribution(measured.late_of_border),
        "extra_changes": measured.extra,
        "foot_error_in_statures": {
            name: round(float(np.percentile(measured.foot_errors, share)), 3) for name, share in _SHARES.items()
        },
        "stature_ratio": {name: round(float(np.percentile(ratios, share)), 3) for name, share in _SHARES.items()},
    }


_SHARES = {"p5": 5, "p25": 25, "median": 50, "p75": 75, "p95": 95}


def _distribution(late: Sequence[int | None]) -> dict[str, int]:
    counts = Counter("missing" if one is None else str(one) for one in late)
    return dict(sorted(counts.items(), key=lambda pair: (pair[0] == "missing", pair[0] != "missing" and int(pair[0]))))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model.zones", description=__doc__)
    parser.add_argument("--people", type=int, default=120)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only-drawn", action="store_true", help="leave out the footage")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/zones.json"))
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        model = load_profile(PipelineSettings(model=ModelSettings(threads=1)))
        drawn = FixedCamera(PICTURE, chosen.seed, RATE)
        standing = {} if chosen.only_drawn else watch_standing(weights.locate("vtest", "vtest.avi"), model)
    except weights.WeightsError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(standing), flush=True)
    rng = np.random.default_rng(chosen.seed)
    by_height = {height: Measured() for height in HEIGHTS}
    people = number = 0
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    while people < chosen.people:
        height, count = HEIGHTS[number % len(HEIGHTS)], int(rng.integers(1, MOST_IN_CLIP + 1))
        watch_drawn(drawn.people(number, height, count, ("walk",)), model, rng, by_height[height])
        people, number = people + count, number + 1
        print(f"{people} of {chosen.people} people", file=sys.stderr, flush=True)
        figures = {
            "people": people,
            "standing": standing,
            "drawn": {f"{height} px": summary(one) for height, one in by_height.items() if one.statures},
            "seed": chosen.seed,
            "commit": machine.commit(Path(__file__).parents[2]),
            "machine": machine.describe(),
        }
        chosen.json.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", "utf-8")
    print(chosen.json.read_text("utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
