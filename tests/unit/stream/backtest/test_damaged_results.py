"""Whatever a results file or an archive holds, its results are read or refused with one typed error."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.backtest.archive_results import read_archives
from stream.backtest.results_files import ResultsFiles
from stream.backtest.selection import Field, Recorded, Selection
from stream.rules.signals import Signal
from stream.settings.config_error import ConfigError
from support.backtest import recorded
from support.backtest.recorded import frame, person, write_archive, write_results
from support.damage import CHANCES, damaged
from support.examples import examples

EVERY = Selection()
FIELDS: tuple[Field, ...] = get_args(Field)
SIGNALS = [Signal("action", "", "lie"), Signal("part", "head"), Signal("trunk"), Signal("speed")]
CALM = settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
COLUMNS = ("run", "camera", "seq", "capture_utc", "people", "track", "x1", "parts", "zones", "objects", "action_score")
TYPES = (pa.string(), pa.int8(), pa.float64(), pa.list_(pa.int64()), pa.null(), pa.bool_())


def read(found: Recorded, signals: Sequence[Signal] = SIGNALS) -> int:
    """Read all people, and return their number."""
    people = 0
    for segment in (one for several in found.segments.values() for one in several):
        of = segment.people(signals)
        people += sum(len(of(int(index))) for index in segment.busy)
    return people


def lines() -> list[Any]:
    frames = [frame(seq, people, objects) for seq, (people, objects) in enumerate(recorded.content(7))]
    return [msgspec.json.decode(msgspec.json.encode(one)) for one in frames]


def as_lines(content: Any) -> bytes:
    return "".join(f"{json.dumps(line)}\n" for line in (content if isinstance(content, list) else [content])).encode()


@CALM
@given(chance=CHANCES)
def test_a_damaged_results_file_is_read_or_refused(tmp_path: Path, chance: random.Random) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(damaged(chance, lines(), as_lines))
    files = None
    try:
        files = ResultsFiles([path], EVERY)
        read(files.recorded())
    except ConfigError as error:
        assert "a.jsonl, line" in str(error)
    finally:
        if files is not None:
            files.close()


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_a_number_of_more_than_64_bits_is_refused_with_its_line(tmp_path: Path, number: int) -> None:
    path = write_results(tmp_path / "a.jsonl", [frame(0)])
    content = msgspec.json.decode(path.read_bytes())
    for name in ("seq", "frame", "capture_us", "media_time_us"):
        path.write_text(str({**content, name: number}).replace("'", '"').replace("True", "true") + "\n")
        with pytest.raises(ConfigError, match=r"a\.jsonl, line 1: not a result of partstream"):
            ResultsFiles([path], EVERY)


def test_a_result_whose_people_are_damaged_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write_results(tmp_path / "a.jsonl", [frame(0), frame(1, [person(1)])])
    path.write_bytes(path.read_bytes().replace(b'"track":1', b'"track":"1"'))
    files = ResultsFiles([path], EVERY)
    with pytest.raises(ConfigError, match=r"a\.jsonl, line 2: not a result of partstream"):
        read(files.recorded())
    files.close()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [frame(seq, people, objects) for seq, (people, objects) in enumerate(recorded.content(7))]
    return write_archive(tmp_path_factory.mktemp("archive"), frames, parts=6)


def one_of(folder: Path, table: str) -> Path:
    """Return a file of a table with rows."""
    return max((folder / table).rglob("*.parquet"), key=lambda path: pq.read_metadata(path).num_rows)


@CALM
@given(chance=CHANCES, name=st.sampled_from(("frames", "people")), column=st.sampled_from(COLUMNS))
def test_a_file_of_another_program_is_read_or_refused(
    archive: Path, chance: random.Random, name: str, column: str
) -> None:
    path = one_of(archive, name)
    sound = path.read_bytes()
    table = pq.read_table(path)
    if column in table.column_names:
        at = table.column_names.index(column)
        match chance.randrange(3):
            case 0:
                table = table.remove_column(at)
            case 1:
                kind = chance.choice(TYPES)
                table = table.set_column(at, column, pa.nulls(len(table), kind))
            case _:
                rows = [None if chance.random() < 0.3 else value for value in table.column(at).to_pylist()]
                table = table.set_column(at, column, pa.array(rows, table.schema.field(at).type))
    try:
        pq.write_table(table, path)
        fields, signals = chance.choice((((), SIGNALS[:1]), (FIELDS, SIGNALS)))
        read(read_archives([archive], EVERY, fields), signals)
    except ConfigError as error:
        assert path.name in str(error) or "archive" in str(error)
    finally:
        path.write_bytes(sound)


@pytest.mark.parametrize("name", ["frames", "people"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 100, b"{}"])
def test_a_file_that_is_not_parquet_is_refused_whatever_the_rules_need(
    archive: Path, name: str, content: bytes
) -> None:
    path = one_of(archive, name)
    sound = path.read_bytes()
    try:
        path.write_bytes(content)
        for fields in ((), FIELDS):
            with pytest.raises(ConfigError, match=f"{path.name}: can't be read"):
                read_archives([archive], EVERY, fields)
    finally:
        path.write_bytes(sound)


@pytest.mark.parametrize("column", ["run", "camera", "seq", "people"])
def test_a_file_without_a_column_is_refused(archive: Path, column: str) -> None:
    path = one_of(archive, "frames")
    sound = path.read_bytes()
    try:
        pq.write_table(pq.read_table(path).drop_columns([column]), path)
        with pytest.raises(ConfigError, match=f"{path.name}: is not of a partstream archive"):
            read_archives([archive], EVERY, FIELDS)
    finally:
        path.write_bytes(sound)


@pytest.mark.parametrize("column", ["seq", "run", "camera", "capture_utc", "people", "epoch"])
def test_a_row_without_a_value_that_each_has_is_refused(archive: Path, column: str) -> None:
    path = one_of(archive, "frames")
    sound = path.read_bytes()
    table = pq.read_table(path)
    at = table.column_names.index(column)
    rows = [None, *table.column(at).to_pylist()[1:]]
    try:
        pq.write_table(table.set_column(at, column, pa.array(rows, table.schema.field(at).type)), path)
        with pytest.raises(ConfigError, match=f"a row has no value in the column {column}"):
            read_archives([archive], EVERY, ())
    finally:
        path.write_bytes(sound)


@pytest.mark.parametrize("time_us", [-1, 253_402_300_800_000_000, 2**62])
def test_a_row_with_a_time_that_cannot_be_shown_is_refused(archive: Path, time_us: int) -> None:
    path = one_of(archive, "frames")
    sound = path.read_bytes()
    table = pq.read_table(path)
    at = table.column_names.index("capture_utc")
    rows = [time_us, *table.column(at).cast(pa.int64()).to_pylist()[1:]]
    try:
        pq.write_table(table.set_column(at, "capture_utc", pa.array(rows, pa.int64()).cast(pa.timestamp("us"))), path)
        with pytest.raises(ConfigError, match=f"{path.name}: .* a row's capture_utc is not in 1970"):
            read_archives([archive], EVERY, ())
    finally:
        path.write_bytes(sound)
