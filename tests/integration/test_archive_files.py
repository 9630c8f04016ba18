"""The archive's files: complete and without duplicates after a power cut at any step, and within their limits."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import msgspec
import pytest

import support.engines.wire_messages as wire
from stream.archive.archive import Archive, DiskSpaceError
from stream.archive.tables import SCHEMAS, batch, gap_row, rows_of
from stream.messaging.gaps import Position
from stream.settings.config_error import ConfigError
from stream.subscriber import Gap
from support.engines.archive_writes import HOUR_US, TOPIC, PowerCutError, numbered, power_cut_at, write
from support.engines.archiving import ask, numbers


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_after_a_power_cut_at_any_step_each_row_is_archived_once(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "before")
    write(archive, numbered(range(10)), 10)
    archive.close()
    completed = False
    step = 0
    while not completed:
        step += 1
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "before", folder)
        archive = Archive(folder)
        with power_cut_at(step) as done:
            try:
                write(archive, numbered(range(10, 20), HOUR_US // 8), 20)
                completed = True
            except PowerCutError:
                pass
        archive.close()
        again = Archive(folder)
        (position,) = again.positions
        assert position in (Position(TOPIC, wire.RUN, 1, 10), Position(TOPIC, wire.RUN, 1, 20))
        assert (position.next_seq == 20) == (done.count("replace") > 0)
        write(again, numbered(range(position.next_seq, 25)), 25)
        again.close()
        both = ask(folder, "SELECT list(seq ORDER BY seq), (SELECT list(seq ORDER BY seq) FROM {people}) FROM {frames}")
        assert both == [(list(range(25)), list(range(25)))], f"after {done}"
        assert not list(folder.rglob("*.part"))
    assert step > 20, "each file, and archive.json, is created, synchronised and renamed"


@pytest.mark.parametrize("step", [1, 5, 11])
def test_a_write_that_fails_on_a_full_disk_changes_nothing_and_can_be_repeated(tmp_path: Path, step: int) -> None:
    archive = Archive(tmp_path)
    write(archive, numbered(range(10)), 10)
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    original, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= step:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        try:
            write(archive, numbered(range(10, 20)), 20)
            failed = False
        except OSError:
            failed = True
    assert failed == (archive.positions[0].next_seq == 10)
    if failed:
        assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before
        write(archive, numbered(range(10, 20)), 20)
    write(archive, numbered(range(20, 22)), 22)
    assert numbers(tmp_path) == list(range(22))
    archive.close()


def test_a_reader_sees_complete_files_only_while_others_are_written(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    writes, a_write = 40, 50
    writing = threading.Thread(
        target=lambda: [
            write(archive, numbered(range(k * a_write, (k + 1) * a_write)), (k + 1) * a_write) for k in range(writes)
        ]
    )
    writing.start()
    seen = [0]
    while writing.is_alive() or seen[-1] < writes * a_write:
        ((count, distinct),) = ask(tmp_path, "SELECT count(*), count(DISTINCT seq) FROM {people}")
        assert count == distinct
        assert count % a_write == 0
        seen.append(count)
    writing.join()
    archive.close()
    assert seen == sorted(seen)
    assert len(set(seen)) > 2, "the archive was not read while it was written"


def test_rows_are_stored_by_their_hour_or_day(tmp_path: Path) -> None:
    for partition, folders in (("hour", ["hour=14", "hour=15", "hour=16"]), ("day", ["day=2026-09-21"])):
        folder = tmp_path / partition
        archive = Archive(folder, partition=partition)  # pyright: ignore[reportArgumentType]
        write(archive, numbered(range(4), HOUR_US * 3 // 5), 4)
        archive.close()
        filed = {path.parent.name for path in (folder / "people" / "day=2026-09-21").rglob("*.parquet")}
        assert filed == set(folders)
        assert ask(folder, "SELECT DISTINCT day::VARCHAR FROM {people}") == [("2026-09-21",)]


def test_the_oldest_files_are_removed_beyond_the_maximum_size(tmp_path: Path) -> None:
    archive = Archive(tmp_path, keep_bytes=40_000)
    foreign = tmp_path / "people" / "notes.parquet.txt"
    foreign.write_text("not a file of the archive")
    for k in range(30):
        write(archive, numbered(range(k * 10, k * 10 + 10)), k * 10 + 10)
        assert archive.bytes_kept <= 40_000
    kept = sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert kept == archive.bytes_kept
    assert archive.removed > 10
    left = numbers(tmp_path)
    assert left == list(range(left[0], 300))
    assert foreign.exists()
    for table in SCHEMAS:
        ask(tmp_path, f"SELECT * FROM {{{table}}}")
    archive.close()


def test_files_beyond_the_maximum_age_are_removed_also_at_the_start(tmp_path: Path) -> None:
    now = 1_790_000_000.0
    archive = Archive(tmp_path, keep_days=2, now=lambda: now)
    for k in range(5):
        write(archive, numbered(range(k * 10, k * 10 + 10)), k * 10 + 10)
        now += 86_400
    assert numbers(tmp_path) == list(range(20, 50))
    archive.close()
    now += 86_400
    Archive(tmp_path, keep_days=2, now=lambda: now).close()
    assert numbers(tmp_path) == list(range(40, 50)), "a table's last file stays"


def test_files_written_after_the_clock_was_set_back_by_a_year_are_removed_by_their_own_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_790_000_000.0

    def clock() -> float:
        return now

    monkeypatch.setattr(os, "fsync", lambda descriptor: os.utime(descriptor, (now, now)))
    archive = Archive(tmp_path, keep_days=2, now=clock)
    for k in range(7):
        write(archive, numbered(range(k * 10, k * 10 + 10)), k * 10 + 10)
        now += -365 * 86_400 if k == 1 else 86_400
    archive.close()
    assert numbers(tmp_path) == list(range(40, 70))


def test_setting_the_clock_back_overwrites_no_file(tmp_path: Path) -> None:
    now = 1_790_000_000.0
    archive = Archive(tmp_path, now=lambda: now)
    write(archive, numbered(range(10)), 10)
    write(archive, numbered(range(10, 20)), 20)
    now -= 3600
    write(archive, numbered(range(20, 30)), 30)
    archive.close()
    assert numbers(tmp_path) == list(range(30))


def test_the_space_to_be_left_free_is_not_used(tmp_path: Path) -> None:
    archive = Archive(tmp_path, least_free=1 << 60)
    with pytest.raises(DiskSpaceError, match="must stay free"):
        write(archive, numbered(range(10)), 10)
    archive.close()
    assert numbers(tmp_path) == []


def test_a_second_archive_process_in_the_same_folder_is_an_error(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    with pytest.raises(ConfigError, match="another archive process"):
        Archive(tmp_path)
    archive.close()
    Archive(tmp_path).close()


@pytest.mark.parametrize(
    "state", [b"", b"{", b"\xff", b'{"positions":[],"files":["../../etc/passwd"]}', b'{"positions":[1],"files":[]}']
)
def test_a_damaged_state_file_is_an_error_and_is_not_changed(tmp_path: Path, state: bytes) -> None:
    (tmp_path / "archive.json").write_bytes(state)
    with pytest.raises(ConfigError, match=r"archive\.json"):
        Archive(tmp_path)
    assert (tmp_path / "archive.json").read_bytes() == state


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be used: Not a directory"):
        Archive(tmp_path / "file" / "archive")


def test_every_field_of_every_message_is_in_a_row(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    event = msgspec.structs.replace(wire.event(), run=wire.RUN, seq=4, experimental=True)
    status = msgspec.structs.replace(wire.status(), run=wire.RUN, seq=5)
    gap = Gap(TOPIC, wire.RUN, 1, 7, 5, 3)
    write(archive, [*numbered([3]), event, status], 4)
    archive.write({"gaps": [batch("gaps", [gap_row(gap, 1_790_000_000_000_000)])]}, [])
    archive.close()
    ((row,),) = ask(tmp_path, "SELECT to_json(people) FROM {people} AS people")
    person = msgspec.json.decode(row)
    assert person["parts"][0]["part"] == "right_hand"
    assert [state["label"] for state in person["parts"][0]["states"]] == ["wave", "raise"]
    assert (person["track"], person["action"], person["x2"], person["y1"]) == (1, "wave", 590.0, 118.5)
    assert person["action_experimental"] is False and person["holds"] == ["cup"]
    assert (person["foot_x"], person["foot_y"], person["zones"]) == (503.5, 632.0, ["hall"])
    assert (person["parts"][0]["x1"], person["parts"][0]["y2"], person["parts"][0]["holds"]) == (540.0, 178.0, "cup")
    assert (person["stature"], person["trunk"], person["crossed"]) == (521.5, 4, [{"line": "door", "side": "right"}])
    assert (round(person["hips"], 2), round(person["speed"], 2)) == (0.52, 0.03)
    assert person["since_utc"] == "2026-09-21 14:13:18.4"
    assert ask(tmp_path, "SELECT camera, people, objects[1].label, profile, look, object_boxes FROM {frames}") == [
        ("lobby", 1, "cup", "edge", "whole", [[550.0, 150.0, 580.0, 180.0]])
    ]
    assert ask(tmp_path, "SELECT seq, kind, label, previous, x1, experimental FROM {events}") == [
        (4, "changed", "wave", "stand", 412, True)
    ]
    assert ask(tmp_path, "SELECT seq, state, width, source FROM {status}") == [
        (5, "live", 1280, "rtsp://camera.example/stream")
    ]
    assert ask(tmp_path, "SELECT camera, kind, first_seq, missed, replayed, lost FROM {gaps}") == [
        ("lobby", "results", 7, 5, 3, 2)
    ]


def test_the_most_relevant_parts_of_a_person_are_kept() -> None:
    ((_, row),) = [found for found in rows_of(numbered([0])[0], 1) if found[0] == "people"]
    parts = row[SCHEMAS["people"].get_field_index("parts")]
    assert [part["part"] for part in parts] == ["right_hand"]  # pyright: ignore


def test_published_numbers_are_those_of_the_archive_rounded(tmp_path: Path) -> None:
    values = [0.1, 33.3, 412.7, 1919.9, 4095.9, 7679.9]
    people = [msgspec.structs.replace(wire.person(1), box=(value,) * 4, foot=(value, value)) for value in values]
    archive = Archive(tmp_path)
    write(archive, [msgspec.structs.replace(wire.frame(), run=wire.RUN, people=people)], 1)
    archive.close()
    read = ask(tmp_path, "SELECT x1, y2, foot_x FROM {people} ORDER BY x1")
    assert [tuple(round(value, 1) for value in row) for row in read] == [(value,) * 3 for value in values]
