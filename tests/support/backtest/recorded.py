"""Frames for back-tests: random ones, and archives and results files made of frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from hypothesis import strategies as st

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

SCORES = st.integers(0, 10_000).map(lambda number: number / 10_000)
PIXELS = st.integers(-500, 40_000).map(lambda number: round(number / 10, 1))
MEASURES = st.integers(-300, 900).map(lambda number: round(number / 100, 2))


def boxes() -> st.SearchStrategy[Box]:
    """Boxes with the published numbers."""
    return st.tuples(PIXELS, PIXELS, PIXELS, PIXELS)


LABELLED = st.lists(st.sampled_from(STATES), unique=True, max_size=3).flatmap(
    lambda labels: st.tuples(*(st.tuples(st.just(label), SCORES) for label in labels)).map(list)
)


def parts() -> st.SearchStrategy[list[Part]]:
    """The visible parts of a person."""
    one = st.builds(
        Part,
        part=st.sampled_from(PARTS),
        box=boxes(),
        score=SCORES,
        relevance=SCORES,
        states=LABELLED,
        holds=st.sampled_from([None, None, *OBJECTS]),
    )
    return st.lists(one, max_size=5, unique_by=lambda part: part.part)


def people() -> st.SearchStrategy[list[Person]]:
    """The people of a frame."""
    action = st.builds(
        Action, label=st.sampled_from(["lie", "walk"]), score=SCORES, since_us=st.just(T0), top=st.just([])
    )
    one = st.builds(
        Person,
        track=st.integers(1, 5),
        box=boxes(),
        score=SCORES,
        action=st.one_of(st.none(), action),
        parts=parts(),
        foot=st.tuples(PIXELS, PIXELS),
        zones=st.lists(st.sampled_from(["desk", "hall"]), unique=True).map(sorted),
        stature=st.one_of(st.just(0.0), st.integers(10, 20_000).map(lambda number: number / 10)),
        trunk=st.one_of(st.none(), st.integers(0, 180)),
        hips=st.one_of(st.none(), MEASURES),
        speed=st.one_of(st.none(), MEASURES.map(abs)),
        crossed=st.lists(
            st.tuples(st.sampled_from(["fence", "gate"]), st.sampled_from(["left", "right"])),
            unique_by=lambda crossing: crossing[0],
        ),
    )
    return st.lists(one, max_size=3, unique_by=lambda person: person.track)


def objects() -> st.SearchStrategy[list[DetectedObject]]:
    """The objects of a frame."""
    return st.lists(st.builds(DetectedObject, label=st.sampled_from(OBJECTS), box=boxes(), score=SCORES), max_size=3)


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
