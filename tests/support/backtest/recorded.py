"""Frames for back-tests: random ones, and archives and results files made of frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from stream.archive.archive import Archive
from stream.archive.tables import Row, Table, batch, rows_of
from stream.results import Action, Box, DetectedObject, Frame, ModelRef, Part, Person

T0 = 1_790_000_000_000_000
RUN = "0123456789abcdef" * 2
MODEL = ModelRef("edge", "sha256:00", True)
SIZE = (1280, 720)
PARTS = ("head", "left_hand", "right_hand", "left_arm", "hip")
STATES = ("raise", "wave", "hold cup")
OBJECTS = ("cup", "cell phone")


def content(seed: int) -> list[tuple[list[Person], list[DetectedObject]]]:
    """Return the people and objects of up to six frames, with published numbers.

    All choices are made by a seeded `Random`: as hypothesis strategies they would take longer than what they test.
    """
    random = Random(seed)
    return [(_people(random), _objects(random)) for _ in range(random.randint(1, 6))]


def _people(random: Random) -> list[Person]:
    return [_person(random, track) for track in random.sample(range(1, 6), random.randint(0, 3))]


def _person(random: Random, track: int) -> Person:
    action = Action(random.choice(("lie", "walk")), _score(random), T0, [])
    return Person(
        track=track,
        box=_box(random),
        score=_score(random),
        action=random.choice((None, action)),
        parts=[_part(random, name) for name in random.sample(PARTS, random.randint(0, 5))],
        foot=(_pixel(random), _pixel(random)),
        zones=sorted(random.sample(("desk", "hall"), random.randint(0, 2))),
        stature=random.choice((0.0, random.randint(10, 20_000) / 10)),
        trunk=random.choice((None, random.choice((0, 180, random.randint(0, 180))))),
        hips=random.choice((None, _measure(random))),
        speed=random.choice((None, abs(_measure(random)))),
        crossed=[
            (line, random.choice(("left", "right")))
            for line in random.sample(("fence", "gate"), random.choice((0, 0, 1, 2)))
        ],
    )


def _part(random: Random, name: str) -> Part:
    return Part(
        part=name,
        box=_box(random),
        score=_score(random),
        relevance=_score(random),
        states=[(label, _score(random)) for label in random.sample(STATES, random.randint(0, 3))],
        holds=random.choice((None, None, *OBJECTS)),
    )


def _objects(random: Random) -> list[DetectedObject]:
    return [
        DetectedObject(label=random.choice(OBJECTS), box=_box(random), score=_score(random))
        for _ in range(random.randint(0, 3))
    ]


def _score(random: Random) -> float:
    """Return 0 or 1 in a tenth of cases each."""
    return random.choice((0.0, 1.0, *(random.randint(0, 10_000) / 10_000 for _ in range(8))))


def _pixel(random: Random) -> float:
    """Return 0, or one of a few equal numbers, in a fifth of cases each."""
    return random.choice((0.0, float(random.randint(0, 3) * 100), *(random.randint(-5000, 40_000) / 10,) * 3))


def _measure(random: Random) -> float:
    return random.choice((0.0, *(random.randint(-300, 900) / 100,) * 4))


def _box(random: Random) -> Box:
    return (_pixel(random), _pixel(random), _pixel(random), _pixel(random))


def frame(
    seq: int,
    people: Sequence[Person] = (),
    objects: Sequence[DetectedObject] = (),
    *,
    camera: str = "lobby",
    run: str = RUN,
    epoch: int = 1,
    media_us: int | None = None,
    since_us: int = T0,
) -> Frame:
    """Return a result; five a second unless `media_us` is given."""
    media_us = seq * 200_000 if media_us is None else media_us
    return Frame(
        run=run,
        seq=seq,
        camera=camera,
        epoch=epoch,
        frame=seq * 3,
        capture_us=since_us + media_us,
        clock="rtcp",
        media_time_us=media_us,
        published_us=since_us + media_us + 40_000,
        size=SIZE,
        model=MODEL,
        people=list(people),
        objects=list(objects),
    )


def person(track: int = 1, action: str | None = "lie", score: float = 0.8, *, zones: Sequence[str] = ()) -> Person:
    """Return a person whose hips are low and whose head is a part."""
    return Person(
        track,
        (100.0, 300.0, 300.0, 400.0),
        0.9,
        None if action is None else Action(action, score, T0, [(action, score)]),
        [Part("hip", (180.0, 350.0, 220.0, 390.0), 0.8, 0.9, [("lie", 0.7)])],
        foot=(200.0, 400.0),
        zones=list(zones),
        stature=200.0,
        trunk=85,
        hips=0.1,
        speed=0.0,
    )


def write_archive(folder: Path, *writes: Sequence[Frame], parts: int | None = None) -> Path:
    """Archive the frames, each sequence in a write of its own."""
    archive = Archive(folder)
    try:
        for frames in writes:
            rows: dict[Table, list[Row]] = {}
            for table, row in (row for frame in frames for row in rows_of(frame, parts)):
                rows.setdefault(table, []).append(row)
            archive.write({table: [batch(table, of_table)] for table, of_table in rows.items()}, [])
    finally:
        archive.close()
    return folder


def write_results(path: Path, frames: Sequence[Frame]) -> Path:
    """Write the frames as JSON lines."""
    path.write_bytes(b"".join(msgspec.json.encode(frame) + b"\n" for frame in frames))
    return path
