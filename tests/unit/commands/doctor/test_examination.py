"""The doctor's checks, each with and without its fault."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest
import torch
import zmq

from commands.doctor import bounded, disk, examination, installation, model_files, names, ports
from commands.doctor.bounded import Check
from commands.doctor.examination import Wanted, examine
from commands.doctor.finding import Finding, ok
from commands.doctor.port_owner import Owner, owner_of
from stages.profiles import load_checkpoint, load_detector
from stages.settings import ModelSettings
from stages.third_party import weights
from stages.third_party.weight_catalogue import KEYPOINT_DETECTOR
from stages.third_party.weights import WeightsError
from stream.config import Config
from stream.settings.engine import CameraConfig, PublishConfig
from stream.settings.network import HttpConfig
from stream.settings.recording import RecordingConfig
from support.ports import reserved_port
from support.repository import REPOSITORY

LOCAL = "tcp://127.0.0.1:{}"


def camera(camera_id: str = "door", **settings: object) -> CameraConfig:
    return CameraConfig.model_validate({"id": camera_id, "source": "rtsp://h/x", **settings})


@pytest.fixture
def taken() -> object:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def wrong_movenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache with one wrong byte in MoveNet's file."""
    right = weights.fetch(KEYPOINT_DETECTOR[0])
    wrong = tmp_path / "cache" / right.relative_to(weights.cache_dir())
    shutil.copytree(right, wrong)
    file = next(wrong.glob("*.bin"))
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path / "cache"))
    return file


# -- what is installed --------------------------------------------------------------------------------------------


def test_the_relevant_versions_are_reported() -> None:
    found = installation.versions()
    assert found.level == "ok"
    for name in ("Python", "torch", "FFmpeg", "libzmq"):
        assert name in found.seen


def test_a_missing_decoder_is_a_fault() -> None:
    assert installation.decoders([]).level == "ok"
    found = installation.decoders([], codecs=("h264", "h999"))
    assert found.level == "fault"
    assert "h999" in found.seen
    assert "h264" not in found.seen


# -- the model ----------------------------------------------------------------------------------------------------


def test_missing_cuda_is_a_fault_with_a_remedy_if_it_is_configured() -> None:
    found = model_files.device(ModelSettings(device=f"cuda:{torch.cuda.device_count()}"))
    assert found.level == "fault"
    assert "no such CUDA device" in found.seen
    assert "model.device" in found.remedy
    assert model_files.device(ModelSettings(device="cpu")).level == "ok"


def test_a_gpu_that_torch_does_not_find_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (driver := tmp_path / "version").touch()
    assert model_files.device(ModelSettings(), driver).level == "warning"
    assert model_files.device(ModelSettings(), tmp_path / "absent").level == "ok"


def test_missing_weights_are_a_fault_with_the_command_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model_files.model_weights(ModelSettings()).level == "ok"
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path))
    found = model_files.model_weights(ModelSettings())
    assert found.level == "fault"
    assert "missing" in found.seen
    assert "weights fetch movenet-multipose" in found.remedy


def test_each_network_of_the_detector_is_checked_and_asked_for_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [weights.locate(name) for name in KEYPOINT_DETECTOR]
    cache = weights.cache_dir()
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path))
    for name, folder in zip(KEYPOINT_DETECTOR, folders, strict=True):
        found = model_files.model_weights(ModelSettings())
        assert found.level == "fault" and f"weights fetch {name}" in found.remedy
        with pytest.raises(WeightsError, match=f"weights fetch {name}"):
            load_detector(load_checkpoint("edge"), objects=True, second_looks=True)
        shutil.copytree(folder, tmp_path / folder.relative_to(cache))
    assert model_files.model_weights(ModelSettings()).level == "ok"


def test_weights_with_a_wrong_hash_are_a_fault_even_if_they_were_right_before(wrong_movenet: Path) -> None:
    stamp = wrong_movenet.parent / ".verified.json"
    believed = json.loads(stamp.read_text())
    believed[wrong_movenet.name][2] = wrong_movenet.stat().st_mtime_ns
    stamp.write_text(json.dumps(believed))
    found = model_files.model_weights(ModelSettings())
    assert found.level == "fault"
    assert f"{wrong_movenet} has SHA-256" in found.seen
    assert "Delete damaged files" in found.remedy


def test_a_missing_checkpoint_is_a_fault(tmp_path: Path) -> None:
    found = model_files.model_weights(ModelSettings(profile=str(tmp_path / "none.safetensors")))
    assert found.level == "fault"
    assert "none.safetensors" in found.seen
    assert found.remedy


# -- ports --------------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_a_fault_that_names_the_program(taken: int) -> None:
    for found in (
        ports.zeromq("publish.endpoint", LOCAL.format(taken), PublishConfig()),
        ports.http_server(HttpConfig(bind=f"127.0.0.1:{taken}")),
    ):
        assert found.level == "fault"
        assert f"(process {os.getpid()})" in found.seen
        assert "another port" in found.remedy


