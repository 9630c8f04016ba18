"""Tests of the return of freed memory to the system."""

from __future__ import annotations

from stream.sources.decoding.picture_memory import TRIMMED_FROM_BYTES, FreedMemory


def test_memory_is_given_back_at_once_after_large_pictures() -> None:
    trims: list[int] = []
    FreedMemory(lambda: trims.append(1)).give_back(TRIMMED_FROM_BYTES)
    assert len(trims) == 1


def test_memory_is_given_back_after_many_small_cameras() -> None:
    trims: list[int] = []
    freed = FreedMemory(lambda: trims.append(1))
    for _ in range(100):
        freed.give_back(TRIMMED_FROM_BYTES // 10)
    assert len(trims) == 100 // 11
