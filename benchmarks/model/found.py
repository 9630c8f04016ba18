"""Who the packaged pipeline finds, and at what cost, by variants of the model's settings.

Drawn people of a known height, people who lie or fall on labelled footage, tracks in scenes without people, and the CPU
time of the model. All variants watch every clip in turn, frame by frame over media time, as a camera would lend them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.model.found_scenes import Clip, FixedCamera, Size
from benchmarks.model.found_watching import Variant, Watched, WatchedPerson, Watcher
from benchmarks.model.rendered_people import VISIBLE, overlap, similarity
from benchmarks.report import print_machine
from benchmarks.rounds import order
from training.footage.segments.intervals import bootstrap_share, poisson_count
from training.sources.roles import video_roles
from training.sources.segmented_videos import LABELS, SegmentedVideo, read_labels
from training.sources.terms import DataFolderError
from training.video.frames import lent_frames, video_frames

HEIGHTS = (40, 60, 90)
"""Of drawn people, in pixels."""
MOST_IN_CLIP = 3
MATCH = 0.3
"""Least IoU of a published person's box with the box of the visible part of a drawn one."""
LATE_US = 1_000_000
"""From here on, people have had time to be noticed."""
SOURCES = {"le2i": "Le2i home", "urfd": "URFD"}
"""Labelled footage whose test videos are watched, by folder."""
LOW = ("lie", "fall")
STEPS_PER_S = 12.5
"""Footage with more frames is thinned out to at most this rate, at which every frame is looked at."""
FEWEST = 6
"""Least number of clips for an interval."""
_SEED = 90

PEOPLE, FOOTAGE, EMPTY = "drawn people", "lie and fall", "empty scenes"
FOUND, FOUND_LATE, OKS = "found", "found after 1 s", "OKS"
KEYPOINTS, TRACKS = "keypoint score", "tracks a minute"
MEASURES = {
    PEOPLE: (FOUND, FOUND_LATE, OKS),
    FOOTAGE: (FOUND, KEYPOINTS),
    EMPTY: (TRACKS,),
}
COMPARED = {PEOPLE: FOUND_LATE, FOOTAGE: FOUND, EMPTY: TRACKS}
"""The measure of each part that is compared with the first variant's, clip by clip."""
_ALL = "all"


@dataclass(frozen=True, slots=True)
class FoundPlan:
    """What to measure. `people` and `scenes` may be 0; `clips` limits the clips of each source of `footage`."""

    variants: tuple[Variant, ...]
    picture: Size = (1280, 720)
    people: int = 300
    scenes: int = 40
    footage: Path | None = None
    clips: int | None = None


class Share(NamedTuple):
    """A ratio of sums over clips, with its 95 % interval over resampled clips; None if there is nothing to divide."""

    value: float | None
    low: float | None
    high: float | None


class Scene(NamedTuple):
    """One clip as one variant saw it. `sums`: by measure, the two sums whose ratio is the measure."""

    part: str
    kind: str
    name: str
    sums: dict[str, tuple[float, float]]
    frames: int
    cpu_s: float


