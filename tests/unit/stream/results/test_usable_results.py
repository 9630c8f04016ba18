"""What a reader accepts can be used: its bounds are those of times, pictures and numbers in a file or a database."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

import support.engines.wire_messages as wire
from stream.annotation.annotate import StatusStrip
from stream.annotation.overlay import OverlayPainter
from stream.archive.tables import batch, rows_of
from stream.results import (
    FARTHEST,
    LARGEST,
    LONGEST_NAME,
    Action,
    DetectedObject,
    Frame,
    Message,
    ModelRef,
    Part,
    Person,
    decode,
    decode_head,
)
from support.backtest.recorded import frame
from support.damage import CHANCES
from support.examples import examples

BODY = ("people", 0)
LONG = "x" * (LONGEST_NAME + 1)
REFUSED: tuple[tuple[tuple[str | int, ...], Any], ...] = (
    (("capture_us",), 10**300),
    (("media_time_us",), -LARGEST - 1),
    (("seq",), LARGEST + 1),
    (("size",), [0, 0]),
    ((*BODY, "box"), [0.0, 0.0, 1e308, 1.0]),
    ((*BODY, "score"), 1.5),
    ((*BODY, "track"), -1),
    ((*BODY, "action", "label"), LONG),
    ((*BODY, "parts", 0, "relevance"), -0.1),
)


def changed(message: Message, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a message's content with another value."""
    content = msgspec.to_builtins(message) | {"generation": 3}
    place = content
    for key in path[:-1]:
        place[key] = list(place[key]) if isinstance(place[key], tuple) else place[key]
        place = place[key]
    place[path[-1]] = value
    return content


@pytest.mark.parametrize(("path", "value"), REFUSED)
def test_a_value_that_no_engine_publishes_is_refused_by_the_name_of_its_field(
    path: tuple[str | int, ...], value: Any
) -> None:
    content = changed(wire.frame(), path, "VALUE")
    body = msgspec.json.encode(content).replace(b'"VALUE"', json.dumps(value).encode())
    field = "$" + "".join(f".{key}" if isinstance(key, str) else f"[{key}]" for key in path)
    with pytest.raises(msgspec.ValidationError) as refused:
        decode(body)
    assert field in str(refused.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_refused_in_messagepack_too(value: float) -> None:
    for path in ((*BODY, "score"), (*BODY, "hips"), (*BODY, "speed")):
        with pytest.raises(msgspec.ValidationError):
            decode(msgspec.msgpack.encode(changed(wire.frame(), path, value)))


def test_a_head_has_the_bounds_of_the_whole_message() -> None:
    for name in ("seq", "epoch", "generation"):
        with pytest.raises(msgspec.ValidationError, match=name):
            decode_head(msgspec.json.encode(changed(wire.frame(), (name,), LARGEST + 1)))


# -- whatever is accepted can be used -------------------------------------------------------------------------------
TIMES = (0, 1, 10**6, 1_790_000_000_000_000, LARGEST - 1, LARGEST)
NUMBERS = (0, 1, 2, 77, LARGEST)
MEDIA = (-LARGEST, -1, 0, 40_000, 400_000, 10**15, LARGEST)
COORDINATES = (-FARTHEST, -1e-9, 0.0, 1.0, 17.5, 1279.0, FARTHEST)
TEXTS = ("", "lie", "head", "a\nb", "\0", "\x1b[2J", "\u202e\u2028é", "x" * LONGEST_NAME, "手" * LONGEST_NAME)
SCORES = (0.0, -0.0, 0.5, 1.0)


def box(chance: random.Random) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = chance.choices(COORDINATES, k=4)
    return x1, y1, x2, y2


def extreme_person(chance: random.Random) -> Person:
    pick = chance.choice
    labelled = [(pick(TEXTS), pick(SCORES)) for _ in range(pick((0, 2)))]
    parts = [
        Part(pick((*TEXTS, "hip")), box(chance), pick(SCORES), pick(SCORES), labelled, pick((None, *TEXTS)))
        for _ in range(pick((0, 1, 3)))
    ]
    return Person(
        track=pick(NUMBERS),
        box=box(chance),
        score=pick(SCORES),
        action=pick((None, Action(pick(TEXTS), pick(SCORES), pick(TIMES), labelled, pick((True, False))))),
        parts=parts,
        detected=pick((True, False)),
        foot=(pick(COORDINATES), pick(COORDINATES)),
        zones=[pick(TEXTS)],
        stature=abs(pick(COORDINATES)),
        trunk=pick((None, 0, 180)),
        hips=pick((None, *COORDINATES)),
        speed=abs(pick(COORDINATES)),
        crossed=pick(([], [(pick(TEXTS), "left")])),
    )


def extreme_frame(chance: random.Random, seq: int) -> Frame:
    """Return a result whose values lie at the bounds, or are odd, and which a reader accepts."""
    pick = chance.choice
    made = msgspec.structs.replace(
        frame(seq, [extreme_person(chance) for _ in range(pick((0, 1, 3)))]),
        seq=pick((seq, LARGEST - 9 + seq)),
        frame=pick((seq, LARGEST - 9 + seq)),
        capture_us=pick(TIMES),
        media_time_us=pick(MEDIA),
        published_us=pick(TIMES),
        size=pick(((1, 1), (1280, 720), (1, int(FARTHEST)), (int(FARTHEST), int(FARTHEST)))),
        model=ModelRef(pick(TEXTS) or "own", "", pick((True, False))),
        objects=[DetectedObject(pick(TEXTS), box(chance), pick(SCORES)) for _ in range(pick((0, 2)))],
        look=pick(("whole", "regions")),
        regions=[box(chance) for _ in range(pick((0, 2)))],
    )
    read = decode(msgspec.json.encode(made))
    assert read == made == decode(msgspec.msgpack.encode(made))
    assert isinstance(read, Frame)
    return read


CALM = settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])


@CALM
@given(chance=CHANCES)
def test_an_accepted_result_can_be_drawn_and_archived(chance: random.Random) -> None:
    painter, strip = OverlayPainter((96, 64), detector=True), StatusStrip(320)
    for seq in range(2):
        one = extreme_frame(chance, seq)
        painter.paint(one)
        strip.draw(one, chance.choice((0.0, 1e6)), chance.choice((0.0, 0.3, -0.3, one.frame / 25, -one.frame / 25)))
        for table, row in rows_of(one, None):
            assert batch(table, [row]).num_rows == 1
