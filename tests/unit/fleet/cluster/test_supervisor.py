"""The supervisor of a node, with other programs in place of Ray."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleet.agent.detached_process import DetachedProcess
from fleet.cluster import supervisor as module
from fleet.cluster.raylet import Raylet
from fleet.cluster.supervisor import UP, Supervisor
from fleet.settings import FleetConfig
from stream.settings.config_error import ConfigError
from support.waiting import until

SLEEP = ["sleep", "600"]
STUBBORN = ["sh", "-c", "trap '' TERM; exec sleep 600"]


class Node:
    """A node's folder, in which `sleep` runs in place of Ray and of its driver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self.config = FleetConfig.model_validate(
            {"cluster": {"state_directory": self.folder, "token_file": self.folder / "token"}}
        )
        self.supervisors: list[Supervisor] = []

    def supervisor(self, head: str | None = None) -> Supervisor:
        self.supervisors.append(Supervisor(self.config, self.folder / "fleet.yaml", "gpu-0", head))
        return self.supervisors[-1]

    def runs(self, *names: str) -> bool:
        return all(DetachedProcess(name, [], self.folder).adopt() is not None for name in names)


@pytest.fixture
async def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    node = Node(tmp_path)
    monkeypatch.setattr(module, "raylet", lambda *arguments: Raylet("ray", SLEEP, node.folder))
    monkeypatch.setattr(module.ports, "in_use", lambda numbers: [])
    monkeypatch.setattr(module, "driver", lambda *arguments: DetachedProcess("actors", SLEEP, node.folder))
    yield node
    for supervisor in node.supervisors:
        await supervisor.stop()


async def test_the_head_runs_ray_and_what_creates_the_actors_and_makes_the_token(node: Node) -> None:
    node.supervisor().start()
    await until(lambda: node.runs("ray", "actors", UP))
    assert (node.folder / "token").exists()
    assert node.folder.stat().st_mode & 0o777 == 0o700


async def test_the_head_needs_the_file_of_rays_autoscaler_if_one_is_set(node: Node) -> None:
    settings = node.config.model_dump(include={"cluster"})
    settings["cluster"]["autoscaling"] = {"max_nodes": 2, "config": "absent.yaml"}
    node.config = FleetConfig.model_validate(settings)
    with pytest.raises(ConfigError, match="there is no file absent"):
        node.supervisor().start()


async def test_a_node_needs_the_heads_token_and_runs_ray_alone(node: Node) -> None:
    with pytest.raises(ConfigError, match="there is no token"):
        node.supervisor("10.0.0.2").start()
    (node.folder / "token").write_text("x" * 64)
    (node.folder / "token").chmod(0o600)
    node.supervisor("10.0.0.2").start()
    await until(lambda: node.runs("ray"))
    assert not (node.folder / "actors.lock").exists()


async def test_ray_is_not_started_if_another_program_has_one_of_its_ports(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.ports, "in_use", lambda numbers: [port for port in numbers if port == 6383])
    with pytest.raises(ConfigError, match=r"^cluster\.first_port: Ray needs .* from 6379 to 6410 .* has 6383\. "):
        node.supervisor().start()
    assert not node.runs("ray")
    monkeypatch.setattr(module.ports, "in_use", lambda numbers: [])
    node.supervisor().start()  # the first one holds no lock
    await until(lambda: node.runs("ray"))


async def test_ports_of_a_ray_that_runs_already_are_no_obstacle(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    first = node.supervisor()
    first.start()
    await until(lambda: node.runs("ray", "actors"))
    await first.leave()
    monkeypatch.setattr(module.ports, "in_use", list)
    node.supervisor().start()


async def test_why_ray_ended_is_told_with_the_name_of_its_log(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text = "gcs_client.cc:210: RPC error: InvalidAuthToken: Authentication token is missing or incorrect"
    failing = ["sh", "-c", f"echo '{text}'; exit 1"]
    monkeypatch.setattr(module, "raylet", lambda *arguments: Raylet("ray", failing, node.folder, title="Ray"))
    (node.folder).mkdir(mode=0o700)
    (node.folder / "token").write_text("x" * 64)
    (node.folder / "token").chmod(0o600)
    monkeypatch.setattr(module.head_watch, "accepts", lambda address: True)
    node.supervisor("10.0.0.2").start()
    told = f"the head at 10.0.0.2 refuses the token in {node.folder}/token: copy the head's file again"
    await until(lambda: f"Ray has ended: exit code 1; {told}. Its log is {node.folder}/ray.log" in caplog.text)


async def test_everything_of_the_node_is_stopped(node: Node) -> None:
    supervisor = node.supervisor()
    supervisor.start()
    await until(lambda: node.runs("ray", "actors"))
    engines = node.folder / "engines"
    engines.mkdir()
    others = [DetachedProcess("gpu-0", SLEEP, engines), DetachedProcess("coordinator", SLEEP, node.folder)]
    for process in others:
        process.start("run-0").leave()
    await until(lambda: all(process.adopt() is not None for process in others))
    await supervisor.stop()
    assert not any(process.is_running() for process in others)
    assert not node.runs("ray") and not node.runs("actors")


async def test_what_the_node_runs_is_killed_at_once(node: Node) -> None:
    supervisor = node.supervisor()
    supervisor.start()
    engines = node.folder / "engines"
    engines.mkdir()
    others = [DetachedProcess("gpu-0", STUBBORN, engines), DetachedProcess("coordinator", STUBBORN, node.folder)]
    for process in others:
        process.start("run-0").leave()
    await until(lambda: node.runs("ray", "actors") and all(process.adopt() is not None for process in others))
    assert supervisor.still_running() == ["actors", "ray", "engine gpu-0", "coordinator"]
    assert supervisor.kill() == []
    assert supervisor.still_running() == []


async def test_what_a_supervisor_left_is_adopted_by_the_next(node: Node) -> None:
    first = node.supervisor()
    first.start()
    await until(lambda: node.runs("ray", "actors"))
    before = DetachedProcess("ray", [], node.folder).last()
    await first.leave()
    second = node.supervisor()
    second.start()
    await until(lambda: all(keeper.running for keeper in second._keepers))
    assert DetachedProcess("ray", [], node.folder).last() == before


async def test_what_a_killed_supervisor_left_is_stopped_by_another_that_was_not_started(node: Node) -> None:
    first = node.supervisor()
    first.start()
    await until(lambda: node.runs("ray", "actors"))
    await first.leave()
    other = node.supervisor("10.0.0.2")  # `fleet down` does not know which node it is
    assert other.still_running() == ["ray"]
    assert node.supervisor().still_running() == ["actors", "ray"]
    await node.supervisor().stop()
    assert other.still_running() == []


async def test_a_node_has_one_supervisor(node: Node) -> None:
    node.supervisor().start()
    with pytest.raises(ConfigError, match="runs already on this node"):
        node.supervisor().start()


async def test_another_supervisor_is_told_to_stop_and_waited_for(node: Node) -> None:
    text = "import signal, sys; from fleet.agent.launch import hold; hold(sys.argv[1], '', []); signal.pause()"
    node.folder.mkdir()
    command = [sys.executable, "-c", text, str(node.folder / f"{UP}.lock")]
    DetachedProcess("other", command, node.folder).start("run-0").leave()
    await until(lambda: node.runs(UP))
    await node.supervisor().stop_other()
    assert not node.runs(UP)


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(ConfigError, match=r"cluster\.state_directory: .* can't be created"):
        Node(tmp_path).supervisor()