@dataclass(slots=True)
class FoundMeasured:
    """The figures of a run; `scenes` by variant, in the same order."""

    plan: FoundPlan
    scenes: dict[str, list[Scene]] = field(default_factory=dict[str, list[Scene]])

    def kinds(self, part: str) -> list[str]:
        """Return the kinds of a part's clips, and `all` if there are several."""
        kinds = list(dict.fromkeys(scene.kind for scene in self._first if scene.part == part))
        return [*kinds, _ALL] if len(kinds) > 1 else kinds

    def share(self, variant: str, part: str, kind: str, measure: str) -> Share:
        """Return a measure of a variant. The interval of a rate without a track is that of a Poisson distribution."""
        sums, of = self._sums(variant, part, kind, measure)
        if measure == TRACKS and not sums.any():
            return Share(0.0, 0.0, poisson_count(0).high / of.sum())
        return _share(sums, of)

    def gain(self, variant: str, part: str, kind: str) -> Share:
        """Return how much larger a variant's compared measure is than the first variant's."""
        first, of = self._sums(self.plan.variants[0].name, part, kind, COMPARED[part])
        return _share(self._sums(variant, part, kind, COMPARED[part])[0] - first, of)

    def cpu_ms(self, variant: str, part: str) -> Share:
        """Return the CPU milliseconds of the model a frame."""
        rows = [scene for scene in self.scenes[variant] if part in (scene.part, _ALL)]
        return _share(np.array([row.cpu_s * 1e3 for row in rows]), np.array([float(row.frames) for row in rows]))

    def cpu_ratio(self, variant: str, part: str) -> Share:
        """Return the CPU time of a variant as a share of the first variant's."""
        mine, first = (
            np.array([scene.cpu_s for scene in scenes if part in (scene.part, _ALL)])
            for scenes in (self.scenes[variant], self._first)
        )
        return _share(mine, first)

    @property
    def parts(self) -> list[str]:
        """Parts that were measured."""
        return [part for part in MEASURES if self.kinds(part)]

    def as_json(self) -> dict[str, Any]:
        """Return all figures and the sums of every clip."""
        names = [variant.name for variant in self.plan.variants]
        return {
            "picture": list(self.plan.picture),
            "variants": {one.name: one.settings.model_dump(exclude_unset=True) for one in self.plan.variants},
            "figures": [
                {
                    "part": part,
                    "kind": kind,
                    "variant": name,
                    **{measure: self.share(name, part, kind, measure)._asdict() for measure in MEASURES[part]},
                    f"{COMPARED[part]}, less {names[0]}": self.gain(name, part, kind)._asdict(),
                }
                for part in self.parts
                for kind in self.kinds(part)
                for name in names
            ],
            "cpu": [
                {
                    "part": part,
                    "variant": name,
                    "ms a frame": self.cpu_ms(name, part)._asdict(),
                    f"of {names[0]}": self.cpu_ratio(name, part)._asdict(),
                }
                for part in (*self.parts, _ALL)
                for name in names
            ],
            "clips": {name: [scene._asdict() for scene in self.scenes[name]] for name in names},
        }

    @property
    def _first(self) -> list[Scene]:
        return self.scenes.get(self.plan.variants[0].name, [])

    def _sums(self, variant: str, part: str, kind: str, measure: str) -> tuple[NDArray[Any], NDArray[Any]]:
        pairs = [
            scene.sums[measure] for scene in self.scenes[variant] if scene.part == part and kind in (scene.kind, _ALL)
        ]
        sums = np.array(pairs, np.float64).reshape(-1, 2)
        return sums[:, 0], sums[:, 1]


def _share(part: NDArray[Any], of: NDArray[Any]) -> Share:
    if not of.sum():
        return Share(None, None, None)
    interval = bootstrap_share(part, of) if np.count_nonzero(of) >= FEWEST else None
    low, high = interval or (None, None)
    return Share(float(part.sum() / of.sum()), low, high)


def measure(plan: FoundPlan, progress: Callable[[str], None], save: Callable[[FoundMeasured], None]) -> FoundMeasured:
    """Measure, and call `save` after each part.

    Raises `DataFolderError` or `VideoReadError` for the footage, and as `stages.profiles.load_profile`.
    """
    films = [] if plan.footage is None else labelled_films(plan.footage, plan.clips)
    watchers = [Watcher(variant) for variant in plan.variants]
    measured = FoundMeasured(plan, {watcher.name: [] for watcher in watchers})
    drawn = FixedCamera(plan.picture, _SEED)
    people = people_clips(plan.people)
    for number, (height, count) in enumerate(people):
        progress(f"{PEOPLE}: clip {number + 1} of {len(people)}")
        clip = drawn.people(number, height, count)
        _watch(measured, watchers, number, partial(_people_scene, clip=clip, kind=f"{height} px"))
    save(measured)
    for number, (kind, film) in enumerate(films):
        progress(f"{FOOTAGE}: clip {number + 1} of {len(films)}")
        _watch(measured, watchers, number, partial(_film_scene, film=film, kind=kind))
    save(measured)
    for number in range(plan.scenes):
        progress(f"{EMPTY}: scene {number + 1} of {plan.scenes}")
        clip = drawn.empty(number, HEIGHTS[number % len(HEIGHTS)])
        _watch(measured, watchers, number, partial(_empty_scene, clip=clip))
    save(measured)
    return measured


