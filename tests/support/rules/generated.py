"""Hypothesis strategies: rules files, and frames that they are applied to, with few names and values so that they meet.

Times are chosen around the limits of the evaluator: 0.5 s and 3 s.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

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

_score = st.sampled_from(SCORES)
_duration = st.sampled_from(DURATIONS)
_short = st.sampled_from(("200ms", "500ms", "1s", "3s"))


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return settings of which each may be left out."""
    return st.fixed_dictionaries({}, optional={name.rstrip("_"): value for name, value in fields.items()})


# -- conditions -------------------------------------------------------------------------------------------------------
def _limits(*values: float) -> st.SearchStrategy[dict[str, float]]:
    low, high = st.sampled_from(values), st.sampled_from(values)
    return st.one_of(
        low.map(lambda one: {"at_least": one}),
        high.map(lambda one: {"at_most": one}),
        st.tuples(low, high).map(lambda both: {"at_least": min(both), "at_most": max(both)}),
    )


def _tests(actions: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    part, action = st.sampled_from(PARTS), st.sampled_from(actions)
    pair = st.permutations(PARTS).map(lambda names: names[:2])
    scored = _some(score=_score, for_=_short)
    return st.one_of(
        st.builds(
            lambda names, options: {"action": names, **options},
            action | st.lists(action, min_size=1, max_size=2, unique=True),
            scored,
        ),
        st.builds(
            lambda one, state, options: {"part": one, "state": state, **options},
            part,
            st.sampled_from(("raise", "rest")),
            scored,
        ),
        st.builds(
            lambda one, what, options: {"part": one, "holds": what, **options},
            part,
            st.sampled_from(("phone", "any")),
            scored,
        ),
        st.builds(
            lambda both, distance, options: {"part": both[0], "near": both[1], **distance, **options},
            pair,
            _some(distance=st.sampled_from((0.1, 0.5))),
            scored,
        ),
        st.builds(
            lambda one, distance, options: {"part": one, "near_object": "phone", **distance, **options},
            part,
            _some(distance=st.sampled_from((0.1, 0.5))),
            scored,
        ),
        st.builds(
            lambda both, by, options: {"part": both[0], "above": both[1], **by, **options},
            pair,
            _some(by=st.sampled_from((-0.1, 0.1))),
            scored,
        ),
        st.builds(
            lambda test, options: {**test, **options},
            st.one_of(
                st.sampled_from(("upright", "leaning", "level")).map(lambda one: {"posture": one}),
                _limits(0.1, 0.35, 0.5).map(lambda one: {"hips": one}),
                _limits(0.0, 1.0, 1.5).map(lambda one: {"speed": one}),
            ),
            _some(for_=_short),
        ),
    )


def conditions(actions: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Return conditions on one person, nested at most three levels deep, as in a rules file."""

    def combined(inside: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        options = _some(score=_score, for_=_short)
        return st.one_of(
            st.builds(
                lambda kind, some, more: {kind: some, **more},
                st.sampled_from(("all", "any")),
                st.lists(inside, min_size=1, max_size=3),
                options,
            ),
            st.builds(lambda one, more: {"not": one, **more}, inside, options),
            st.builds(
                lambda some, within, more: {"then": some, "within": within, **more},
                st.lists(inside, min_size=2, max_size=3),
                _duration,
                options,
            ),
        )

    return st.recursive(_tests(actions), combined, max_leaves=5)


# -- rules ------------------------------------------------------------------------------------------------------------
_hours = st.builds(
    lambda limits, more: {"from": limits[0], "to": limits[1], **more},
    st.sampled_from(
        (("22:00", "06:00"), ("00:00", "24:00"), ("02:00", "03:00"), ("02:30", "02:00"), ("06:00", "22:00"))
    ),
    _some(
        days=st.lists(st.sampled_from(("mon", "thu", "sat", "sun")), min_size=1, max_size=3, unique=True),
        time_zone=st.sampled_from(TIME_ZONES),
    ),
)
_people = st.one_of(
    st.sampled_from(({"at_most": 0}, {"at_most": 1}, {"at_least": 1}, {"at_least": 2}, {"at_least": 1, "at_most": 1}))
)


@st.composite
def _rules(draw: st.DrawFn, actions: tuple[str, ...]) -> dict[str, Any]:
    kind = draw(st.sampled_from(("person", "person", "moment", "people")))
    zone = st.sampled_from(ZONES)
    action = st.sampled_from(actions)
    rule = draw(
        _some(
            action=action | st.lists(action, min_size=1, max_size=3, unique=True),
            zone=zone | st.lists(zone, min_size=1, max_size=2, unique=True),
            dwell=_duration,
            score=_score,
            hours=_hours,
            cooldown=_duration,
            clear_after=_duration,
            cameras=st.sampled_from(([CAMERA], [CAMERA, "yard"], ["yard"])),
        )
    )
    if kind == "moment":
        field = draw(st.sampled_from(("enters", "leaves", "crosses")))
        rule[field] = LINE if field == "crosses" else draw(zone)
        if field == "crosses":
            rule |= draw(_some(to=st.sampled_from(("left", "right"))))
    else:
        rule |= draw(_some(for_=_duration))
    if kind == "people":
        rule["people"] = draw(_people)
    for needless in _needless(rule):
        rule.pop(needless, None)
    return rule


def _needless(rule: dict[str, Any]) -> list[str]:
    """Return the settings that the others rule out."""
    found = [] if "action" in rule else ["score"]
    zones = rule.get("zone", [])
    if "enters" in rule or rule.get("leaves") in (zones if isinstance(zones, list) else [zones]):
        found += ["zone", "dwell"]
    return found if "zone" in rule else [*found, "dwell"]


@st.composite
def rules_files(draw: st.DrawFn) -> RulesConfig:
    """Return rules files with up to three written actions and three rules."""
    actions: dict[str, Any] = {}
    for name in WRITTEN[: draw(st.integers(0, 3))]:
        actions[name] = draw(conditions((*MODEL_ACTIONS, *actions)))
    known = (*MODEL_ACTIONS, *actions)
    written = {f"rule{number}": draw(_rules(known)) for number in range(draw(st.integers(1, 3)))}
    for rule in written.values():
        if not rule.keys() & {"action", "zone", "enters", "leaves", "crosses", "people"}:
            rule["action"] = draw(st.sampled_from(known))
    try:
        return RulesConfig.model_validate(
            {"time_zone": draw(st.sampled_from(TIME_ZONES)), "actions": actions, "rules": written}
        )
    except ValidationError as error:
        raise AssertionError(f"{actions} {written}") from error


# -- results ----------------------------------------------------------------------------------------------------------
_parts = st.lists(
    st.builds(
        lambda name, x, y, score, state, holds: Part(
            name, (x - 5.0, y - 5.0, x + 5.0, y + 5.0), score, score, state, holds
        ),
        st.sampled_from(PARTS),
        st.sampled_from((0, 10, 50, 60)),
        st.sampled_from((0, 10, 50)),
        st.sampled_from((0.1, 0.2, 0.5, 0.8)),
        st.sampled_from(([], [("raise", 0.8)], [("rest", 0.6), ("raise", 0.3)])),
        st.sampled_from((None, "phone", "cup")),
    ),
    max_size=3,
    unique_by=lambda part: part.part,
)


@st.composite
def _poses(draw: st.DrawFn) -> Person:
    label = draw(st.sampled_from((None, *MODEL_ACTIONS)))
    score = draw(_score)
    return Person(
        track=0,
        box=(0.0, 0.0, draw(st.sampled_from((40.0, 50.0))), 100.0),
        score=0.9,
        action=None if label is None else Action(label, score, 0, [(label, score)]),
        parts=draw(_parts),
        stature=draw(st.sampled_from((100.0, 100.0, None))),
        trunk=draw(st.sampled_from((None, 0.0, 29.0, 30.0, 60.0, 90.0))),
        hips=draw(st.sampled_from((None, 0.1, 0.5))),
        speed=draw(st.sampled_from((None, 0.0, 1.0, 1.2))),
        zones=sorted(draw(st.sets(st.sampled_from(ZONES)))),
        crossed=draw(st.sampled_from(([], [], [(LINE, "left")], [(LINE, "right"), (LINE, "left")]))),
    )


_OBJECTS = (DetectedObject("phone", (20.0, 0.0, 30.0, 10.0), 0.9),)
_gaps = st.one_of(
    st.sampled_from((100_000, 100_000, 200_000, 400_000, 500_000, 1_000_000, 2_900_000)),
    st.sampled_from((0, 3_000_000, 3_000_001, 3_500_000, -100_000, 100_000)),
)
_jumps = st.sampled_from((0,) * 12 + (3600, -3600, 7200, 12 * 3600, 86_400, -1, 30))


@st.composite
def results(draw: st.DrawFn, most: int = 14, *, busy: bool = True) -> list[Step]:
    """Return a camera's frames: people who come and go, gaps, equal times, frames out of order, and new epochs.

    `busy`: most frames have people.
    """
    poses = draw(st.lists(_poses(), min_size=1, max_size=4))
    capture_us = draw(st.sampled_from(INSTANTS))
    media_us, epoch = draw(st.integers(0, 3)) * S, 1
    steps: list[Step] = []
    # Each person's pose in a frame, or -1 while they are absent.
    who = st.lists(st.integers(-1 if busy else -3 * len(poses), len(poses) - 1), max_size=3)
    for number in range(draw(st.integers(1, most))):
        gap_us = draw(_gaps)
        media_us, capture_us = media_us + gap_us, capture_us + gap_us + draw(_jumps) * S
        if number and draw(st.integers(0, 15)) == 0:
            epoch, media_us = epoch + 1, draw(st.integers(0, 3)) * S
        people = tuple(_placed(poses[pose], track) for track, pose in enumerate(draw(who), start=1) if pose >= 0)
        ended = "camera" if draw(st.integers(0, 30)) == 0 else None
        steps.append(
            Step(
                Moment(CAMERA, epoch, number, capture_us, media_us),
                people,
                _OBJECTS if draw(st.booleans()) else (),
                ended,
            )
        )
    return steps


def _placed(pose: Person, track: int) -> Person:
    x1, y1, x2, y2 = pose.box
    return Person(
        **{field: getattr(pose, field) for field in pose.__struct_fields__}
        | {"track": track, "box": (x1 + track, y1, x2 + track, y2)}
    )
