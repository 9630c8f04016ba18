"""The message format: encoding, decoding, and documentation that matches it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from stream.results import (
    Action,
    CameraStats,
    ClipReady,
    DetectedObject,
    Event,
    Frame,
    Load,
    Message,
    ModelRef,
    Part,
    Person,
    Stats,
    Status,
    decode,
)
from support.repository import REPOSITORY
from tools.docs import wire_schemas

DOCS = REPOSITORY / "docs"
RUN = "0123456789abcdef" * 2
MODEL = ModelRef("edge", "sha256:" + "0" * 64, False)
BOX = (1.0, 2.0, 3.5, 4.0)


def frame(**changes: Any) -> Frame:
    fields: dict[str, Any] = {
        "run": RUN,
        "seq": 0,
        "camera": "lobby",
        "epoch": 1,
        "frame": 0,
        "capture_us": 1_790_000_000_000_001,
        "clock": "rtcp",
        "media_time_us": 0,
        "published_us": 1_790_000_000_041_001,
        "size": (1280, 720),
        "model": MODEL,
        "people": [],
        "objects": [],
    }
    return Frame(**{**fields, **changes})


LIFTING = Person(9, BOX, 0.9, Action("carry", 0.7, 1, [("carry", 0.7)], experimental=True), [])
WAVING = Person(
    7, BOX, 0.94, Action("wave", 0.88, 1, [("wave", 0.88)]), [Part("left_hand", BOX, 0.8, 0.9, [("wave", 1.0)])]
)
NEW = Person(8, BOX, 0.5, None, [], detected=False)
EVENT: dict[str, Any] = {
    "run": RUN,
    "seq": 1,
    "camera": "lobby",
    "epoch": 1,
    "frame": 5,
    "track": 7,
    "score": 0.7,
    "capture_us": 5,
    "since_us": 4,
}
STATUS: dict[str, Any] = {"run": RUN, "seq": 0, "camera": "lobby", "epoch": 0, "at_us": 1, "source": "pattern:"}
STATS = {
    "run": RUN,
    "seq": 2,
    "at_us": 1,
    "uptime_s": 0.5,
    "model": MODEL,
    "state_slots_used": 0,
    "state_slots": 256,
    "subscriptions": 0,
    "load": Load(3, 5, False, 5.0, 640),
}
MESSAGES: list[Message] = [
    frame(),
    frame(people=[WAVING, NEW], objects=[DetectedObject("cup", BOX, 0.7)], trace_id="4bf92f3577b34da6a3ce929d0e0e4736"),
    frame(look="regions", regions=[BOX, (0.0, 0.0, 160.0, 160.0)]),
    frame(look="skipped", people=[NEW]),
    Event(kind="started", label="wave", previous=None, **EVENT),
    frame(people=[LIFTING], model=ModelRef("edge", "sha256:0", True, ["carry"])),
    Event(kind="changed", label="wave", previous="stand", box=BOX, **EVENT),
    Event(kind="started", label="carry", previous=None, experimental=True, **EVENT),
    Status(state="connecting", reason=None, message="connecting", clock=None, size=None, **STATUS),
    Status(state="stalled", reason="stalled", message="no picture for 3 s", clock="rtcp", size=(640, 480), **STATUS),
    ClipReady(
        clip="20261125T211442795Z_lobby_fall",
        start_us=1,
        end_us=9,
        start_media_time_us=1,
        end_media_time_us=9,
        ended="complete",
        bytes=1000,
        events=["e0123abcd-1"],
        alerts=[],
        **{"run": RUN, "seq": 0, "camera": "lobby", "epoch": 1},
    ),
    Stats(ready=False, ready_reason="the model is loading", cameras=[], **STATS),
    Stats(
        ready=True,
        ready_reason="",
        cameras=[CameraStats("lobby", "live", 1, 3, 1, {"overwritten": 2}, 25.0, 12.5, 0)],
        **STATS,
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode], ids=["json", "msgpack"])
def test_every_message_is_read_as_it_was_written_whatever_the_encoding(message: Message, encode: Any) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_is_valid_under_its_json_schema(message: Message) -> None:
    body = json.loads(msgspec.json.encode(message))
    jsonschema.validate(body, wire_schemas.schema(type(message)), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_the_json_schema_notices_a_missing_and_a_wrong_field(message: Message) -> None:
    body = json.loads(msgspec.json.encode(message))
    validator = jsonschema.Draft202012Validator(wire_schemas.schema(type(message)))
    for field in set(body) - {"box", "trace_id", "epoch", "experimental", "look", "regions", "open_alerts", "engine"}:
        less = {name: value for name, value in body.items() if name != field}
        assert [error.message for error in validator.iter_errors(less)] == [f"'{field}' is a required property"]
    for wrong in ({"seq": -1}, {"seq": "0"}, {"schema": "partstream.frame/2"}, {"run": None}):
        assert not validator.is_valid({**body, **wrong})


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_fields_added_later_are_ignored_by_reader_and_schema(message: Message) -> None:
    body = {**json.loads(msgspec.json.encode(message)), "added_later": {"x": [1]}}
    assert decode(json.dumps(body).encode()) == message
    assert decode(msgspec.msgpack.encode(body)) == message
    jsonschema.validate(body, wire_schemas.schema(type(message)))


def test_default_values_are_left_out_and_microseconds_are_exact_in_javascript() -> None:
    body = json.loads(msgspec.json.encode(frame(people=[WAVING, NEW])))
    assert "trace_id" not in body and "look" not in body and "regions" not in body
    assert "detected" not in body["people"][0]
    assert "experimental" not in body["people"][0]["action"] and "experimental" not in body["model"]
    assert body["people"][1]["detected"] is False
    assert body["people"][1]["action"] is None
    assert float(body["published_us"]) == 1_790_000_000_041_001 < 2**53


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"{}", b"\xc1", b"\xff\xff", b'{"schema":"partstream.frame/1"}', b'{"schema":"\xff"}'],
)
def test_invalid_messages_are_decode_errors(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(body)


def test_the_published_json_schemas_are_current() -> None:
    published = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "schema").glob("partstream.*.json")}
    assert published == wire_schemas.texts(), "run `python -m tools.docs.wire_schemas`"


def test_the_example_on_that_page_is_a_valid_message() -> None:
    page = (DOCS / "wire.md").read_text(encoding="utf-8")
    example = page.split("### A result")[1].split("```json")[1].split("```")[0]
    jsonschema.validate(json.loads(example), wire_schemas.schema(Frame))
    assert isinstance(decode(example.strip().encode()), Frame)
