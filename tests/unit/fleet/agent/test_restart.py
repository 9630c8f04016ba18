"""Restarting the engines of a node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fleet.agent import restart as module
from fleet.agent.detached_process import DetachedProcess
from fleet.agent.ended_runs import EndedRuns
from fleet.agent.keeper import Ended, Keeper
from fleet.agent.restart import restart
from support.waiting import until

SLEEP = ["sleep", "600"]


class Coordinator(EndedRuns):
    """A coordinator that writes down what it is told and asked, and has the runs that are put into `joined`."""

    def __init__(self, *, answers: bool = True) -> None:
        super().__init__("http://127.0.0.1:1", None, "vm")
        self.told: list[str] = []
        self.joined = set[str]()
        self.answers = answers

    async def restarting(self, engine: str, run: str) -> None:
        self.told.append(f"{engine} restarts")

    async def has_joined(self, engine: str, run: str) -> bool | None:
        if not self.told or self.told[-1] != f"{engine} joins?":
            self.told.append(f"{engine} joins?")
        return run in self.joined if self.answers else None


@asynccontextmanager
async def kept(folder: Path, *names: str, told: list[str]) -> AsyncIterator[list[DetachedProcess]]:
    """Run processes in place of engines, with keepers that write down when they end."""

    def note(name: str) -> Keeper:
        def ended(_: Ended) -> None:
            told.append(f"{name} ends")

        return Keeper(DetachedProcess(name, SLEEP, folder), ended)

    keepers = [note(name) for name in names]
    for keeper in keepers:
        keeper.start()
    processes = [DetachedProcess(name, [], folder) for name in names]
    try:
        await until(lambda: all(process.found() is not None for process in processes))
        yield processes
    finally:
        for keeper in keepers:
            await keeper.stop()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.02)


async def test_an_engine_is_restarted_when_the_one_before_has_joined_again(tmp_path: Path) -> None:
    coordinator = Coordinator()
    async with kept(tmp_path, "a", "b", told=coordinator.told) as (a, b):
        restarting = asyncio.create_task(restart([a, b], coordinator))
        await until(lambda: coordinator.told == ["a restarts", "a ends", "a joins?"])
        coordinator.joined.add(_run(a))
        await until(lambda: coordinator.told[3:] == ["b restarts", "b ends", "b joins?"])
        coordinator.joined.add(_run(b))
        assert await restarting == (["a", "b"], True)


async def test_no_other_engine_is_restarted_after_one_that_does_not_join(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "JOINS_WITHIN_S", 0.1)
    coordinator = Coordinator()
    async with kept(tmp_path, "a", "b", told=coordinator.told) as (a, b):
        assert await restart([a, b], coordinator) == (["a"], False)
        assert "b restarts" not in coordinator.told
    assert f"a has not joined again after 0 s: see {tmp_path}/a.log" in caplog.text


async def test_engines_are_restarted_although_the_coordinator_does_not_answer(tmp_path: Path) -> None:
    coordinator = Coordinator(answers=False)
    async with kept(tmp_path, "a", "b", told=coordinator.told) as engines:
        assert await restart(engines, coordinator) == (["a", "b"], True)


async def test_an_engine_that_nothing_starts_again_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "STARTS_WITHIN_S", 0.1)
    engine = DetachedProcess("a", SLEEP, tmp_path)
    engine.start("run-0").leave()
    await until(engine.found)
    assert await restart([engine], None) == (["a"], False)
    assert "a is not started again: does `partstream fleet up` run here?" in caplog.text
    assert await restart([engine], None) == ([], True)


def _run(process: DetachedProcess) -> str:
    last = process.last()
    assert last is not None
    return last.run
