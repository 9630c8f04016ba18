"""Rotation of a log file that another process has open."""

from __future__ import annotations

from pathlib import Path

from fleet.agent.log_file import rotate


def test_a_long_file_begins_again_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    with path.open("a") as log:
        for part in ("first\n", "second\n", "third\n"):
            log.write(part)
            log.flush()
            assert rotate(path, most_bytes=4, kept=2)
        log.write("last")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "engine.log": "last",
        "engine.log.1": "third\n",
        "engine.log.2": "second\n",
    }
    assert (tmp_path / "engine.log.1").stat().st_mode & 0o777 == 0o600


def test_a_short_file_and_a_missing_one_stay(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    assert not rotate(path, most_bytes=4)
    path.write_text("1234")
    assert not rotate(path, most_bytes=4)
    assert path.read_text() == "1234"
