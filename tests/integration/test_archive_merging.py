"""Merging an archive's small files: each row stays once and in the order of writing, after power cuts as well."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from stream.archive import archive as archives
from stream.archive.archive import Archive, ArchiveState
from stream.messaging.gaps import Position
from support.engines import wire_messages as wire
from support.engines.archive_writes import HOUR_US, TOPIC, PowerCutError, numbered, power_cut_at, write
from support.engines.archiving import ask, numbers
from support.examples import examples

START_S = wire.frame().capture_us / 1e6
HOUR = "day=2026-09-21/hour=14"
"""Partition of the first rows, and the folder of their files."""


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def write_many(archive: Archive, writes: int, first: int = 0) -> None:
    """Write three results at a time."""
    for seq in range(first, first + 3 * writes, 3):
        write(archive, numbered(range(seq, seq + 3)), seq + 3)


def merge_all(archive: Archive) -> None:
    while archive.merge():
        pass


def in_order(folder: Path, table: str = "frames") -> list[int]:
    """Return `seq` of all rows of a table, as files and rows follow each other."""
    files = sorted((folder / table).rglob("*.parquet"), key=lambda path: (path.name, path.parent))
    return [seq for path in files for seq in parquet.ParquetFile(path).read(["seq"])["seq"].to_pylist()]


def files(folder: Path, place: str = f"frames/{HOUR}") -> list[str]:
    return sorted(path.name for path in (folder / place).glob("*"))


MERGED = ("people", "frames")
"""The tables in which the tests write enough for a merge."""


def rows(folder: Path, tables: Sequence[str] = (*MERGED, "events", "status", "gaps")) -> list[list[tuple[object, ...]]]:
    """Return all rows of the tables, as DuckDB reads them."""
    return [ask(folder, f"SELECT * FROM {{{table}}} ORDER BY ALL") for table in tables]


def test_small_files_of_a_past_hour_become_one_with_the_same_rows(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    write_many(archive, 20)
    before, small = rows(tmp_path), files(tmp_path)
    merge_all(archive)
    assert rows(tmp_path) == before
    for table in ("frames", "people"):
        (merged,) = files(tmp_path, f"{table}/{HOUR}")
        assert merged < small[0] and in_order(tmp_path, table) == list(range(60))
    assert archive.merged == 40
    assert archive.bytes_kept == sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert len(archive) == len(list(tmp_path.rglob("*.parquet")))
    state = msgspec.json.decode((tmp_path / "archive.json").read_bytes(), type=ArchiveState)
    assert state == ArchiveState([Position(TOPIC, wire.RUN, 1, 60)], [])
    archive.close()


def test_files_of_the_present_hour_and_few_files_are_not_merged(tmp_path: Path) -> None:
    now = START_S
    archive = Archive(tmp_path, now=lambda: now)
    write_many(archive, archives.LEAST_FILES)
    for now in (START_S, START_S + 3600):  # the hour ends after 47 minutes
        assert archive.merge() == (now > START_S)
    merge_all(archive)
    write_many(archive, archives.LEAST_FILES - 2, 24)
    merge_all(archive)
    assert len(files(tmp_path)) == archives.LEAST_FILES - 1
    archive.close()


def test_after_a_power_cut_at_any_step_of_merging_each_row_is_archived_once(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "before")
    write_many(archive, 9)
    archive.close()
    expected = rows(tmp_path / "before", MERGED)
    completed, step, unmerged = False, 0, 0
    while not completed:
        step += 1
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "before", folder)
        archive = Archive(folder)
        with power_cut_at(step) as done, suppress(PowerCutError):
            completed = archive.merge()
        archive.close()
        for table in ("frames", "people"):
            seen = in_order(folder, table)
            assert len(seen) == len(set(seen)), "readers never see a row twice"
        again = Archive(folder)
        assert rows(folder, MERGED) == expected, f"after {done}"
        assert not list(folder.rglob("*.part")), f"after {done}"
        unmerged += len(files(folder)) == len(files(folder, f"people/{HOUR}")) == 9
        merge_all(again)
        assert rows(folder, MERGED) == expected
        write_many(again, 1, 27)
        again.close()
        assert in_order(folder) == in_order(folder, "people") == list(range(30))
        assert not list(folder.rglob("*.part"))
    assert 0 < unmerged < step, "cuts before and after the merge was recorded"
    assert step > 15, "each file is removed, and the merged one and archive.json are synchronised and renamed"


@pytest.mark.parametrize("step", [1, 6, 13])
def test_a_full_disk_during_merging_loses_nothing(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    archive = Archive(tmp_path)
    write_many(archive, 9)
    before = rows(tmp_path)
    calls = 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= step:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        merge_all(archive)
        merge_all(archive)
    complaints = [record.getMessage() for record in caplog.records]
    assert complaints == [f"archive {tmp_path}: small files can't be merged: No space left on device"]
    merge_all(archive)
    assert rows(tmp_path) == before
    write_many(archive, 1, 27)
    assert numbers(tmp_path) == list(range(30))
    assert len(files(tmp_path)) == 2 and not list(tmp_path.rglob("*.part"))
    archive.close()


@pytest.mark.parametrize("whole_footer", [False, True])
def test_a_damaged_file_is_left_alone_and_named_once(
    tmp_path: Path, whole_footer: bool, caplog: pytest.LogCaptureFixture
) -> None:
    archive = Archive(tmp_path)
    write_many(archive, 20)
    damaged = tmp_path / "people" / HOUR / files(tmp_path, f"people/{HOUR}")[4]
    content = damaged.read_bytes()
    content = content[:4] + b"\xff" * 2000 + content[2004:] if whole_footer else content[:-100]
    damaged.write_bytes(content)
    merge_all(archive)
    write_many(archive, 20, 60)
    merge_all(archive)
    assert [record.getMessage().count(str(damaged)) for record in caplog.records] == [1]
    assert caplog.records[0].levelno == logging.WARNING
    assert damaged.read_bytes() == content
    assert damaged.name in files(tmp_path, f"people/{HOUR}")
    damaged.unlink()
    assert in_order(tmp_path) == list(range(120))
    assert in_order(tmp_path, "people") == [seq for seq in range(120) if seq not in (12, 13, 14)]
    archive.close()


@pytest.mark.parametrize("limit", [{"keep_days": 1.0}, {"keep_bytes": 500_000}])
def test_old_merged_files_are_removed_by_age_and_by_size(
    tmp_path: Path, limit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "OF_LIMIT", 5)
    now = START_S + 86_400
    archive = Archive(tmp_path, now=lambda: now, **limit)
    for k in range(12):
        write_many(archive, 10, 30 * k)
        merge_all(archive)
        sizes = [path.stat().st_size for path in tmp_path.rglob("*.parquet")]
        assert (archive.bytes_kept, len(archive)) == (sum(sizes), len(sizes))
        now += 4 * 3600
    assert archive.merged and archive.removed
    left = in_order(tmp_path)
    assert left == list(range(left[0], 360)) and 0 < left[0] < 300
    if "keep_days" in limit:
        oldest = datetime.strptime(
            min(path.name[:15] for path in (tmp_path / "frames").rglob("*.parquet")), "%Y%m%dT%H%M%S"
        )
        assert now - 4 * 3600 - oldest.replace(tzinfo=UTC).timestamp() <= 86_401
    archive.close()


def test_a_reader_never_sees_a_row_twice_while_files_are_merged(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    merges = 6

    def run() -> None:
        for k in range(merges):
            write_many(archive, 8, 24 * k)
            archive.merge()
            archive.merge()

    writing = threading.Thread(target=run)
    writing.start()
    seen = 0
    while writing.is_alive() or not seen:
        try:
            ((count, distinct),) = ask(tmp_path, "SELECT count(*), count(DISTINCT seq) FROM {people}")
        except duckdb.IOException:  # a file vanished after it was listed
            continue
        assert count == distinct
        seen += 1
    writing.join()
    archive.close()
    assert in_order(tmp_path, "people") == list(range(24 * merges))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 2), st.integers(1, 9)),
        st.tuples(st.just("merge"), st.integers(1, 3)),
        st.tuples(st.just("cut"), st.integers(1, 25)),
        st.tuples(st.just("clock"), st.integers(-30, 200)),
    ),
    max_size=12,
)


@settings(max_examples=examples(12), deadline=None)
@given(STEPS)
def test_any_sequence_of_writes_merges_power_cuts_and_clock_changes_keeps_each_row(
    steps: Sequence[tuple[str, int] | tuple[str, int, int]],
) -> None:
    now, seq = START_S, 0

    def clock() -> float:
        return now

    expected: dict[int, list[int]] = {}
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        archive = Archive(folder, now=clock)
        for kind, number, *times in steps:
            if kind == "write":
                for _ in range(times[0]):
                    capture_us = wire.frame().capture_us + number * HOUR_US
                    moved = [msgspec.structs.replace(one, capture_us=capture_us) for one in numbered([seq])]
                    write(archive, moved, seq + 1)
                    expected.setdefault(number, []).append(seq)
                    seq += 1
            elif kind == "clock":
                now += number * 60
            elif kind == "merge":
                for _ in range(number):
                    archive.merge()
            else:
                with power_cut_at(number), suppress(PowerCutError):
                    archive.merge()
                archive.close()
                archive = Archive(folder, now=clock)
        archive.close()
        for hour, seqs in expected.items():
            for table in ("frames", "people"):
                found = sorted((folder / table / "day=2026-09-21" / f"hour={14 + hour}").glob("*.parquet"))
                assert [seq for path in found for seq in parquet.ParquetFile(path).read(["seq"])[0].to_pylist()] == seqs
                assert all(first.name < second.name for first, second in pairwise(found))
        assert not list(folder.rglob("*.part"))
