"""Cost of rules: `python -m benchmarks.rules.rules_bench` gives results of 64 cameras to their rules.

Each result has 10 people with all parts, in 20 zones; there are 50 rules and 6 written actions. The rounds alternate
with the same results without rules. Measured is what the inference thread does with an analysis besides the model:
zones, measures, the message and its encoding.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from benchmarks import machine, stats
from benchmarks.report import print_machine, write_json
from benchmarks.run_once import REPOSITORY
from ring_buffers.frames import FrameMeta, SlotFormat
from stages.types import ActionAnalysis, FrameAnalysis, PartAnalysis, PersonAnalysis
from stages.vocabulary import PARTS
from stream.cameras.camera_rules import CameraRules
from stream.cameras.camera_zones import CameraZones
from stream.messaging.assemble import frame_message
from stream.results import ModelRef
from stream.rules.compiled import CompiledRules
from stream.settings.rules import RulesConfig
from stream.settings.zones import ZoneConfig

CAMERAS, PEOPLE, ZONES, RULES, FRAMES = 64, 10, 20, 50, 30
SIZE = (1280, 720)
STEP_US = 200_000
ACTIONS = ("stand", "walk", "run", "sit", "lie", "fall")
MODEL = ModelRef("edge", "sha256:" + "0" * 64, True)


@dataclass(frozen=True, slots=True)
class RulesRun:
    """CPU µs for a result, without and with rules, and the alerts that began in the round with them."""

    without_us: float
    with_us: float
    began: int


def zones() -> dict[str, ZoneConfig]:
    """Return 20 zones side by side, in two rows."""
    boxes = [(x / 10, y / 2, (x + 1) / 10, (y + 1) / 2) for y in range(2) for x in range(ZONES // 2)]
    return {
        f"zone{number}": ZoneConfig(points=[(x1, y1), (x2, y1), (x2, y2), (x1, y2)], ignore=False)
        for number, (x1, y1, x2, y2) in enumerate(boxes)
    }


def rules() -> CompiledRules:
    """Return 50 rules of all kinds, with 6 written actions."""
    up = [{"part": f"{side}_hand", "above": "head"} for side in ("left", "right")]
    near = [{"part": f"{side}_hand", "near": "head"} for side in ("left", "right")]
    actions: dict[str, Any] = {
        "hands_up": {"all": up, "for": "1s"},
        "hand_at_head": {"any": near, "for": "1s"},
        "down": {"all": [{"posture": "level"}, {"hips": {"at_most": 0.3}}]},
        "hurry": {"speed": {"at_least": 1}},
        "collapse": {"then": [{"action": "walk"}, {"action": ["lie", "fall"]}], "within": "3s"},
        "raise": {"all": [{"part": f"{side}_arm", "state": "raise"} for side in ("left", "right")]},
    }
    names = [*actions, *ACTIONS]
    kinds: list[dict[str, Any]] = [
        {"action": "lie", "for": "10s"},
        {"zone": "zone0", "dwell": "1m"},
        {"enters": "zone1"},
        {"zone": "zone2", "people": {"at_most": 0}, "for": "5m"},
        {"people": {"at_least": 8}, "for": "5s"},
    ]
    written = {f"rule{number}": dict(kinds[number % len(kinds)]) for number in range(RULES)}
    for number, rule in enumerate(written.values()):
        if "action" in rule:
            rule |= {"action": names[number // len(kinds) % len(names)], "zone": f"zone{number % ZONES}"}
        for place in ("zone", "enters"):
            if place in rule:
                rule[place] = f"zone{number % ZONES}"
    return CompiledRules(RulesConfig.model_validate({"actions": actions, "rules": written}))


def analyses(seed: int) -> list[FrameAnalysis]:
    """Return the analyses of a camera's frames: people who walk about, and change their action now and then."""
    rng = random.Random(seed)
    places = [(rng.uniform(50, 1200), rng.uniform(50, 400)) for _ in range(PEOPLE)]
    labels = [rng.choice(ACTIONS) for _ in range(PEOPLE)]
    frames: list[FrameAnalysis] = []
    for _ in range(FRAMES):
        places = [(x + rng.uniform(-10, 10), y + rng.uniform(-3, 3)) for x, y in places]
        labels = [rng.choice(ACTIONS) if rng.random() < 0.05 else label for label in labels]
        people = zip(places, labels, strict=True)
        frames.append(FrameAnalysis([person(track, *one, rng) for track, one in enumerate(people)], tracks=PEOPLE))
    return frames


