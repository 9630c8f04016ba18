"""The list of clients is read again, and unreadable files reject their clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.messaging.curve.authenticator import CHECK_INTERVAL_S, AllowList
from stream.messaging.curve.keys import KeyFileError, KeyPair

WALL, NAS = KeyPair.new(), KeyPair.new()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wall.key").write_text(WALL.public_certificate())
    (tmp_path / "README").write_text("only *.key files are read")
    return tmp_path


def listed(allowed: AllowList, now: float) -> tuple[bool, bool]:
    return allowed.allows(WALL.public, now), allowed.allows(NAS.public, now)


def test_a_change_applies_from_the_next_check_on_and_checks_are_a_second_apart(folder: Path) -> None:
    allowed = AllowList(folder, 0.0)
    assert listed(allowed, CHECK_INTERVAL_S) == (True, False)
    (folder / "nas.key").write_text(NAS.public_certificate())
    (folder / "wall.key").unlink()
    assert listed(allowed, 2 * CHECK_INTERVAL_S - 0.01) == (True, False)
    assert listed(allowed, 2 * CHECK_INTERVAL_S) == (False, True)


def test_a_damaged_file_rejects_its_clients_and_keeps_those_of_other_files(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "nas.key").write_text(NAS.public_certificate())
    allowed = AllowList(folder, 0.0)
    (folder / "nas.key").write_text(NAS.public_certificate()[:-5])
    assert listed(allowed, 5.0) == (True, False)
    assert "nas.key is not a ZeroMQ certificate" in caplog.text
    (folder / "wall.key").unlink()
    (folder / "nas.key").unlink()
    (folder / "README").unlink()
    folder.rmdir()
    assert listed(allowed, 10.0) == (False, False)


def test_an_unreadable_list_at_start_is_an_error_and_an_empty_folder_is_not(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        AllowList(tmp_path / "absent", 0.0)
    (folder / "bad.key").write_text("")
    with pytest.raises(KeyFileError, match=r"bad\.key is not a ZeroMQ certificate"):
        AllowList(folder, 0.0)
    (tmp_path / "empty").mkdir()
    assert listed(AllowList(tmp_path / "empty", 0.0), 0.0) == (False, False)
