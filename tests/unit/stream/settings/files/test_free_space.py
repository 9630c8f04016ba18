from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from stream.archive.archive import Archive, DiskSpaceError
from stream.incidents.picture_files import NoRoomError, PictureFiles
from stream.recording.library import ClipLibrary
from stream.settings.files import too_little


@pytest.mark.parametrize(
    ("free", "least", "text"),
    [
        (400_000_000, 10**9, "400.0 MB are free, less than x.least_free (1.0 GB)"),
        (0, 500_000, "0 bytes are free, less than x.least_free (500.0 kB)"),
        (1_999_999, 2_000_000, "1999999 bytes are free, less than x.least_free (2000000 bytes)"),
    ],
)
def test_the_space_that_is_free_reads_as_less_than_the_space_that_must_be(free: int, least: int, text: str) -> None:
    assert too_little(free, "x.least_free", least) == text


def test_every_message_about_a_full_disk_names_two_different_amounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=400_000))
    clips = ClipLibrary(tmp_path, 10**9, 500_000)
    assert not clips.check_disk()
    with pytest.raises(NoRoomError) as incidents:
        PictureFiles(tmp_path, 500_000).check_room()
    archive = Archive(tmp_path / "archive", least_free=500_000)
    with pytest.raises(DiskSpaceError) as archived:
        archive.write({}, [])
    archive.close()
    for message in (clips.message, str(incidents.value), str(archived.value)):
        assert "400.0 kB are free, less than " in message and "500.0 kB" in message
