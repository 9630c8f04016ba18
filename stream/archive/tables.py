"""The tables of an archive, and the conversion of messages into rows.

Times are timestamps in microseconds, UTC, without a zone, in columns named `*_utc`. Boxes are x1, y1, x2, y2 in pixels
of the frame's size. Columns are only added, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import pyarrow as pa

from stream.results import Event, Frame, Message, Person, Status
from stream.subscriber import Gap

Table = Literal["people", "frames", "events", "status", "gaps"]
Row = tuple[object, ...]

_TIME = pa.timestamp("us")
_MESSAGE = [("run", pa.string()), ("camera", pa.string()), ("epoch", pa.int64()), ("seq", pa.int64())]
_FRAME = [("capture_utc", _TIME), *_MESSAGE, ("frame", pa.int64())]
_BOX = [(side, pa.float32()) for side in ("x1", "y1", "x2", "y2")]
_LABELLED = pa.struct([("label", pa.string()), ("score", pa.float32())])
_PART = pa.struct(
    [
        ("part", pa.string()),
        ("relevance", pa.float32()),
        ("score", pa.float32()),
        ("states", pa.list_(_LABELLED)),
        *_BOX,
        ("holds", pa.string()),
    ]
)
_CROSSING = pa.struct([("line", pa.string()), ("side", pa.string())])

SCHEMAS: dict[Table, pa.Schema] = {
    "people": pa.schema(
        [
            *_FRAME,
            ("track", pa.int64()),
            ("score", pa.float32()),
            ("detected", pa.bool_()),
            *_BOX,
            ("action", pa.string()),
            ("action_score", pa.float32()),
            ("since_utc", _TIME),
            ("actions", pa.list_(_LABELLED)),
            ("parts", pa.list_(_PART)),
            ("action_experimental", pa.bool_()),
            ("holds", pa.list_(pa.string())),
            ("foot_x", pa.float32()),
            ("foot_y", pa.float32()),
            ("zones", pa.list_(pa.string())),
            ("stature", pa.float32()),
            ("trunk", pa.int16()),
            ("hips", pa.float32()),
            ("speed", pa.float32()),
            ("crossed", pa.list_(_CROSSING)),
            ("visible_parts", pa.int16()),
        ]
    ),
    "frames": pa.schema(
        [
            *_FRAME,
            ("published_utc", _TIME),
            ("clock", pa.string()),
            ("media_time_us", pa.int64()),
            ("width", pa.int64()),
            ("height", pa.int64()),
            ("people", pa.int64()),
            ("objects", pa.list_(_LABELLED)),
            ("profile", pa.string()),
            ("weights", pa.string()),
            ("trained", pa.bool_()),
            ("trace_id", pa.string()),
            ("look", pa.string()),
            ("object_boxes", pa.list_(pa.list_(pa.float32()))),
        ]
    ),
    "events": pa.schema(
        [
            *_FRAME,
            ("track", pa.int64()),
            ("kind", pa.string()),
            ("label", pa.string()),
            ("previous", pa.string()),
            ("score", pa.float32()),
            ("since_utc", _TIME),
            *_BOX,
            ("experimental", pa.bool_()),
        ]
    ),
    "status": pa.schema(
        [
            ("at_utc", _TIME),
            *_MESSAGE,
            ("state", pa.string()),
            ("reason", pa.string()),
            ("message", pa.string()),
            ("clock", pa.string()),
            ("width", pa.int64()),
            ("height", pa.int64()),
            ("source", pa.string()),
        ]
    ),
    "gaps": pa.schema(
        [
            ("noticed_utc", _TIME),
            ("run", pa.string()),
            ("camera", pa.string()),
            ("epoch", pa.int64()),
            ("kind", pa.string()),
            ("first_seq", pa.int64()),
            ("missed", pa.int64()),
            ("replayed", pa.int64()),
            ("lost", pa.int64()),
            ("more", pa.bool_()),
        ]
    ),
}
"""The first column of each table is the time that selects the partition."""

YEAR_10000_US = 253_402_300_800_000_000


def rows_of(message: Message, parts: int | None) -> Iterator[tuple[Table, Row]]:
    """Yield the rows of a message with their tables; of each person at most `parts` parts, the most relevant first.

    None: all parts. The bounds of messages are within those of the columns.
    """
    match message:
        case Frame():
            yield "frames", _frame_row(message)
            for person in message.people:
                yield "people", _person_row(message, person, parts)
        case Event():
            yield "events", _event_row(message)
        case Status():
            yield "status", _status_row(message)
        case _:
            return


def gap_row(gap: Gap, noticed_us: int) -> Row:
    """Return the row of the table `gaps`; `camera` is the topic's."""
    kind, _, rest = gap.topic.partition("/")
    camera = rest.removeprefix("v1/").rstrip("/")
    lost = gap.missed - gap.replayed
    return noticed_us, gap.run, camera, gap.epoch, kind, gap.first_seq, gap.missed, gap.replayed, lost, gap.more


