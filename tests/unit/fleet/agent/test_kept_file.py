"""Files that an agent writes each time it starts."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NoReturn

import pytest

from fleet.agent import kept_file
from fleet.agent.agent import Agent
from fleet.agent.node import agent_of
from fleet.settings import FleetConfig
from stream.settings import files
from support.waiting import until


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "replace", full)


def test_a_file_is_written_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "gpu-0.yaml"
    path.write_text("a: 1\n")
    path.chmod(0o644)
    for text in ("a: 1\n", "a: 2\n"):
        kept_file.write(path, text)
        assert (path.read_text(), path.stat().st_mode & 0o777) == (text, 0o600)


def test_a_file_that_does_not_change_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "gpu-0.yaml"
    kept_file.write(path, "a: 1\n")
    before = path.stat().st_ino
    kept_file.write(path, "a: 1\n")
    assert path.stat().st_ino == before


def test_on_a_full_disk_the_file_from_before_stays(
    tmp_path: Path, full_disk: None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "gpu-0.yaml"
    path.write_text("a: 1\n")
    kept_file.write(path, "a: 2\n")
    assert path.read_text() == "a: 1\n"
    assert f"{path} can't be written, so the file from before is used: No space left on device" in caplog.text


def test_a_file_that_is_missing_and_cannot_be_written_is_an_error(tmp_path: Path, full_disk: None) -> None:
    with pytest.raises(OSError, match="No space left"):
        kept_file.write(tmp_path / "gpu-0.yaml", "a: 1\n")


async def test_an_agent_keeps_its_engines_running_although_the_disk_is_full(tmp_path: Path, full_disk: None) -> None:
    folder = tmp_path / "fleet" / "engines"
    folder.mkdir(parents=True)
    (folder / "coordinator").write_text("tcp://10.0.0.2:5570\n")
    (folder / "gpu-0.yaml").write_text("{}\n")
    config = FleetConfig.model_validate({"coordinator": {"bind": "tcp://0.0.0.0:5570", "allow_plaintext": True}})
    agent: Agent = agent_of(config, "gpu-0", "10.0.0.9", "10.0.0.3", tmp_path)
    keeper = agent.keepers["gpu-0"]
    keeper.process.command = ("sleep", "600")
    try:
        agent.start()
        await until(lambda: keeper.running)
    finally:
        await keeper.stop(within_s=0)
