"""Random rules files, and frames that they are applied to, with few names and values so that they meet.

Times are chosen around the limits of the evaluator: 0.5 s and 3 s. All choices are made by a seeded
`Random`: as hypothesis strategies they would take ten times as long as what they test.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar

from msgspec.structs import replace

from stream.results import Action, DetectedObject, Part, Person
from stream.rules.alerts import Moment
from stream.settings.rules import RulesConfig
from support.rules.steps import CAMERA, S, Step

MODEL_ACTIONS = ("walk", "lie")
WRITTEN = ("first", "second", "third")
PARTS = ("head", "left_hand", "right_hand")
ZONES = ("desk", "hall")
LINE = "fence"
DURATIONS = ("0s", "200ms", "500ms", "1s", "3s", "4s", "10s")
TIME_ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
INSTANTS = tuple(
    round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S
    for text in (
        "2026-03-29T00:59:58",  # clocks are about to be set forward in Berlin
        "2026-10-25T00:59:58",  # and back
        "2026-11-01T05:59:58",  # and back in New York
        "2026-04-04T14:59:58",  # and back by half an hour on Lord Howe
        "2026-11-29T20:59:58",  # 22:00 in Berlin, a Sunday
        "2026-11-30T04:59:58",  # 06:00 in Berlin, and midnight in New York
        "2026-11-29T18:29:58",  # midnight in Kolkata
    )
)
SCORES = (0.1, 0.3, 0.5, 0.8)
HOURS = (("22:00", "06:00"), ("00:00", "24:00"), ("02:00", "03:00"), ("02:30", "02:00"), ("06:00", "22:00"))
NUMBERS = ({"at_most": 0}, {"at_most": 1}, {"at_least": 1}, {"at_least": 2}, {"at_least": 1, "at_most": 1})

Value = TypeVar("Value")


def _some(random: Random, values: Sequence[Value], most: int, least: int = 1) -> list[Value]:
    """Return some different values, in any order."""
    return random.sample(values, random.randint(least, min(most, len(values))))


def _maybe(random: Random, **settings: Any) -> dict[str, Any]:
    """Return some of the settings: in one case of four each."""
    return {name.rstrip("_"): value for name, value in settings.items() if random.randrange(4) == 0}


# -- conditions -------------------------------------------------------------------------------------------------------
def condition(random: Random, actions: Sequence[str], levels: int = 3) -> dict[str, Any]:
    """Return a condition on one person, nested at most so deep, as in a rules file."""
    kind = random.choice(("test", "all", "any", "not", "then")) if levels > 1 else "test"
    options = _maybe(random, score=random.choice(SCORES), for_=random.choice(("200ms", "500ms", "1s", "3s")))
    if kind == "test":
        test = _test(random, actions)
        if test.keys() & {"posture", "hips", "speed"}:
            options.pop("score", None)
        return test | options
    count = 1 if kind == "not" else random.randint(2, 3) if kind == "then" else random.randint(1, 3)
    inside = [condition(random, actions, levels - 1) for _ in range(count)]
    if kind == "then":
        options["within"] = random.choice(DURATIONS[1:])
    return {kind: inside[0] if kind == "not" else inside} | options


def _test(random: Random, actions: Sequence[str]) -> dict[str, Any]:
    part, other = random.sample(PARTS, 2)
    match random.randrange(9):
        case 0 | 1:
            return {"action": random.choice(actions) if random.randrange(2) else _some(random, actions, 2)}
        case 2:
            return {"part": part, "state": random.choice(("raise", "rest"))}
        case 3:
            return {"part": part, "holds": random.choice(("phone", "any"))}
        case 4:
            return {"part": part, "near": other} | _maybe(random, distance=random.choice((0.1, 0.5)))
        case 5:
            return {"part": part, "near_object": "phone"} | _maybe(random, distance=random.choice((0.1, 0.5)))
        case 6:
            return {"part": part, "above": other} | _maybe(random, by=random.choice((-0.1, 0.1)))
        case 7:
            return {"posture": random.choice(("upright", "leaning", "level"))}
        case _:
            if random.randrange(2):
                return {"hips": _limits(random, (0.1, 0.35, 0.5))}
            return {"speed": _limits(random, (0.0, 1.0, 1.5))}


def _limits(random: Random, values: Sequence[float]) -> dict[str, float]:
    low, high = sorted((random.choice(values), random.choice(values)))
    return random.choice(({"at_least": low}, {"at_most": high}, {"at_least": low, "at_most": high}))


# -- rules ------------------------------------------------------------------------------------------------------------
def rules_file(random: Random) -> RulesConfig:
    """Return a rules file with up to three written actions and three rules."""
    actions: dict[str, Any] = {}
    for name in WRITTEN[: random.randint(0, 3)]:
        actions[name] = condition(random, (*MODEL_ACTIONS, *actions))
    rules = {f"rule{number}": _rule(random, (*MODEL_ACTIONS, *actions)) for number in range(random.randint(1, 3))}
    return RulesConfig.model_validate({"time_zone": random.choice(TIME_ZONES), "actions": actions, "rules": rules})


def _rule(random: Random, actions: Sequence[str]) -> dict[str, Any]:
    zones = _some(random, ZONES, 2)
    rule = _maybe(
        random,
        zone=random.choice((zones, zones[0])),
        hours=_hours(random),
        cameras=random.choice(([CAMERA], [CAMERA, "yard"], ["yard"])),
    )
    rule |= {"cooldown": random.choice(DURATIONS), "clear_after": random.choice(DURATIONS)}
    if random.randrange(2):
        rule["action"] = random.choice((_some(random, actions, 3), random.choice(actions)))
        rule |= _maybe(random, score=random.choice(SCORES))
    match random.randrange(5):
        case 0:
            rule["crosses"] = LINE
            rule |= _maybe(random, to=random.choice(("left", "right")))
        case 1:
            rule["enters"] = random.choice(ZONES)
            rule.pop("zone", None)
        case 2:
            rule["leaves"], other = random.sample(ZONES, 2)
            rule |= {"zone": other} if "zone" in rule else {}
        case 3:
            rule["people"] = random.choice(NUMBERS)
        case _:
            if not rule.keys() & {"action", "zone"}:
                rule["zone"] = zones
    if not rule.keys() & {"crosses", "enters", "leaves"} and random.randrange(2):
        rule["for"] = random.choice(DURATIONS)
    if "zone" in rule and random.randrange(3) == 0:
        rule["dwell"] = random.choice(DURATIONS)
    return rule


def _hours(random: Random) -> dict[str, Any]:
    begin, end = random.choice(HOURS)
    days = _some(random, ("mon", "thu", "sat", "sun"), 3)
    return {"from": begin, "to": end} | _maybe(random, days=days, time_zone=random.choice(TIME_ZONES))


# -- results ----------------------------------------------------------------------------------------------------------
GAPS_US = (*(100_000, 100_000, 200_000, 400_000, 500_000) * 3, 1_000_000, 2_900_000)
ODD_GAPS_US = (0, 3_000_000, 3_000_001, 3_500_000, -100_000)
JUMPS_S = (3600, -3600, 7200, 12 * 3600, 86_400, -86_400, -1, 30)
_OBJECTS = (DetectedObject("phone", (20.0, 0.0, 30.0, 10.0), 0.9),)


def results(random: Random, most: int = 20, *, busy: bool = True) -> list[Step]:
    """Return a camera's frames: people who come and go, gaps, equal times, frames out of order, and new epochs.

    `busy`: most frames have people.
    """
    poses = [_pose(random) for _ in range(random.randint(1, 4))]
    tracks = range(1, 1 + random.randint(1, 3))
    capture_us = random.choice(INSTANTS)
    media_us, epoch = random.randint(0, 3) * S, 1
    there = dict.fromkeys(tracks, False)
    steps: list[Step] = []
    for number in range(random.randint(1, most)):
        gap_us = random.choice(ODD_GAPS_US if random.randrange(8) == 0 else GAPS_US)
        media_us, capture_us = media_us + gap_us, capture_us + gap_us
        if random.randrange(12) == 0:
            capture_us += random.choice(JUMPS_S) * S
        if number and random.randrange(16) == 0:
            epoch, media_us = epoch + 1, random.randint(0, 3) * S
        for track in tracks:
            if random.randrange(3) == 0:
                there[track] = random.randrange(4 if busy else 8) < (3 if busy else 1)
        people = tuple(
            _placed(random.choice(poses), track) for track in random.sample(tracks, len(tracks)) if there[track]
        )
        steps.append(
            Step(
                Moment(CAMERA, epoch, number, capture_us, media_us),
                people,
                _OBJECTS if random.randrange(2) else (),
                "camera" if random.randrange(40) == 0 else None,
            )
        )
    return steps


def _pose(random: Random) -> Person:
    label = random.choice((None, *MODEL_ACTIONS, *MODEL_ACTIONS))
    score = random.choice((0.3, 0.5, 0.8, 0.8))
    return Person(
        track=0,
        box=(0.0, 0.0, random.choice((40.0, 50.0)), 100.0),
        score=0.9,
        action=None if label is None else Action(label, score, 0, [(label, score)]),
        parts=[_part(random, name) for name in _some(random, PARTS, 3, 0)],
        stature=random.choice((100.0, 100.0, 100.0, None)),
        trunk=random.choice((None, 0.0, 29.0, 30.0, 60.0, 90.0)),
        hips=random.choice((None, 0.1, 0.5)),
        speed=random.choice((None, 0.0, 1.0, 1.2)),
        zones=sorted(_some(random, ZONES, 2, 0)),
        crossed=random.choice(([], [], [(LINE, "left")], [(LINE, "right"), (LINE, "left")])),
    )


def _part(random: Random, name: str) -> Part:
    x, y = random.choice((0.0, 10.0, 50.0, 60.0)), random.choice((0.0, 10.0, 50.0))
    return Part(
        part=name,
        box=(x - 5, y - 5, x + 5, y + 5),
        score=random.choice((0.1, 0.2, 0.5, 0.8)),
        relevance=random.choice((0.1, 0.9)),
        states=random.choice(([], [("raise", 0.8)], [("rest", 0.6), ("raise", 0.3)])),
        holds=random.choice((None, "phone", "cup")),
    )


def _placed(pose: Person, track: int) -> Person:
    x1, y1, x2, y2 = pose.box
    return replace(pose, track=track, box=(x1 + track, y1, x2 + track, y2))
