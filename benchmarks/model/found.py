"""Who the packaged pipeline finds, and at what cost, by variants of the model's settings.

People are drawn, of a known height. All variants watch every clip in turn, frame by frame over media time, as a camera
would lend them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from benchmarks.model.found_scenes import Clip, FixedCamera, Size
from benchmarks.report import print_machine
from benchmarks.rounds import order
from ring_buffers.frames import Lease
from stages.profiles import load_profile
from stages.settings import ModelSettings, PipelineSettings
from stages.settings_file import error_text
from stages.types import PersonAnalysis
from training.footage.judging import bootstrap_share
from training.video.frames import lent_frames

HEIGHTS = (40, 60, 90)
"""Of drawn people, in pixels."""
MOST_IN_CLIP = 3
VISIBLE = 0.6
"""Visible share from which a person is counted."""
MATCH = 0.3
"""Least IoU of a published person's box with the box of the visible part of a drawn one."""
LATE_US = 1_000_000
"""From here on, people have had time to be noticed."""
FEWEST = 6
"""Least number of clips for an interval."""
THREADS = 1
"""Threads of a variant that names no number."""
_SEED = 90

FOUND, FOUND_LATE, WRONG = "found", "found after 1 s", "wrong people a frame"
MEASURES = (FOUND, FOUND_LATE, WRONG)
_ALL = "all"


class VariantError(ValueError):
    """A variant cannot be used; the message says why."""


class Variant(NamedTuple):
    """Settings of the model under a name."""

    name: str
    settings: ModelSettings


def variants_of(texts: Sequence[str]) -> list[Variant]:
    """Read variants as `NAME:field=value,field=value`, with fields of `ModelSettings`. Raises `VariantError`."""
    variants: list[Variant] = []
    for text in texts:
        name, _, rest = text.partition(":")
        if not name or name in [known.name for known in variants]:
            raise VariantError(f"{text!r}: each variant needs a name of its own, as in NAME:field=value,field=value")
        fields: dict[str, str] = {"threads": str(THREADS)}
        for pair in filter(None, rest.split(",")):
            field_name, equals, value = pair.partition("=")
            if not equals:
                raise VariantError(f"{text!r}: {pair!r} is not field=value")
            fields[field_name.strip()] = value.strip()
        try:
            variants.append(Variant(name, ModelSettings.model_validate(fields)))
        except ValidationError as error:
            problem = error_text(error, ModelSettings, command="partstream config", show_values=True)
            raise VariantError(f"{text!r}: {problem}; fields are {', '.join(ModelSettings.model_fields)}") from None
    return variants


@dataclass(frozen=True, slots=True)
class FoundPlan:
    """What to measure."""

    variants: tuple[Variant, ...]
    picture: Size = (1280, 720)
    people: int = 300


class Share(NamedTuple):
    """A ratio of sums over clips, with its 95 % interval over resampled clips; None if there is nothing to divide."""

    value: float | None
    low: float | None
    high: float | None


class Scene(NamedTuple):
    """One clip as one variant saw it. `sums`: by measure, the two sums whose ratio is the measure."""

    height: str
    name: str
    sums: dict[str, tuple[float, float]]
    frames: int
    cpu_s: float


@dataclass(slots=True)
class FoundMeasured:
    """The figures of a run; `scenes` by variant, in the same order."""

    plan: FoundPlan
    scenes: dict[str, list[Scene]] = field(default_factory=dict[str, list[Scene]])

    @property
    def heights(self) -> list[str]:
        """The heights of drawn people, and `all`."""
        return [*dict.fromkeys(scene.height for scene in self._first), _ALL]

    def share(self, variant: str, height: str, measure: str) -> Share:
        """Return a measure of a variant."""
        return _share(*self._sums(variant, height, measure))

    def gain(self, variant: str, height: str) -> Share:
        """Return how many more people a variant finds after a second than the first variant."""
        first, of = self._sums(self.plan.variants[0].name, height, FOUND_LATE)
        return _share(self._sums(variant, height, FOUND_LATE)[0] - first, of)

    def cpu_ms(self, variant: str) -> Share:
        """Return the CPU milliseconds of the model a frame."""
        rows = self.scenes[variant]
        return _share(np.array([row.cpu_s * 1e3 for row in rows]), np.array([float(row.frames) for row in rows]))

    def cpu_ratio(self, variant: str) -> Share:
        """Return the CPU time of a variant as a share of the first variant's."""
        return _share(*(np.array([scene.cpu_s for scene in rows]) for rows in (self.scenes[variant], self._first)))

    def as_json(self) -> dict[str, Any]:
        """Return all figures and the sums of every clip."""
        return {
            "picture": list(self.plan.picture),
            "variants": {one.name: one.settings.model_dump(exclude_unset=True) for one in self.plan.variants},
            "figures": [
                {
                    "height": height,
                    "variant": name,
                    **{measure: self.share(name, height, measure)._asdict() for measure in MEASURES},
                    f"{FOUND_LATE}, less {self.plan.variants[0].name}": self.gain(name, height)._asdict(),
                }
                for height in self.heights
                for name in self.scenes
            ],
            "cpu_ms_per_frame": {name: self.cpu_ms(name)._asdict() for name in self.scenes},
            "clips": {name: [scene._asdict() for scene in scenes] for name, scenes in self.scenes.items()},
        }

    @property
    def _first(self) -> list[Scene]:
        return self.scenes.get(self.plan.variants[0].name, [])

    def _sums(self, variant: str, height: str, measure: str) -> tuple[NDArray[Any], NDArray[Any]]:
        pairs = [scene.sums[measure] for scene in self.scenes[variant] if height in (scene.height, _ALL)]
        sums = np.array(pairs, np.float64).reshape(-1, 2)
        return sums[:, 0], sums[:, 1]