def batch(table: Table, rows: Sequence[Row]) -> pa.RecordBatch:
    """Return the rows as columns, about a tenth of their size as objects."""
    schema = SCHEMAS[table]
    columns = zip(*rows) if rows else [[] for _ in schema]
    return pa.record_batch(
        [pa.array(list(column), field.type) for column, field in zip(columns, schema)], schema=schema
    )


def _message_columns(message: Frame | Event | Status) -> Row:
    return message.run, message.camera, message.epoch, message.seq


def _frame_columns(message: Frame | Event) -> Row:
    return message.capture_us, *_message_columns(message), message.frame


def _frame_row(frame: Frame) -> Row:
    return (
        *_frame_columns(frame),
        frame.published_us,
        frame.clock,
        frame.media_time_us,
        *frame.size,
        len(frame.people),
        [{"label": found.label, "score": found.score} for found in frame.objects],
        frame.model.profile,
        frame.model.weights,
        frame.model.trained,
        frame.trace_id,
        frame.look,
        [found.box for found in frame.objects],
    )


def _person_row(frame: Frame, person: Person, parts: int | None) -> Row:
    action = person.action
    relevant = sorted(person.parts, key=lambda part: -part.relevance)[:parts]
    return (
        *_frame_columns(frame),
        person.track,
        person.score,
        person.detected,
        *person.box,
        action.label if action is not None else None,
        action.score if action is not None else None,
        action.since_us if action is not None else None,
        _labelled(action.top) if action is not None else [],
        [
            {
                "part": part.part,
                "relevance": part.relevance,
                "score": part.score,
                "states": _labelled(part.states),
                "x1": part.box[0],
                "y1": part.box[1],
                "x2": part.box[2],
                "y2": part.box[3],
                "holds": part.holds,
            }
            for part in relevant
        ],
        action.experimental if action is not None else None,
        sorted({part.holds for part in person.parts if part.holds is not None}),
        *(person.foot or (None, None)),
        person.zones,
        person.stature,
        person.trunk,
        person.hips,
        person.speed,
        [{"line": line, "side": side} for line, side in person.crossed],
        len(person.parts),
    )


def _event_row(event: Event) -> Row:
    return (
        *_frame_columns(event),
        event.track,
        event.kind,
        event.label,
        event.previous,
        event.score,
        event.since_us,
        *(event.box or (None, None, None, None)),
        event.experimental,
    )


def _status_row(status: Status) -> Row:
    return (
        status.at_us,
        *_message_columns(status),
        status.state,
        status.reason,
        status.message,
        status.clock,
        *(status.size or (None, None)),
        status.source,
    )


def _labelled(labelled: Sequence[tuple[str, float]]) -> list[dict[str, object]]:
    return [{"label": label, "score": score} for label, score in labelled]
