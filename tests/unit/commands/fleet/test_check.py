"""`partstream fleet check`: what would keep a coordinator or an engine from starting is not valid."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from fleet.coordinator.service import CoordinatorService
from fleet.settings import load
from run_stream import app
from stream.settings.config_error import ConfigError
from support.ports import reserved_port

FREE = {"bind": "tcp://127.0.0.1:0", "directory": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"}
LOCAL: dict[str, Any] = {**FREE, "http": {"bind": "127.0.0.1:0"}}
ENGINE: dict[str, Any] = {"publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"}}


def check(folder: Path, *options: str, coordinator: dict[str, Any] | None = None, **settings: Any) -> tuple[int, str]:
    """Run the command for this configuration, and return its exit code and what it says, on one line."""
    content = {"coordinator": {**LOCAL, **(coordinator or {})}, "engine": ENGINE, **settings}
    return check_file(folder, yaml.safe_dump(content), *options)


def check_file(folder: Path, text: str, *options: str) -> tuple[int, str]:
    """Run the command for a file with this text, and return its exit code and what it says, on one line."""
    (folder / "fleet.yaml").write_text(text)
    done = CliRunner().invoke(app, ["fleet", "check", "--node", "gpu-1", *options])
    return done.exit_code, " ".join(done.output.split())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command is run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_valid_configuration_changes_nothing(folder: Path) -> None:
    cameras = [{"id": "lobby", "source": "pattern:"}]
    assert check(folder, cameras=cameras) == (0, "fleet.yaml: valid (1 camera)")
    assert [path.name for path in folder.iterdir()] == ["fleet.yaml"]


def test_an_empty_file_is_an_error_that_says_what_is_missing(folder: Path) -> None:
    code, said = check_file(folder, "# nothing yet")
    assert code == 2 and "fleet.yaml: the file is empty: list `cameras`, or write `cameras: []`" in said
    assert "the file is empty" not in check_file(folder, "cameras: []")[1]


def test_all_errors_of_a_file_are_told_with_their_fields(folder: Path) -> None:
    code, said = check(folder, placement={"fance": "soft"}, coordinator={"store": "."}, cameras=[{"id": "A"}])
    assert code == 2
    assert (
        "coordinator.store" in said
        and "placement.fance" in said
        and "cameras.0.id" in said
        and "cameras.0.source" in said
    )


def test_an_error_names_the_address_of_the_file_also_if_its_port_is_in_use(folder: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        address = f"tcp://0.0.0.0:{server.getsockname()[1]}"
        code, said = check(folder, coordinator={"bind": address})
    assert code == 2 and f"coordinator.bind: anyone who can reach {address} could" in said


@pytest.mark.parametrize(
    ("setting", "written"),
    [("bind", "tcp://*:{}"), ("directory", "tcp://0.0.0.0:{}"), ("replay", "tcp://*:{}"), ("http.bind", "0.0.0.0:{}")],
)
@pytest.mark.parametrize("in_use", [False, True])
def test_an_error_quotes_the_address_as_it_is_written(
    folder: Path, setting: str, written: str, *, in_use: bool
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        address = written.format(server.getsockname()[1] if in_use else reserved_port())
        named = {"http": {"bind": address}} if setting == "http.bind" else {setting: address}
        code, said = check(folder, coordinator=named)
    assert code == 2 and f"coordinator.{setting}: " in said and f"can reach {address}" in said


@pytest.mark.parametrize("address", ["http://127.0.0.1:5570", "tcp://192.0.2.1:5570"])
def test_the_example_of_an_address_has_the_port_that_was_meant(folder: Path, address: str) -> None:
    code, said = check(folder, coordinator={"bind": address})
    assert code == 2 and f"coordinator.bind: can't listen on '{address}'" in said
    assert said.endswith("for example tcp://127.0.0.1:5570")


def test_an_error_of_a_camera_names_its_id_and_one_of_a_number_its_value(folder: Path) -> None:
    cameras = [{"id": "lobby", "source": "pattern:"}, {"id": "dock", "source": "pattern:", "pinn": "gpu-1"}]
    code, said = check(folder, cameras=cameras, placement={"ttl_s": "fast", "settle_s": -7})
    assert code == 2 and "camera dock: cameras.1.pinn: unknown; did you mean `pin`?" in said
    assert "placement.ttl_s: " in said and "(got 'fast')" in said and "(got -7)" in said
    unnamed = [{"source": "pattern:"}, {"id": ["secret"], "source": "pattern:"}, "lobby"]
    code, said = check(folder, cameras=unnamed)
    assert code == 2 and "cameras.0.id: " in said and "cameras.2: " in said and "secret" not in said


def test_a_test_pattern_that_cannot_be_drawn_is_an_error_with_its_camera(folder: Path) -> None:
    code, said = check(folder, cameras=[{"id": "lobby", "source": "pattern:people"}])
    assert code == 2 and "partstream: fleet.yaml: camera lobby: source: 'pattern:people' is not a test pattern" in said


def test_a_password_with_a_slash_is_an_error_that_says_how_to_write_it(folder: Path) -> None:
    for password in ("pa/ss", "pa#ss", "pa?ss"):
        code, said = check(folder, cameras=[{"id": "lobby", "source": f"rtsp://user:{password}@10.0.0.7/stream"}])
        assert code == 2 and "camera lobby: source: rtsp://10.0.0.7/stream is not an RTSP address" in said
        assert "%2F for /" in said and password not in said
    assert check(folder, cameras=[{"id": "lobby", "source": "rtsp://user:p@ss@10.0.0.7/stream"}])[0] == 0


@pytest.mark.parametrize("pin", [["gpu-1"], "GPU 1", 3])
def test_a_pin_that_is_no_name_is_an_error_in_plain_words(folder: Path, pin: Any) -> None:
    code, said = check(folder, cameras=[{"id": "lobby", "source": "pattern:", "pin": pin}])
    assert code == 2 and "cameras.0.pin: must be the name of a node or an engine: a-z, 0-9, -, _ and dots" in said


def test_a_node_or_an_engine_whose_name_is_none_is_quoted(folder: Path) -> None:
    must = "must be the name of a node or an engine: "
    assert f"nodes: 'GPU 1' {must}" in check(folder, nodes={"GPU 1": {}})[1]
    assert f"nodes.gpu-1.engines: '7' {must}" in check(folder, nodes={"gpu-1": {"engines": {7: {}}}})[1]


def test_an_engine_section_that_the_engine_would_refuse_is_not_valid(folder: Path) -> None:
    code, said = check(folder, engine=ENGINE | {"model": {"profile": "nope"}})
    assert code == 2 and "engine gpu-1: model.profile: nope: there is no such checkpoint; packaged: edge, " in said
    code, said = check(folder, engine=ENGINE | {"once": True})
    assert code == 2 and "engine: once: not with `fleet`" in said
    code, said = check(folder, engine=ENGINE, nodes={"gpu-1": {"engine": {"state_file": "state.json"}}})
    assert code == 2 and "nodes.gpu-1.engine: state_file: not with `fleet`" in said


def refused(folder: Path) -> str:
    """Return why a coordinator with the configuration does not start; empty if it does."""

    async def start() -> None:
        service = CoordinatorService(load(folder / "fleet.yaml"))
        await service.start()
        await service.stop()

    try:
        asyncio.run(start())
    except ConfigError as error:
        return " ".join(str(error).split())
    return ""


@pytest.mark.parametrize(
    ("coordinator", "setting"),
    [
        ({"bind": "tcp://0.0.0.0:0"}, "coordinator.bind: "),
        ({"bind": "tcp://192.0.2.1:5570"}, "coordinator.bind: "),
        ({"directory": "tcp://0.0.0.0:0"}, "coordinator.directory: "),
        ({"replay": "tcp://0.0.0.0:0"}, "coordinator.replay: "),
        ({"http": {"bind": "0.0.0.0:0"}}, "coordinator.http.bind: "),
        ({"http": {"bind": "127.0.0.1:99999"}}, "coordinator.http.bind: "),
        ({"http": {"bind": "127.0.0.1:0", "tokens_file": "missing.yaml"}}, "missing.yaml"),
        ({"http": {"bind": "127.0.0.1:0", "audit_file": "missing/audit"}}, "coordinator.http.audit_file: "),
        ({"store": "fleet.yaml/fleet.db"}, "coordinator.store: "),
        ({"store": "folder"}, "coordinator.store: "),
        ({"store": "newer.db"}, "coordinator.store: newer.db is of a newer version"),
        (
            dict.fromkeys(("curve_secret_key_file", "curve_engine_keys", "curve_allowed_keys"), "missing"),
            "coordinator.curve_secret_key_file: ",
        ),
    ],
)
def test_what_the_coordinator_refuses_is_not_valid(folder: Path, coordinator: dict[str, Any], setting: str) -> None:
    (folder / "folder").mkdir()
    with sqlite3.connect(folder / "newer.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    code, said = check(folder, coordinator=coordinator)
    assert code == 2 and setting in said
    assert setting in refused(folder)
    assert check(folder, "--join", coordinator=coordinator)[1].startswith(
        "partstream: fleet.yaml: cluster.token_file: "
    )


def test_several_errors_are_told_at_once(folder: Path) -> None:
    wrong = {"bind": "tcp://0.0.0.0:0", "http": {"bind": "0.0.0.0:0"}}
    engine = {"rules_file": "missing.yaml", "publish": {"endpoint": "tcp://0.0.0.0:0", "replay": "tcp://127.0.0.1:0"}}
    keys = {"server_key": "missing.key", "key_file": "missing.key_secret"}
    code, said = check(folder, coordinator=wrong, engine=engine, membership=keys)
    assert code == 2
    for setting in (
        "coordinator.bind: ",
        "coordinator.http.bind: ",
        "engine gpu-1: rules_file: ",
        "engine gpu-1: publish.endpoint: ",
        "membership.server_key, membership.key_file: missing.key",
    ):
        assert said.count(f"partstream: fleet.yaml: {setting}") == 1, setting


def test_two_sockets_at_one_address_are_not_valid(folder: Path) -> None:
    address = f"tcp://127.0.0.1:{reserved_port()}"
    code, said = check(folder, coordinator={"bind": address, "directory": address})
    assert code == 2 and said.count("coordinator.directory: ") == 1
    assert f"coordinator.directory: {address} is taken by coordinator.bind ({address})" in said


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"coordinator": {"bind": "tcp://127.0.0.1:5570", "http": {"bind": "0.0.0.0:5570", "read_token": "t" * 32}}},
            "coordinator.http.bind: 0.0.0.0:5570 is taken by coordinator.bind (tcp://127.0.0.1:5570)",
        ),
        (
            {
                "coordinator": {"bind": "tcp://127.0.0.1:5570"},
                "engine": {"publish": {"endpoint": "tcp://localhost:5570", "replay": "tcp://127.0.0.1:0"}},
            },
            "engine gpu-1: publish.endpoint: tcp://localhost:5570 is taken by coordinator.bind (tcp://127.0.0.1:5570)",
        ),
        (
            {"coordinator": {"bind": "tcp://127.0.0.1:5570"}, "cluster": {"first_port": 5560}},
            "coordinator.bind: tcp://127.0.0.1:5570 has a port of Ray, which has 5560 to 5591 here (cluster.first_port",
        ),
        (
            {"engine": {}, "nodes": {"gpu-2": {"engines": {"a": {}, "b": {}}}}},
            "engine b: http.bind: 127.0.0.1:9090 is taken by http.bind of the engine a (127.0.0.1:9090)",
        ),
    ],
)
def test_a_port_that_is_given_twice_on_one_machine_is_an_error_with_both_settings(
    folder: Path, settings: dict[str, Any], expected: str
) -> None:
    code, said = check(folder, **settings)
    assert code == 2 and f"partstream: fleet.yaml: {expected}" in said
    assert said.count(expected.partition(": ")[0] + ": ") == 1 or expected.startswith("engine")


def test_the_coordinators_ports_are_free_on_nodes_without_it_and_equal_ports_of_other_addresses_differ(
    folder: Path,
) -> None:
    (folder / "fleet").mkdir()
    (folder / "fleet" / "token").write_text("0123456789abcdef" * 4)
    (folder / "fleet" / "token").chmod(0o600)
    port = reserved_port()
    engine = {"publish": {"endpoint": f"tcp://127.0.0.1:{port}", "replay": f"tcp://127.0.0.2:{port}"}}
    coordinator = {"bind": f"tcp://127.0.0.1:{port}"}
    assert check(folder, "--join", coordinator=coordinator, engine=engine) == (0, "fleet.yaml: valid (0 cameras)")


def test_a_video_file_that_is_missing_here_is_an_error_unless_its_camera_is_pinned_elsewhere(folder: Path) -> None:
    (folder / "kept.mp4").touch()
    cameras: list[dict[str, Any]] = [
        {"id": "kept", "source": "kept.mp4"},
        {"id": "far", "source": "missing.mp4", "pin": "gpu-2"},
        {"id": "off", "source": "missing.mp4", "enabled": False},
        {"id": "web", "source": "http://192.0.2.1/missing.mp4"},
    ]
    assert check(folder, cameras=cameras)[0] == 0
    for pin in (None, "gpu-1"):
        code, said = check(folder, cameras=[*cameras, {"id": "gone", "source": "missing.mp4", "pin": pin}])
        assert code == 2 and said.count("there is no file") == 1
        assert "fleet.yaml: camera gone: source: there is no file missing.mp4 on this machine: correct the path" in said


def test_a_pin_that_the_nodes_do_not_list_and_an_unknown_host_are_warnings(folder: Path) -> None:
    dock = {"id": "dock", "source": "pattern:", "pin": "gpu-7"}
    assert check(folder, cameras=[dock]) == (0, "fleet.yaml: valid (1 camera)"), "no node is listed"
    cluster = {"address": "nosuchhost.invalid"}
    code, said = check(
        folder,
        cameras=[dock, dock | {"id": "y", "pin": "a"}],
        nodes={"gpu-1": {"engines": {"a": ENGINE}}},
        cluster=cluster,
    )
    assert code == 0 and said.endswith("fleet.yaml: valid (2 cameras)") and said.count("warning") == 2
    assert "fleet.yaml: warning: camera dock: pin: `nodes` has no node and no engine gpu-7" in said
    assert "did you mean `gpu-1`?" in said
    assert "fleet.yaml: warning: cluster.address: 'nosuchhost.invalid' is unknown on this machine" in said


def test_a_fleet_that_runs_is_no_error(folder: Path) -> None:
    with ExitStack() as sockets:
        ports = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(5)]
        bind, directory, replay, endpoint, http = ports
        running = {
            "bind": f"tcp://127.0.0.1:{bind}",
            "directory": f"tcp://127.0.0.1:{directory}",
            "replay": f"tcp://127.0.0.1:{replay}",
            "http": {"bind": f"127.0.0.1:{http}"},
        }
        engine = {"publish": {"endpoint": f"tcp://127.0.0.1:{endpoint}", "replay": "tcp://127.0.0.1:0"}}
        assert check(folder, coordinator=running, engine=engine)[0] == 0


def test_a_token_that_others_can_read_is_not_valid_and_a_node_that_joins_needs_one(folder: Path) -> None:
    token = folder / "fleet" / "token"
    assert "cluster.token_file: fleet/token: there is no token" in check(folder, "--join")[1]
    token.parent.mkdir()
    token.write_text("0123456789abcdef" * 4)
    token.chmod(0o644)
    assert "cluster.token_file: fleet/token: other users can read" in check(folder)[1]
    token.chmod(0o600)
    assert check(folder)[0] == check(folder, "--join")[0] == 0


def test_the_engines_of_the_named_node_are_checked(folder: Path) -> None:
    nodes = {"gpu-1": {"engines": {"a": {}, "b": {"rules_file": "missing.yaml", "http": {"bind": None}}}}}
    code, said = check(folder, nodes=nodes)
    assert code == 2 and "engine b: rules_file: " in said and "engine a" not in said
    nodes["gpu-2"] = nodes.pop("gpu-1")
    assert check(folder, nodes=nodes)[0] == 0


def test_an_engines_http_server_that_needs_a_token_is_not_valid(folder: Path) -> None:
    code, said = check(folder, engine=ENGINE | {"http": {"bind": "0.0.0.0:0"}})
    assert code == 2 and "engine gpu-1: http.bind: " in said


def test_of_engines_and_cameras_of_other_nodes_what_is_wrong_on_every_machine_is_not_valid(folder: Path) -> None:
    of_gpu_2 = {"rules_file": "missing.yaml", "model": {"profile": "missing.safetensors", "device": "cuda:7"}}
    background = {"file": "missing.png", "sha256": "0" * 64, "approved_by": "Ann"}
    camera = {"id": "lobby", "source": "pattern:", "background": background}
    nodes = {"gpu-2": {"engine": of_gpu_2}}
    assert check(folder, nodes=nodes, cameras=[camera | {"pin": "gpu-2"}])[0] == 0, "these files can be there"
    assert check(folder, nodes=nodes, cameras=[camera])[0] == 2
    nodes["gpu-2"]["engine"] = {"model": {"device": "gpu"}, "publish": {"endpoint": "tcp://0.0.0.0:5555"}}
    code, said = check(folder, nodes=nodes)
    assert code == 2 and "engine gpu-2: model.device: 'gpu' is not auto" in said
    assert "engine gpu-2: publish.endpoint: anyone who can reach tcp://0.0.0.0:5555 could read" in said