def _share(part: NDArray[Any], of: NDArray[Any]) -> Share:
    if not of.sum():
        return Share(None, None, None)
    interval = bootstrap_share(part, of) if np.count_nonzero(of) >= FEWEST else None
    low, high = interval or (None, None)
    return Share(float(part.sum() / of.sum()), low, high)


class Watcher:
    """A variant's model, ready to watch clips. Raises as `load_profile`."""

    def __init__(self, variant: Variant) -> None:
        self.name, self.model = variant.name, load_profile(PipelineSettings(model=variant.settings))
        self._threads = torch.get_num_threads()
        self.model.warm_up()

    def scene(self, clip: Clip, height: int) -> Scene:
        """Watch a clip, and return what was seen of it."""
        people, cpu_s = self.watch(lent_frames(clip.name, clip.frames, lambda size: self.model.slot_format(size, None)))
        return Scene(f"{height} px", clip.name, people_sums(clip, people), len(people), cpu_s)

    def watch(self, leases: Iterable[Lease]) -> tuple[list[list[PersonAnalysis]], float]:
        """Watch all frames of one camera, one by one, and forget it. Return the people of each, and CPU seconds."""
        torch.set_num_threads(self._threads)  # one number for all models of the process
        people: list[list[PersonAnalysis]] = []
        camera, cpu_s = "", 0.0
        for lease in leases:
            camera = lease.meta.camera
            start = time.process_time()
            (analysis,) = self.model.process([lease])
            cpu_s += time.process_time() - start
            people.append(list(analysis.people))
        self.model.forget(camera)
        return people, cpu_s


def measure(plan: FoundPlan, progress: Callable[[str], None], save: Callable[[FoundMeasured], None]) -> FoundMeasured:
    """Measure, and call `save` after every tenth clip. Raises as `load_profile` and `FixedCamera`."""
    watchers = {variant.name: Watcher(variant) for variant in plan.variants}
    measured = FoundMeasured(plan, {name: [] for name in watchers})
    drawn = FixedCamera(plan.picture, _SEED)
    clips = people_clips(plan.people)
    for number, (height, count) in enumerate(clips):
        progress(f"clip {number + 1} of {len(clips)}")
        clip = drawn.people(number, height, count)
        for name in order(list(watchers), number):
            measured.scenes[name].append(watchers[name].scene(clip, height))
        if number % 10 == 9:
            save(measured)
    save(measured)
    return measured


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


def people_sums(clip: Clip, watched: Sequence[Sequence[PersonAnalysis]]) -> dict[str, tuple[float, float]]:
    """Return the sums of the measures of a clip of which all frames were watched."""
    of = found = late_of = late_found = wrong = 0
    for (_, media_us), truth, people in zip(clip.frames, clip.truth, watched, strict=True):
        partners = matched(truth.boxes, [one.box for one in people])
        wrong += len(people) - len(partners)
        counted = np.flatnonzero(truth.shares >= VISIBLE).tolist()
        seen = sum(number in partners for number in counted)
        of, found = of + len(counted), found + seen
        if media_us >= LATE_US:
            late_of, late_found = late_of + len(counted), late_found + seen
    return {FOUND: (found, of), FOUND_LATE: (late_found, late_of), WRONG: (wrong, len(watched))}


def matched(true: NDArray[np.float64], boxes: Sequence[Sequence[float]]) -> dict[int, int]:
    """Return the index of the published box of each person whose box is in `true` [K, 4]; the best pairs first."""
    pairs = sorted(
        ((_overlap(one, np.array(box)), k, j) for k, one in enumerate(true) for j, box in enumerate(boxes)),
        reverse=True,
    )
    partners: dict[int, int] = {}
    for likeness, k, j in pairs:
        if likeness >= MATCH and k not in partners and j not in partners.values():
            partners[k] = j
    return partners


def _overlap(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the IoU of two boxes [4]."""
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    inner = float(np.prod(np.maximum(high - low, 0)))
    areas = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]))
    return inner / max(areas - inner, 1e-9)


def print_found(measured: FoundMeasured, machine: dict[str, Any], console: Console) -> None:
    """Print the table and the machine."""
    first = measured.plan.variants[0].name
    table = Table(title=f"drawn people in {len(measured.scenes[first])} clips; [95 % interval by clip]")
    for heading in ("", "variant"):
        table.add_column(heading)
    for heading in (*MEASURES, f"{FOUND_LATE},\nless {first}", "CPU ms\na frame", f"CPU, x {first}"):
        table.add_column(heading, justify="right")
    for height in measured.heights:
        for name in measured.scenes:
            cells = [_text(measured.share(name, height, one), percent=one != WRONG) for one in MEASURES]
            cells.append("" if name == first else _text(measured.gain(name, height), percent=True, sign="+"))
            if height == _ALL:
                cells += [f"{measured.cpu_ms(name).value or 0:.1f}", _text(measured.cpu_ratio(name))]
            table.add_row(height if name == first else "", name, *cells)
        table.add_section()
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
