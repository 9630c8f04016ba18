"""Fifty readers with a hundred subscriptions each and two with 5,000, killed twenty times."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.engines.engine_program import engine_program
from support.engines.killed_readers import misses_nothing

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]


async def test_readers_that_are_killed_again_and_again_end_no_engine_and_another_misses_nothing(tmp_path: Path) -> None:
    with engine_program(tmp_path) as engine:
        await misses_nothing(engine, [100] * 50 + [5000] * 2, times=20)