def person(track: int, place: tuple[float, float], label: str, rng: random.Random) -> PersonAnalysis:
    """Return a person 250 pixels tall with all parts, whose box begins at `place`."""
    x, y = place
    parts = [
        PartAnalysis(
            part, (x + dx, y + dy, x + dx + 30, y + dy + 30), 0.8, rng.random(), [("raise", 0.6), ("bend", 0.5)]
        )
        for part in PARTS
        for dx, dy in [(rng.uniform(0, 70), rng.uniform(0, 220))]
    ]
    action = ActionAnalysis(label, 0.8, 0, [(label, 0.8), ("stand", 0.1)], label, 0.8)
    return PersonAnalysis(track, (x, y, x + 100, y + 250), 0.9, action, parts)


def run(compiled: CompiledRules | None, frames: list[list[FrameAnalysis]]) -> tuple[float, int]:
    """Return CPU µs for a result, and the alerts that began."""
    ids, placed, began = count(), zones(), 0
    encode = msgspec.json.Encoder().encode
    cameras = [(CameraZones(), CameraRules(f"c{number}", lambda: str(next(ids)))) for number in range(CAMERAS)]
    started = time.thread_time_ns()
    for number in range(FRAMES):
        media_us = number * STEP_US
        for index, (camera_zones, camera_rules) in enumerate(cameras):
            format = SlotFormat("planes", SIZE, SIZE)
            meta = FrameMeta(f"c{index}", 1, number, media_us, 10**15 + media_us, "arrival", 0, 0, SIZE, format)
            analysis, places = camera_zones.apply(meta, frames[index][number], placed, {})
            message = frame_message(meta, analysis, MODEL, None, places)
            _, alerts = camera_rules.apply(message, compiled, placed)
            began += sum(alert.state == "began" for alert in alerts)
            encode(message)
    return (time.thread_time_ns() - started) / 1000 / FRAMES / CAMERAS, began


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures and write them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules.rules_bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="rounds; use 9 or more for a reliable interval")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/rules.json"))
    chosen = parser.parse_args(arguments)
    console, host = Console(), machine.describe()
    frames, compiled = [analyses(number) for number in range(CAMERAS)], rules()
    runs: list[RulesRun] = []
    for number in range(chosen.runs):
        first, second = (None, compiled) if number % 2 else (compiled, None)
        results = {one is None: run(one, frames) for one in (first, second)}
        runs.append(RulesRun(results[True][0], *results[False]))
    without, with_rules = [one.without_us for one in runs], [one.with_us for one in runs]
    console.print(f"CPU µs for a result of {PEOPLE} people in {ZONES} zones; median of rounds [95 % interval]")
    console.print(f"without rules                      {stats.estimate(without)}")
    console.print(f"with {RULES} rules and 6 written actions  {stats.estimate(with_rules)}")
    console.print(f"with / without                     {stats.estimate(stats.ratios(with_rules, without))}")
    console.print(f"alerts that began in a round       {runs[0].began}")
    print_machine(host, console)
    content: dict[str, Any] = {"benchmark": "rules", "commit": machine.commit(REPOSITORY), "machine": host}
    write_json(chosen.json, {**content, "runs": [asdict(one) for one in runs]})
    console.print(f"written to {chosen.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