def test_ports_in_use_by_the_running_engine_are_a_warning(taken: int) -> None:
    engine = Owner(os.getpid(), "partstream")
    assert ports.zeromq("publish.endpoint", LOCAL.format(taken), PublishConfig(), engine).level == "warning"
    assert ports.http_server(HttpConfig(bind=f"127.0.0.1:{taken}"), engine).level == "warning"
    another = Owner(1, "partstream")
    assert ports.zeromq("publish.endpoint", LOCAL.format(taken), PublishConfig(), another).level == "fault"


def test_free_ports_are_ok_and_free_again_afterwards() -> None:
    port = reserved_port()
    for _ in range(2):
        assert ports.zeromq("publish.replay", LOCAL.format(port), PublishConfig()).level == "ok"
        assert ports.http_server(HttpConfig(bind=f"127.0.0.1:{port}")).level == "ok"


def test_a_program_that_is_no_engine_is_not_taken_for_one(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "ASK_WITHIN_S", 0.1)
    assert ports.engine_at(HttpConfig(bind=f"127.0.0.1:{taken}")) is None


def test_a_free_port_has_no_owner(taken: int) -> None:
    assert owner_of(taken) == Owner(os.getpid(), Path("/proc/self/comm").read_text().strip())
    with zmq.Context() as context, context.socket(zmq.PUB) as publishing:
        port = publishing.bind_to_random_port("tcp://127.0.0.1")
        assert (owner_of(port) or Owner(0, "")).pid == os.getpid()
    assert owner_of(reserved_port()) is None


def test_listening_to_other_hosts_without_protection_is_a_fault_with_a_remedy() -> None:
    found = ports.zeromq("publish.endpoint", "tcp://0.0.0.0:0", PublishConfig())
    assert found.level == "fault"
    assert "partstream keys new" in found.remedy
    found = ports.http_server(HttpConfig(bind="0.0.0.0:0"))
    assert found.level == "fault"
    assert "http.read_token" in found.remedy


def test_two_settings_with_one_port_are_a_fault() -> None:
    port = reserved_port()
    publish = {"endpoint": f"tcp://127.0.0.1:{port}", "replay": f"tcp://*:{port}", "allow_plaintext": True}
    config = Config.model_validate(
        {"publish": publish, "http": {"bind": f"127.0.0.1:{port}"}, "model": {"profile": "free"}}
    )
    found = {one.check: one for one in examine(config, Wanted(open_cameras=False, self_test=False))}
    assert found["publish.endpoint"].level == "ok"
    for check in ("publish.replay", "http.bind"):
        assert found[check].level == "fault"
        assert f"has the port of publish.endpoint, tcp://127.0.0.1:{port}" in found[check].seen


def test_the_socket_of_a_running_engine_is_left_alone_and_its_process_named(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path / 'results'}"
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.bind(endpoint)
        inode = (tmp_path / "results").stat().st_ino
        found = ports.zeromq("publish.endpoint", endpoint, PublishConfig())
        assert found.level == "fault"
        assert f"(process {os.getpid()})" in found.seen
        own = ports.zeromq("publish.endpoint", endpoint, PublishConfig(), Owner(os.getpid(), "engine"))
        assert own.level == "warning"
        assert (tmp_path / "results").stat().st_ino == inode


def test_names_that_nothing_has_are_found_before_the_engine_starts(tmp_path: Path) -> None:
    (rules := tmp_path / "rules.yaml").write_text("rules: {down: {when: {actoin: fall}}}\n")
    recording = {"directory": tmp_path / "clips", "actions": {"fal": 0.5, "run": 0.5}, "cameras": ["dor", "door"]}
    content = {
        "cameras": [{"id": "door", "source": "pattern:"}],
        "recording": recording,
        "incidents": {"directory": tmp_path / "incidents", "actions": {"kik": 0.5}},
    }
    found = {one.check: one for one in names.names(Config.model_validate(content))}
    assert {check: one.level for check, one in found.items()} == {
        "recording.actions": "fault",
        "incidents.actions": "fault",
        "recording.cameras": "warning",
    }
    assert "`fal`" in found["recording.actions"].seen and "`fall`" in found["recording.actions"].remedy
    assert "`dor`" in found["recording.cameras"].seen and "`door`" in found["recording.cameras"].remedy
    (broken,) = names.names(Config.model_validate({**content, "rules_file": rules}))
    assert (broken.check, broken.level) == ("rules_file", "fault")


def test_missing_keys_are_a_fault(tmp_path: Path) -> None:
    assert ports.encryption(PublishConfig()).level == "ok"
    absent = tmp_path / "server.key_secret"
    found = ports.encryption(PublishConfig(curve_secret_key_file=absent, curve_allowed_keys=tmp_path))
    assert found.level == "fault"
    assert str(absent) in found.seen
    assert "keys new" in found.remedy


# -- disks --------------------------------------------------------------------------------------------------------


