"""The file of Ray's token."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet.cluster import token_file
from stream.settings.config_error import ConfigError


def test_a_new_token_can_be_read_by_its_owner_only_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "fleet" / "token"
    assert token_file.create(path)
    token_file.check(path)
    first = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert not token_file.create(path)
    assert path.read_text() == first
    other = tmp_path / "other"
    token_file.create(other)
    assert other.read_text() != first


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token_file.create(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="other users can read the token"):
        token_file.check(path)


@pytest.mark.parametrize("text", ["", "short", "x" * 31, "x" * 20 + "\n" + "y" * 20, "ä" * 40, "x" * 5000 + " "])
def test_a_file_without_a_good_token_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    token_file.create(path)
    path.write_text(text)
    with pytest.raises(ConfigError, match="must contain a token") as error:
        token_file.check(path)
    assert "xxx" not in str(error.value)


def test_a_missing_token_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no token"):
        token_file.check(tmp_path / "token")


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="the token can't be written"):
        token_file.create(tmp_path / "file" / "token")


def test_a_named_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token", 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        token_file.check(tmp_path / "token")
