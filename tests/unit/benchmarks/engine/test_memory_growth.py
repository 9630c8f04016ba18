"""Tests of the figures of a memory run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.engine.memory.engine_process import Sample
from benchmarks.engine.memory.growth import MIB, growth_of
from benchmarks.engine.memory.recorded import record


def samples(count: int, bytes_per_unit: int) -> list[Sample]:
    """A process that fills caches in the first fifth of its run, at 10 units a second."""
    return [
        Sample(
            seconds=number / 10,
            done=number,
            resident=100 * MIB + min(number, count // 5) * 100_000 + number * bytes_per_unit + number % 7 * 4096,
            threads=12,
            descriptors=40,
            series=200 if number % 50 == 0 else None,
        )
        for number in range(count)
    ]


def test_what_fills_in_the_first_half_of_a_run_is_not_growth() -> None:
    growth = growth_of("flat", "thing", samples(1000, 0))
    low, high = growth.bytes_per_unit_interval
    assert low <= 0 <= high
    assert growth.units == 999 and growth.series == (200, 200)


def test_growth_is_told_by_unit_and_by_hour() -> None:
    growth = growth_of("leak", "thing", samples(1000, 1024))
    assert 0 < growth.bytes_per_unit_interval[0] < 1024 < growth.bytes_per_unit_interval[1]
    assert growth.mib_per_hour == pytest.approx(1024 * 10 * 3600 / MIB, rel=0.1)


def test_a_run_that_is_too_short_has_no_figures() -> None:
    with pytest.raises(ValueError, match="run it longer"):
        growth_of("short", "thing", samples(50, 0))


def test_figures_are_added_to_the_file_under_their_name(tmp_path: Path) -> None:
    path = tmp_path / "results" / "memory.json"
    for what, value in (("one", 1), ("other", 2), ("one", 3)):
        record(path, {"what": what, "value": value})
    known = json.loads(path.read_text())
    assert {name: entry["value"] for name, entry in known.items()} == {"one": 3, "other": 2}
    assert all("commit" in entry and "machine" in entry for entry in known.values())
