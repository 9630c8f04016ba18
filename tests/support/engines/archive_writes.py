"""Writes into an archive without an archiver, and power cuts during them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

import support.engines.wire_messages as wire
from stream.archive.archive import Archive
from stream.archive.archiver import Held
from stream.archive.tables import rows_of
from stream.messaging.gaps import Position
from stream.results import Message

HOUR_US = 3_600_000_000
TOPIC = "results/v1/lobby/"


def numbered(seqs: Sequence[int], apart_us: int = 40_000) -> list[Message]:
    """Return results with one person each, at this interval."""
    start = wire.frame().capture_us
    return [
        msgspec.structs.replace(wire.frame(), run=wire.RUN, seq=seq, capture_us=start + seq * apart_us) for seq in seqs
    ]


def write(archive: Archive, messages: Sequence[Message], next_seq: int) -> None:
    held = Held()
    for message in messages:
        for table, row in rows_of(message, 3):
            held.add(table, row)
    archive.write(held.all(), [Position(TOPIC, wire.RUN, 1, next_seq)])


class PowerCutError(BaseException):
    """The power is cut: nothing more is written, and nothing is cleaned up."""


@contextmanager
def power_cut_at(step: int) -> Iterator[list[str]]:
    """Raise `PowerCutError` from the step-th call on that changes the disk. Yield the calls that were made."""
    done: list[str] = []
    with pytest.MonkeyPatch.context() as patch:

        def cut(owner: Any, name: str) -> None:
            original = getattr(owner, name)

            def call(*arguments: Any, **options: Any) -> Any:
                if len(done) + 1 >= step:
                    raise PowerCutError
                done.append(name)
                return original(*arguments, **options)

            patch.setattr(owner, name, call)

        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (Path, "open")):
            cut(owner, name)
        yield done
