"""The agent of a node."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from fleet.agent import agent as module
from fleet.agent.agent import Agent
from fleet.agent.program import partstream, without_ray
from support.waiting import until

ECHO = "import os, signal, sys; print(sys.argv[3], os.environ['PARTSTREAM_FLEET__RUN'], flush=True); signal.pause()"


@pytest.fixture
def engine_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the engine, a program that says its configuration and its run."""
    monkeypatch.setattr(module, "partstream", lambda *arguments: [sys.executable, "-c", ECHO, *arguments])


class Told:
    """What the coordinator was told."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, str]] = []
        self.how: list[Mapping[str, str]] = []

    async def __call__(self, engine: str, run: str, end: Mapping[str, str] | None = None) -> None:
        self.ends.append((engine, run))
        self.how.append(end or {})


async def stop(agent: Agent) -> None:
    """Stop the engines of an agent."""
    for keeper in agent.keepers.values():
        await keeper.stop()


async def test_each_engine_runs_with_its_own_configuration(engine_program: None, tmp_path: Path) -> None:
    engines = {
        name: {"publish": {"endpoint": f"tcp://127.0.0.1:{port}"}} for name, port in (("gpu-0", 1), ("gpu-1", 2))
    }
    folder = tmp_path / "engines"
    told, starts = Told(), Told()
    agent = Agent(engines, folder, tmp_path, told, starts)
    agent.start()
    await until(
        lambda: all((folder / f"{name}.log").exists() and (folder / f"{name}.log").read_text() for name in engines)
    )
    for status in agent.status():
        name = status["engine"]
        path = folder / f"{name}.yaml"
        assert (folder / f"{name}.log").read_text() == f"{path} {status['run']}\n"
        assert yaml.safe_load(path.read_text()) == engines[name]
        assert path.stat().st_mode & 0o777 == 0o600
    assert told.ends == []
    assert sorted(starts.ends) == sorted((status["engine"], status["run"]) for status in agent.status())
    await stop(agent)
    assert [status["pid"] for status in agent.status()] == [None, None]
    await until(lambda: sorted(engine for engine, _ in told.ends) == ["gpu-0", "gpu-1"])


async def test_the_coordinator_is_told_of_each_run_that_ended(engine_program: None, tmp_path: Path) -> None:
    told = Told()
    agent = Agent({"gpu-0": {}}, tmp_path, tmp_path, told)
    agent.start()
    keeper = agent.keepers["gpu-0"]
    first = await until(lambda: keeper.running)
    assert first is not None
    first.send(signal.SIGKILL)
    await until(lambda: keeper.running is not None and keeper.running is not first)
    assert told.ends == [("gpu-0", first.run)]
    assert told.how == [{"how": "signal 9", "error": told.how[0]["error"], "log": str(tmp_path / "gpu-0.log")}]
    assert agent.status()[0]["restarts"] == 1 and agent.status()[0]["last_end"] == "signal 9"
    await stop(agent)


async def test_the_coordinator_is_told_the_error_of_the_run_that_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = "import os; raise SystemExit('partstream: port of ' + os.environ['PARTSTREAM_FLEET__RUN'])"
    monkeypatch.setattr(module, "partstream", lambda *arguments: [sys.executable, "-c", failing, *arguments])
    told = Told()
    agent = Agent({"gpu-0": {}}, tmp_path, tmp_path, told)
    agent.start()
    await until(lambda: len(told.ends) >= 2)
    await stop(agent)
    for (_, run), end in zip(told.ends[:2], told.how, strict=False):
        assert end == {"how": "exit code 1", "error": f"port of {run}", "log": str(tmp_path / "gpu-0.log")}


async def test_engines_that_are_left_are_adopted_by_the_next_agent(engine_program: None, tmp_path: Path) -> None:
    told = Told()
    agent = Agent({"gpu-0": {}}, tmp_path, tmp_path, told)
    agent.start()
    log = tmp_path / "gpu-0.log"
    await until(lambda: log.exists() and log.read_text())
    before = agent.status()
    await agent.keepers["gpu-0"].leave()
    following = Agent({"gpu-0": {}}, tmp_path, tmp_path, told)
    following.start()
    await until(lambda: following.keepers["gpu-0"].running)
    assert (following.status(), told.ends) == (before, [])
    await stop(following)


def test_the_command_line_is_run_by_the_same_python() -> None:
    python, program, *arguments = partstream("run", "--json")
    assert (python, Path(program).name, arguments) == (sys.executable, "run_stream.py", ["run", "--json"])


def test_an_engine_gets_no_variables_of_ray() -> None:
    environment = {"RAY_AUTH_MODE": "token", "PARTSTREAM_FLEET_NODE": "n", "PARTSTREAM_FLEET__NODE": "m", "PATH": "/"}
    assert without_ray(environment) == {"PARTSTREAM_FLEET__NODE": "m", "PATH": "/"}
