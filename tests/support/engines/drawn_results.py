"""Results for tests of drawing."""

from __future__ import annotations

from stream.results import Action, Box, Frame, ModelRef, Part, Person


def a_frame(
    number: int = 0,
    people: list[Person] | None = None,
    *,
    camera: str = "lobby",
    epoch: int = 1,
    size: tuple[int, int] = (320, 240),
    trained: bool = True,
) -> Frame:
    """Return the result of one frame."""
    return Frame(
        run="0" * 32,
        seq=number,
        camera=camera,
        epoch=epoch,
        frame=number,
        capture_us=1_790_000_000_000_000 + number * 40_000,
        clock="media",
        media_time_us=number * 40_000,
        published_us=1_790_000_000_010_000 + number * 40_000,
        size=size,
        model=ModelRef("edge", "sha256:00", trained),
        people=[a_person()] if people is None else people,
        objects=[],
    )


def a_person(track: int = 1, box: Box = (120, 60, 200, 220), *, waving: bool = True, acting: bool = True) -> Person:
    """Return a person who waves with the right hand (relevance 0.95; the hip has 0.02)."""
    x, y = box[0], box[1]
    hand = Part(
        "right_hand",
        (x + 5, y + 5, x + 20, y + 20),
        0.9,
        0.95,
        [("wave", 0.91), ("raise", 0.6)] if waving else [("none", 0.9)],
    )
    arm = Part("right_arm", (x + 20, y + 20, x + 40, y + 50), 0.9, 0.6, [("raise", 0.8)] if waving else [])
    hip = Part("hip", (x + 25, y + 80, x + 55, y + 95), 0.9, 0.02, [("stand", 0.7)])
    action = Action("wave", 0.88, 1_790_000_000_000_000, [("wave", 0.88)]) if acting else None
    return Person(track, box, 0.9, action, [hip, hand, arm])
