"""The priority with which processes are started."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pytest

from fleet.agent.detached_process import DetachedProcess
from fleet.agent.launch import BACKGROUND, may_return

STARTS_ANOTHER = """
import asyncio, os, sys
from pathlib import Path
from fleet.agent.detached_process import DetachedProcess
async def main():
    print(os.getpriority(os.PRIO_PROCESS, 0), flush=True)
    command = [sys.executable, "-c", "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"]
    await DetachedProcess("engine", command, Path(sys.argv[1])).start("run-0").ended()
asyncio.run(main())
"""


async def test_what_a_process_in_the_background_starts_for_the_fleet_is_not_in_the_background(tmp_path: Path) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    given_way = own + BACKGROUND if may_return(own, "/proc/self/status") else own
    command = [sys.executable, "-c", STARTS_ANOTHER, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ray = DetachedProcess("ray", command, tmp_path, environment=environment, background=True)
    assert await ray.start("run-0").ended() == 0
    assert (int(ray.log.read_text()), int((tmp_path / "engine.log").read_text())) == (min(given_way, 19), own)


@pytest.mark.parametrize(
    ("limit", "capabilities", "may"),
    [
        (0, "0000000000000000", False),
        (0, "0000000000800000", True),
        (0, "00000000a80425fb", False),
        (20, "0000000000000000", True),
        (19, "0000000000000000", False),
        (resource.RLIM_INFINITY, "0000000000000000", True),
    ],
)
def test_a_niceness_can_be_taken_back_with_the_capability_or_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, capabilities: str, may: bool
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nCapEff:\t{capabilities}\nSeccomp:\t0\n")
    assert may_return(0, str(status)) == may