def full(folder: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_a_fault_wherever_something_is_to_be_written(tmp_path: Path) -> None:
    for found in (
        disk.recording(RecordingConfig(directory=tmp_path), write=full),
        disk.folder("results", tmp_path, write=full),
    ):
        assert found.level == "fault"
        assert f"{tmp_path} is full" in found.seen
        assert found.remedy == "Free some space there"


def test_less_space_than_recording_leaves_free_is_a_fault(tmp_path: Path) -> None:
    config = RecordingConfig.model_validate({"directory": tmp_path, "budget": "2MB", "least_free": "1GB"})
    assert disk.recording(config, free=lambda folder: 10**9 - 1).level == "fault"
    assert disk.recording(config, free=lambda folder: 10**9 + 10**6).level == "warning"
    assert disk.recording(config, free=lambda folder: 10**9 + 2 * 10**6).level == "ok"


def test_clips_that_are_kept_already_count_towards_their_budget(tmp_path: Path) -> None:
    config = RecordingConfig.model_validate({"directory": tmp_path, "budget": "2MB", "least_free": "1GB"})
    (tmp_path / "clip.mp4").write_bytes(bytes(10**6))
    assert disk.recording(config, free=lambda folder: 10**9 + 10**6).level == "ok"


def test_a_folder_to_be_made_is_checked_in_its_parent_and_nothing_is_left_behind(tmp_path: Path) -> None:
    assert disk.folder("results", tmp_path / "a" / "b").level == "ok"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert disk.folder("results", tmp_path / "file" / "b").level == "fault"


def test_a_complete_cache_may_be_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path))
    assert disk.cache(write=full).level == "warning"


# -- all of it ----------------------------------------------------------------------------------------------------


def test_a_check_that_hangs_is_abandoned_when_its_time_is_over() -> None:
    go_on = threading.Event()
    found = bounded.run(Check("slow", 0.05, lambda: ok("slow", str(go_on.wait()))))
    assert [(one.check, one.level) for one in found] == [("slow", "fault")]
    assert bounded.still_running()
    go_on.set()
    assert "0.05 s" in found[0].seen


def test_a_check_that_raises_an_error_names_its_place_and_quotes_no_message() -> None:
    def look() -> Finding:
        raise RuntimeError("rtsp://bob:hunter2@host")

    (found,) = bounded.run(Check("odd", 1.0, look))
    assert found.level == "fault"
    assert "RuntimeError" in found.seen
    assert __name__ in found.seen
    assert "hunter2" not in found.seen


def test_no_finding_shows_a_secret_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    leaky = ok("decoders", "read rtsp://bob:hunter2@10.0.0.7/x with hunter2, t0ken-123")
    monkeypatch.setattr(installation, "decoders", lambda cameras: leaky)
    config = Config.model_validate(
        {
            "cameras": [{"id": "door", "source": "rtsp://bob:hunter2@10.0.0.7/x"}],
            "http": {"bind": None, "read_token": "t0ken-123"},
            "model": {"profile": "free"},
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
        }
    )
    said = str(list(examine(config, Wanted(open_cameras=False, self_test=False))))
    assert "decoders" in said
    assert "hunter2" not in said
    assert "t0ken-123" not in said


def test_every_check_is_described_in_the_documentation(tmp_path: Path) -> None:
    documented = (REPOSITORY / "docs" / "doctor-and-top.md").read_text()
    config = Config.model_validate(
        {
            "cameras": [{"id": "door", "source": "pattern:64x64"}],
            "http": {"bind": None},
            "model": {"profile": "free"},
            "results": tmp_path / "results.jsonl",
            "state_file": tmp_path / "cameras.json",
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
        }
    )
    found = [finding.check for finding in examine(config, Wanted())]
    assert {"versions", "camera door", "folder of state_file", "self-test"} <= {*found}
    for check in found:
        assert f"`{check.replace('door', 'ID')}`" in documented


def test_without_a_model_the_self_test_is_skipped_with_a_message(tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "http": {"bind": None},
            "model": {"profile": str(tmp_path / "none.safetensors")},
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
        }
    )
    found = {finding.check: finding for finding in examine(config, Wanted(open_cameras=False))}
    assert found["weights"].level == "fault"
    assert found["self-test"].level == "warning"
    assert found["self-test"].seen.startswith("not run")


def test_a_state_file_that_cannot_be_read_in_time_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(examination.CameraStateFile, "load", lambda file: answers.wait())  # a disk that hangs
    monkeypatch.setattr(examination, "QUICK_S", 0.05)
    config = Config.model_validate({"state_file": tmp_path / "cameras.json"})
    found = next(finding for finding in examine(config, Wanted()) if finding.check == "configuration")
    assert (found.level, "took too long" in found.seen) == ("fault", True)
    answers.set()


def test_a_damaged_state_file_is_a_fault(tmp_path: Path) -> None:
    (state := tmp_path / "cameras.json").write_text("{")
    config = Config.model_validate({"state_file": state, "http": {"bind": None}, "model": {"profile": "free"}})
    found = {finding.check: finding for finding in examine(config, Wanted(open_cameras=False, self_test=False))}
    assert found["configuration"].level == "fault"
    assert str(state) in found["configuration"].seen
