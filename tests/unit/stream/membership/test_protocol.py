"""The messages between an engine and its coordinator."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from stream.membership.protocol import (
    EngineReport,
    Grant,
    RefusedEngine,
    Renewal,
    decode_grant,
    decode_renewal,
    encode,
)
from stream.results import EngineAddress

ADDRESS = EngineAddress("gpu-3", "rack", "ab" * 16, "tcp://10.0.0.3:5555", "tcp://10.0.0.3:5556")

Message = Renewal | Grant | RefusedEngine


def renewal(asked_ns: int) -> Renewal:
    return Renewal(1, ADDRESS, asked_ns, 0, EngineReport(100.0, 64))


def grant(asked_ns: int) -> Grant:
    return Grant(1, "c0" * 16, asked_ns, 2000, "soft", 1)


@pytest.mark.parametrize(("make", "decode"), [(renewal, decode_renewal), (grant, decode_grant)])
def test_a_machine_that_has_run_for_longer_than_a_float_counts_nanoseconds_can_be_a_member(
    make: Callable[[int], Message], decode: Callable[[bytes], Message]
) -> None:
    for asked_ns in (2**53 - 1, 2**53, 2**63 - 1):
        assert decode(encode(make(asked_ns))) == make(asked_ns)
    for asked_ns in (-1, 2**63):
        with pytest.raises(msgspec.ValidationError):
            decode(encode(make(asked_ns)))
