"""Sealed messages: only the engine that they are for can read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.sealing import KEY_BYTES, Opener, SealError, seal

OPENER = Opener()
SECRET = b"rtsp://user:secret@10.0.0.7/1"


@given(message=st.binary(max_size=5000))
def test_the_recipient_reads_what_was_sealed_and_no_other_engine_can(message: bytes) -> None:
    sealed = seal(message, OPENER.public_key)
    assert OPENER.open(sealed) == message
    with pytest.raises(SealError):
        Opener().open(sealed)


def test_a_message_that_was_changed_or_shortened_at_any_place_is_refused() -> None:
    sealed = seal(SECRET, OPENER.public_key)
    for index in range(len(sealed)):
        changed = sealed[:index] + bytes([sealed[index] ^ 0x40]) + sealed[index + 1 :]
        for wrong in (changed, sealed[:index]):
            with pytest.raises(SealError):
                OPENER.open(wrong)


def test_a_key_that_gives_every_sender_the_same_secret_is_refused() -> None:
    with pytest.raises(SealError):
        OPENER.open(bytes(KEY_BYTES) + seal(SECRET, OPENER.public_key)[KEY_BYTES:])
    for wrong in (bytes(KEY_BYTES), b"short"):
        with pytest.raises(ValueError):
            seal(SECRET, wrong)
