"""What is told of a node's engines and coordinator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleet.agent.detached_process import DetachedProcess, RunningProcess
from fleet.agent.ended_runs import EndedRuns
from fleet.cluster import node_watch as module
from fleet.cluster.node_watch import NodeWatch
from fleet.settings import FleetConfig
from support.waiting import until

SLEEP = ["sleep", "600"]


class Coordinator(EndedRuns):
    """A coordinator that has the runs that are put into `joined`; None: it does not answer."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", None, "vm")
        self.joined: set[str] | None = set()

    async def has_joined(self, engine: str, run: str) -> bool | None:
        return None if self.joined is None else run in self.joined


class Node:
    """A node with the engine a, for which `sleep` runs."""

    def __init__(self, folder: Path) -> None:
        engines = folder / "engines"
        engines.mkdir()
        (engines / "coordinator").write_text("tcp://10.0.0.2:5570\n")
        self.engine = DetachedProcess("a", SLEEP, engines, title="engine a")
        config = FleetConfig.model_validate(
            {"cluster": {"state_directory": folder}, "coordinator": {"http": {"bind": "10.0.0.2:9095"}}}
        )
        self.watch = NodeWatch(config, "vm", [self.engine])
        self.coordinator = Coordinator()
        self.running: RunningProcess | None = None

    async def start(self, run: str) -> int:
        self.running = self.engine.start(run)
        await until(lambda: self.engine.is_running() and (last := self.engine.last()) is not None and last.run == run)
        return self.running.pid

    async def end(self) -> None:
        if self.running is not None:
            await self.running.stop()
            self.running = None


@pytest.fixture
async def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    node = Node(tmp_path)
    monkeypatch.setattr(module, "told_runs", lambda config, name, head: node.coordinator)
    yield node
    await node.end()


async def test_a_node_is_complete_when_its_engines_have_joined(
    node: Node, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await node.watch.look()
    assert caplog.messages == []
    pid = await node.start("run-0")
    await node.watch.look()
    assert caplog.messages == [f"engine a runs: process {pid}"]
    node.coordinator.joined = {"run-0"}
    await node.watch.look()
    await node.watch.look()
    assert caplog.messages[1:] == [
        "node vm is complete: engine a joined. Live page of the fleet: http://10.0.0.2:9095/; "
        f"logs: {tmp_path}/*.log and {tmp_path}/engines/*.log"
    ]


async def test_an_engine_that_ends_is_told_of_with_its_log_also_if_it_is_running_again_by_then(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await node.start("run-0")
    await node.watch.look()
    await node.end()
    pid = await node.start("run-1")
    await node.watch.look()
    await node.end()
    await node.watch.look()
    ended = f"engine a has ended. Its log is {node.engine.log}"
    assert caplog.messages[1:] == [ended, f"engine a is started again: process {pid}", ended]


@pytest.mark.parametrize("answers", [True, False])
async def test_what_has_not_joined_after_some_minutes_is_named_if_the_coordinator_tells(
    node: Node, answers: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SLOW_AFTER", 2)
    node.coordinator.joined = set() if answers else None
    await node.start("run-0")
    for _ in range(3):
        await node.watch.look()
    told = "the coordinator does not tell this node whether its engines have joined"
    assert caplog.messages == [f"engine a has not joined yet. Its log is {node.engine.log}" if answers else told]


async def test_an_engine_that_does_not_run_after_some_minutes_is_named_with_rays_log(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SLOW_AFTER", 1)
    await node.watch.look()
    assert caplog.messages == [f"engine a has not been started yet. Ray's log is {tmp_path}/ray.log"]


async def test_a_coordinator_without_an_http_server_does_not_tell_what_has_joined(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SLOW_AFTER", 1)
    monkeypatch.setattr(module, "told_runs", lambda config, name, head: None)
    await node.start("run-0")
    await node.watch.look()
    assert caplog.messages == ["the coordinator does not tell this node whether its engines have joined"]
