"""Heads of messages, which are passed on as they were received."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import support.engines.wire_messages as wire
from stream.results import Place, StatsHead, decode, decode_head, kind_of, topic_of

ENCODERS = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}
PLACE = Place(run=wire.RUN, seq=3, camera="lobby", state="placed", generation=7, at_us=1)
MESSAGES: list[tuple[str, Any]] = [
    ("results/v1/lobby/", msgspec.structs.replace(wire.frame(people=2), run=wire.RUN, seq=9, generation=4)),
    ("events/v1/lobby/", msgspec.structs.replace(wire.event(), generation=4)),
    ("status/v1/lobby/", msgspec.structs.replace(wire.status(), generation=4)),
    ("stats/v1/", wire.stats()),
    ("stats/v1/north/", msgspec.structs.replace(wire.stats(), engine="north")),
    ("directory/v1/lobby/", PLACE),
]


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize(("name", "message"), MESSAGES, ids=[name for name, _ in MESSAGES])
def test_a_head_has_the_numbers_the_topic_and_the_very_body_of_its_message(
    name: str, message: Any, encoding: str
) -> None:
    body = ENCODERS[encoding](message)
    head = decode_head(body)
    assert head.body is body
    assert decode(head.body) == message
    assert (topic_of(head), kind_of(head)) == (name, name.partition("/")[0])
    fields = ("run", "seq", "epoch", *(() if isinstance(head, StatsHead) else ("camera", "generation")))
    assert [getattr(head, field) for field in fields] == [getattr(message, field) for field in fields]


def test_what_a_later_version_adds_stays_in_the_body() -> None:
    body = b'{"schema":"partstream.frame/1","run":"r","seq":0,"camera":"a","epoch":1,"people":"later","body":1}'
    assert decode_head(body).body == body
