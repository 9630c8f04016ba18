from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from stream.archive.archive import Archive, DiskSpaceError
from stream.recording.disk_condition import DiskCondition


def test_every_message_about_a_full_disk_names_two_different_amounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=400_000))
    clips = DiskCondition("recording", tmp_path, 500_000, "clips", "clips are lost")
    assert not clips.has_room()
    archive = Archive(tmp_path / "archive", least_free=500_000)
    with pytest.raises(DiskSpaceError) as archived:
        archive.write({}, [])
    archive.close()
    for message in (clips.message, str(archived.value)):
        assert "400.0 KB are free, less than " in message and "500.0 KB" in message
