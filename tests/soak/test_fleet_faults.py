"""Every fault of the benchmark once, against what a fleet promises."""

from __future__ import annotations

import pytest

from benchmarks.fleet.fault_bench import bars, run
from benchmarks.fleet.faults import FAULTS
from benchmarks.fleet.local_fleet import Plan

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.parametrize("source", ["pattern", "rtsp"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_costs_no_more_than_is_promised(fault: str, source: str) -> None:
    found = (await run(FAULTS[fault], Plan(source=source))).figures
    assert [bar for bar in bars(fault, source, found) if not bar.met] == []
