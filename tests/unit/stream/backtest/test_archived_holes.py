"""What an archive says of missing results is a gap in the coverage of a back-test."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from stream.archive.archive import Archive
from stream.archive.tables import batch, gap_row
from stream.backtest.archive_results import read_archives
from stream.backtest.coverage import Gap as Uncovered
from stream.backtest.coverage import coverage_of
from stream.backtest.selection import Selection
from stream.results import Frame
from stream.settings.config_error import ConfigError
from stream.subscriber import Gap
from support.backtest.recorded import write_archive
from support.engines import wire_messages as wire

RUN, NEXT = "a" * 32, "b" * 32
FRAMES = [(RUN, 1, 0), (RUN, 1, 1), (RUN, 3, 2), (RUN, 3, 3), (NEXT, 1, 0)]
"""Run, epoch and number of results that follow each other closely."""


def archived(folder: Path, *gaps: Gap) -> Path:
    frames: list[Frame] = []
    for index, (run, epoch, seq) in enumerate(FRAMES):
        frames.append(msgspec.structs.replace(wire.frame(epoch=epoch, number=index), run=run, seq=seq))
    write_archive(folder, frames)
    archive = Archive(folder)
    archive.write({"gaps": [batch("gaps", [gap_row(gap, frames[0].capture_us) for gap in gaps])]}, [])
    archive.close()
    return folder


def uncovered(folder: Path) -> list[Uncovered]:
    recorded = read_archives([folder], Selection(), set())
    return coverage_of(recorded.segments["lobby"]).gaps


def between(before: int, after: int) -> Uncovered:
    return Uncovered(wire.frame(number=before).capture_us, wire.frame(number=after).capture_us)


@pytest.mark.parametrize(
    ("gap", "found"),
    [
        (Gap("results/v1/lobby/", RUN, 1, 2, 0, 0, more=True), [between(1, 2)]),
        (Gap("results/v1/lobby/", RUN, 1, 2, 5, 3), [between(1, 2)]),
        (Gap("results/v1/lobby/", RUN, 2, 0, 0, 0, more=True), [between(1, 2)]),
        (Gap("results/v1/lobby/", RUN, 3, 0, 2, 0), [between(1, 2)]),
        (Gap("results/v1/lobby/", RUN, 3, 4, 0, 0, more=True), [between(3, 4)]),
        (Gap("results/v1/lobby/", RUN, 1, 2, 5, 5), []),
        (Gap("events/v1/lobby/", RUN, 1, 2, 0, 0, more=True), []),
        (Gap("results/v1/door/", RUN, 1, 2, 0, 0, more=True), []),
    ],
)
def test_results_that_are_or_may_be_missing_between_epochs_are_a_gap(
    tmp_path: Path, gap: Gap, found: list[Uncovered]
) -> None:
    assert uncovered(archived(tmp_path, gap)) == found


def test_gaps_of_archives_of_older_versions_are_read(tmp_path: Path) -> None:
    folder = archived(tmp_path, Gap("results/v1/lobby/", RUN, 1, 2, 5, 3))
    for path in (folder / "gaps").rglob("*.parquet"):
        pq.write_table(pq.ParquetFile(path).read().drop_columns(["more"]), path)
    assert uncovered(folder) == [between(1, 2)]


@pytest.mark.parametrize("column", ["missed", "epoch"])
def test_a_file_of_gaps_that_is_damaged_or_of_something_else_is_named(tmp_path: Path, column: str) -> None:
    folder = archived(tmp_path, Gap("results/v1/lobby/", RUN, 1, 2, 5, 3))
    path = max((folder / "gaps").rglob("*.parquet"), key=lambda one: one.name)
    table = pq.ParquetFile(path).read()
    pq.write_table(table.drop_columns([column]), path)
    with pytest.raises(ConfigError, match=path.name):
        uncovered(folder)
    pq.write_table(table.set_column(table.column_names.index(column), column, [["x"]]), path)
    with pytest.raises(ConfigError, match=path.name):
        uncovered(folder)
    path.write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=path.name):
        uncovered(folder)