def _watch(
    measured: FoundMeasured, watchers: Sequence[Watcher], number: int, scene_of: Callable[[Watcher], Scene]
) -> None:
    by_name = {watcher.name: watcher for watcher in watchers}
    for name in order(list(by_name), number):
        measured.scenes[name].append(scene_of(by_name[name]))


def people_clips(people: int) -> list[tuple[int, int]]:
    """Return height and number of people of each clip, for at least `people` people, as many of each height."""
    rng = np.random.default_rng(_SEED)
    left = dict.fromkeys(HEIGHTS, -(-people // len(HEIGHTS)))
    clips: list[tuple[int, int]] = []
    while any(left.values()):
        for height in HEIGHTS:
            if count := min(left[height], int(rng.integers(1, MOST_IN_CLIP + 1))):
                clips.append((height, count))
                left[height] -= count
    return clips


def labelled_films(folder: Path, limit: int | None) -> list[tuple[str, SegmentedVideo]]:
    """Return the kind and video of test videos with people who lie or fall, at most `limit` of each source.

    Raises `DataFolderError`.
    """
    films: list[tuple[str, SegmentedVideo]] = []
    for source, kind in SOURCES.items():
        if (folder / source / LABELS).exists():
            videos = read_labels(folder / source / LABELS)
            chosen = [
                video
                for video, role in zip(videos, video_roles(videos), strict=True)
                if role == "test" and any(segment.label in LOW for segment in video.segments)
            ]
            chosen.sort(key=lambda video: (len(video.name), video.name))
            count = min(limit or len(chosen), len(chosen))
            films += [(kind, chosen[int(place)]) for place in np.linspace(0, len(chosen) - 1, count).round()]
    if not films:
        names = " nor ".join(f"{source}/{LABELS}" for source in SOURCES)
        raise DataFolderError(f"{folder}: has neither {names} with test videos of people who {' or '.join(LOW)}")
    return films


def _people_scene(watcher: Watcher, clip: Clip, kind: str) -> Scene:
    watched = watcher.watch(lent_frames(clip.name, clip.frames, lambda size: watcher.model.slot_format(size, None)))
    return _scene(PEOPLE, kind, clip.name, watched, people_sums(clip, watched))


def people_sums(clip: Clip, watched: Watched) -> dict[str, tuple[float, float]]:
    """Return the sums of `MEASURES[PEOPLE]` of a clip of which all frames were watched."""
    of = found = late_of = late_found = agreed = 0
    agreement = 0.0
    for (_, media_us), truth, people in zip(clip.frames, clip.truth, watched.people, strict=True):
        partners = matched(truth.boxes, [one.person.box for one in people])
        for number in np.flatnonzero(truth.shares >= VISIBLE).tolist():
            partner = partners.get(number)
            of, found = of + 1, found + (partner is not None)
            if media_us >= LATE_US:
                late_of, late_found = late_of + 1, late_found + (partner is not None)
            keypoints = None if partner is None else people[partner].keypoints
            if keypoints is not None:
                agreed += 1
                agreement += similarity(
                    keypoints[:, :2].astype(np.float64), truth.joints[number], float(truth.areas[number])
                )
    return {FOUND: (found, of), FOUND_LATE: (late_found, late_of), OKS: (agreement, agreed)}


def matched(true: NDArray[np.float64], boxes: Sequence[Sequence[float]]) -> dict[int, int]:
    """Return the index of the published box of each person whose box is in `true` [K, 4]; the best pairs first."""
    pairs = sorted(
        ((overlap(one, np.array(box)), k, j) for k, one in enumerate(true) for j, box in enumerate(boxes)), reverse=True
    )
    partners: dict[int, int] = {}
    for likeness, k, j in pairs:
        if likeness >= MATCH and k not in partners and j not in partners.values():
            partners[k] = j
    return partners


def _film_scene(watcher: Watcher, film: SegmentedVideo, kind: str) -> Scene:
    every = max(1, math.ceil(film.fps / STEPS_PER_S - 0.01))
    without = frozenset(number for number in range(film.frames) if number % every)
    format_of = watcher.model.slot_format
    watched = watcher.watch(video_frames(film.path, lambda size: format_of(size, None), without=without))
    return _scene(FOOTAGE, kind, film.name, watched, film_sums(film, watched))


def film_sums(film: SegmentedVideo, watched: Watched) -> dict[str, tuple[float, float]]:
    """Return the sums of `MEASURES[FOOTAGE]` of a labelled video. A frame counts if a person was detected in it."""
    of = found = scored = 0
    score = 0.0
    for number, people in zip(watched.numbers, watched.people, strict=True):
        if film.label_at(number) not in LOW:
            continue
        detected = [one for one in people if one.person.detected]
        of, found = of + 1, found + bool(detected)
        if (joints := _surest(detected)) is not None:
            scored, score = scored + 1, score + float(joints[:, 2].mean())
    return {FOUND: (found, of), KEYPOINTS: (score, scored)}


def _surest(people: Iterable[WatchedPerson]) -> NDArray[np.float32] | None:
    """Return the keypoints of the person with the highest score."""
    known = [(one.person.score, one.keypoints) for one in people if one.keypoints is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def _empty_scene(watcher: Watcher, clip: Clip) -> Scene:
    watched = watcher.watch(lent_frames(clip.name, clip.frames, lambda size: watcher.model.slot_format(size, None)))
    tracks = {one.person.track for people in watched.people for one in people}
    kind = "things move" if clip.moving else "nothing moves"
    return _scene(EMPTY, kind, clip.name, watched, {TRACKS: (len(tracks), clip.seconds / 60)})


def _scene(part: str, kind: str, name: str, watched: Watched, sums: dict[str, tuple[float, float]]) -> Scene:
    return Scene(part, kind, name, sums, len(watched.people), watched.cpu_s)


def print_found(measured: FoundMeasured, machine: dict[str, Any], console: Console) -> None:
    """Print a table for each part, within 100 columns."""
    names = [variant.name for variant in measured.plan.variants]
    for part in measured.parts:
        clips = sum(scene.part == part for scene in measured.scenes[names[0]])
        table = Table(title=f"{part}: {clips} clips; [95 % interval by clip]")
        for heading in ("", "variant"):
            table.add_column(heading)
        for heading in (*MEASURES[part], f"{COMPARED[part]},\nless {names[0]}"):
            table.add_column(heading, justify="right")
        for kind in measured.kinds(part):
            for name in names:
                shares = [(one, measured.share(name, part, kind, one)) for one in MEASURES[part]]
                cells = [_text(share, percent="found" in one) for one, share in shares]
                gain = measured.gain(name, part, kind)
                cells.append("" if name == names[0] else _text(gain, percent="found" in COMPARED[part], sign="+"))
                table.add_row(kind if name == names[0] else "", name, *cells)
            table.add_section()
        console.print(table)
    table = Table(title=f"CPU milliseconds of the model a frame, and as a ratio to {names[0]} [95 % interval by clip]")
    table.add_column("variant")
    for part in (*measured.parts, _ALL):
        table.add_column(part, justify="right")
    for name in names:
        cells = [
            f"{measured.cpu_ms(name, part).value or 0:.1f}\n{_text(measured.cpu_ratio(name, part))}"
            for part in (*measured.parts, _ALL)
        ]
        table.add_row(name, *cells)
    console.print(table)
    print_machine(machine, console)


def _text(share: Share, percent: bool = False, sign: str = "") -> str:
    """Return a share, in per cent or as a number, and its interval in a second line."""
    if share.value is None:
        return "–"
    factor, digits = (100, 1) if percent else (1, 2)
    value = f"{share.value * factor:{sign}.{digits}f}"
    if share.low is None or share.high is None:
        return value
    return f"{value}\n[{share.low * factor:{sign}.{digits}f}, {share.high * factor:{sign}.{digits}f}]"
