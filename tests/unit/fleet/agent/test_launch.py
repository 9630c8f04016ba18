"""The priority with which processes are started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.agent import launch
from fleet.agent.detached_process import DetachedProcess
from fleet.agent.launch import BACKGROUND

STARTS_ANOTHER = """
import asyncio, os, sys
from pathlib import Path
from fleet.agent import launch
from fleet.agent.detached_process import DetachedProcess
async def main():
    print(os.getpriority(os.PRIO_PROCESS, 0), flush=True)
    command = [sys.executable, "-c", "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"]
    await DetachedProcess("engine", command, Path(sys.argv[1])).start("run-0").ended()
asyncio.run(main())
"""


async def test_what_a_process_in_the_background_starts_for_the_fleet_is_not_in_the_background(tmp_path: Path) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    given_way = own + BACKGROUND if launch.may_return(own) else own
    command = [sys.executable, "-c", STARTS_ANOTHER, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ray = DetachedProcess("ray", command, tmp_path, environment=environment, background=True)
    assert await ray.start("run-0").ended() == 0
    assert (int(ray.log.read_text()), int((tmp_path / "engine.log").read_text())) == (min(given_way, 19), own)


def test_what_was_started_before_an_update_can_start_processes_with_the_arguments_that_it_knows(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "engine.lock"), str(tmp_path), "run-0", sys.executable, "-c", "print('runs')"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", launch.__file__, *arguments], check=True, capture_output=True, text=True
    )
    assert done.stdout == "runs\n"


@pytest.mark.parametrize("wanted", ["", "x", "-400000000000000000000"])
def test_a_niceness_that_cannot_be_had_changes_nothing(wanted: str) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    launch.take_niceness(wanted)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
