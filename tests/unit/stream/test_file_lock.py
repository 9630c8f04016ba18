"""Tests of locks by which only one process uses something."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from stream import file_lock


def test_a_lock_is_held_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not file_lock.is_held(path)
    descriptor = file_lock.hold(path)
    assert descriptor is not None
    assert file_lock.is_held(path) and file_lock.hold(path) is None
    os.close(descriptor)
    assert not file_lock.is_held(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_link_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        file_lock.hold(path)
    assert not (tmp_path / "elsewhere").exists()


def test_the_holder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = file_lock.held(path)
    with pytest.raises(file_lock.InUseError, match=f"in use by process {os.getpid()}"):
        file_lock.held(path)
    assert file_lock.holder_of(path, tmp_path / "missing") == "another process"
    os.close(descriptor)
    assert file_lock.holder_of(path) == "another process"
    os.close(file_lock.held(path))
