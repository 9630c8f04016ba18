"""Opening files for writing at paths that a user gives, which can be those of other files, pipes or devices."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from stream import output_file


def test_a_file_is_opened_without_being_emptied_and_a_new_one_has_the_given_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    os.close(output_file.opened(path, os.O_WRONLY | os.O_TRUNC))
    assert path.read_text() == "content"
    os.close(output_file.opened(tmp_path / "new", os.O_WRONLY, output_file.PRIVATE))
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_pipes_devices_and_folders_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null"), tmp_path):
        with pytest.raises(OSError):
            output_file.opened(path, os.O_WRONLY)
        with pytest.raises(OSError, match="not a regular file"):
            output_file.opened(path, os.O_RDWR) if path.name == "pipe" else output_file.check_regular(path)
        with pytest.raises(OSError, match="not a regular file"), output_file.replacing(path):
            raise AssertionError
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_file_takes_the_place_of_another_one_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    with output_file.replacing(path) as unfinished:
        unfinished.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    with pytest.raises(ZeroDivisionError), output_file.replacing(path) as unfinished:
        unfinished.write_text("second")
        raise ZeroDivisionError
    assert [path.read_text(), list(path.parent.iterdir())] == ["first", [path]]


def test_a_file_that_is_read_is_not_replaced_whatever_its_name(tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    video.write_text("pictures")
    os.link(video, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(video)
    (tmp_path / "folder").mkdir()
    for path in (video, tmp_path / "hard", tmp_path / "soft", tmp_path / "folder" / ".." / "video.mp4"):
        with (
            pytest.raises(output_file.NotOwnFileError, match="choose another file"),
            output_file.replacing(path, [tmp_path / "missing", video]),
        ):
            raise AssertionError
    assert video.read_text() == "pictures"
    assert output_file.same(tmp_path / "missing", tmp_path / "folder" / ".." / "missing")
