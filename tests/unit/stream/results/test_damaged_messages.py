"""Whatever bytes a peer sends as a message, they are decoded or refused with one typed error."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

import support.engines.wire_messages as wire
from stream.membership.messages import (
    Assigned,
    Assignment,
    CameraReport,
    EngineReport,
    EngineStatus,
    decode_assignment,
    decode_status,
    encode,
)
from stream.results import EngineAddress, Message, Place, decode, decode_head, kind_of, topic_of
from support.damage import CHANCES, damaged
from support.examples import examples

ADDRESS = EngineAddress("rack-0", "rack", wire.RUN, "tcp://10.0.0.2:5555", "tcp://10.0.0.2:5556")
PLACE = Place(
    run=wire.RUN, seq=0, camera="lobby", state="placed", generation=3, at_us=1_790_000_000_000_000, address=ADDRESS
)
MESSAGES: tuple[Message, ...] = (wire.frame(), wire.event(), wire.status(), wire.stats(), PLACE)
STATUS = EngineStatus(ADDRESS, EngineReport(4.0, 8), {"lobby": CameraReport(3, "live")}, 5)
ASSIGNMENT = Assignment(5, {"lobby": Assigned(3, {"source": "pattern:"})}, "http://head:9095", "ab" * 32, [])


def read_message(body: bytes) -> None:
    with contextlib.suppress(msgspec.DecodeError):
        decode(body)
    try:
        head = decode_head(body)
    except msgspec.DecodeError:
        return
    assert topic_of(head).startswith(kind_of(head))


@settings(max_examples=examples(60))
@given(chance=CHANCES)
@pytest.mark.parametrize("encoder", [lambda value: json.dumps(value).encode(), msgspec.msgpack.encode])
def test_a_damaged_message_is_decoded_or_refused(encoder: Callable[[Any], bytes], chance: random.Random) -> None:
    content = msgspec.json.decode(msgspec.json.encode(chance.choice(MESSAGES)))
    try:
        body = damaged(chance, content, encoder)
    except OverflowError:  # MessagePack has no longer integers
        return
    read_message(body)


@settings(max_examples=examples(60))
@given(chance=CHANCES)
@pytest.mark.parametrize(("message", "decoded"), [(STATUS, decode_status), (ASSIGNMENT, decode_assignment)])
def test_a_damaged_message_between_engine_and_controller_is_decoded_or_refused(
    message: Any, decoded: Callable[[bytes], Any], chance: random.Random
) -> None:
    assert decoded(encode(message)) == message
    body = damaged(chance, json.loads(encode(message)), lambda value: json.dumps(value).encode())
    try:
        decoded(body)
    except ValueError:
        return
