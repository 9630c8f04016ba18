"""Reading an archive's files: only the columns that are needed, of the cameras and times that are looked at."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stream.archive.tables import SCHEMAS, YEAR_10000_US
from stream.backtest.segments import Numbers
from stream.backtest.selection import Field, MissingFieldError, Selection
from stream.settings.config_error import ConfigError

_DICTIONARY = pa.dictionary(pa.int32(), pa.string())
_ENCODED = ("run", "camera")
_PARTITION = re.compile(r"day=(\d{4})-(\d\d)-(\d\d)(?:/hour=(\d\d?))?/")
_HOUR_US = 3_600_000_000
_ALWAYS = frozenset(
    (
        "camera",
        "run",
        "epoch",
        "seq",
        "capture_utc",
        "frame",
        "media_time_us",
        "people",
        "track",
        "x1",
        "y1",
        "x2",
        "y2",
    )
)
"""Columns that have a value in each row."""
COLUMNS: dict[Field, tuple[str, ...]] = {
    "zones": ("zones",),
    "crossed": ("crossed",),
    "foot": ("foot_x", "foot_y"),
    "stature": ("stature",),
    "trunk": ("trunk",),
    "hips": ("hips",),
    "speed": ("speed",),
    "parts": ("parts", "visible_parts"),
    "states": ("parts",),
    "part boxes": ("parts",),
    "holds of parts": ("parts",),
}
"""The columns of `people` that hold a field."""
FIELDS_OF_PARTS: dict[Field, tuple[str, ...]] = {
    "parts": ("part", "score"),
    "states": ("states",),
    "part boxes": ("x1", "y1", "x2", "y2"),
    "holds of parts": ("holds",),
}
"""The fields in the column `parts` that are read."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of several files: the columns, the file of each row, and its number in the file."""

    table: pa.Table
    files: Sequence[Path]
    file: Numbers
    number: Numbers

    def column(self, name: str) -> pa.Array:
        """Return a column in one piece."""
        return _one_piece(self.table.column(name))

    def numbers(self, name: str) -> Numbers:
        """Return a column of integers or times."""
        return self.column(name).cast(pa.int64()).to_numpy(zero_copy_only=False)


def files_of(folder: Path, table: Literal["frames", "people"], selection: Selection) -> list[Path]:
    """Return a table's files, in the order of writing, without those of other times."""
    found = [path for path in (folder / table).rglob("*.parquet") if _may_contain(path, folder, selection)]
    return sorted(found, key=lambda path: (path.name, path.parent))


def read_rows(
    files: Sequence[Path],
    table: Literal["frames", "people"],
    columns: Collection[str],
    selection: Selection,
    in_parts: Collection[str] = (),
) -> Rows:
    """Read these columns of the rows that are selected; of the column `parts` the fields `in_parts`.

    Raises `ConfigError` that names a file and what it lacks.
    """
    schema = pa.schema([_field(table, name, in_parts) for name in dict.fromkeys([*columns, "capture_utc", "camera"])])
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        read = list(threads.map(lambda path: _read(path, schema, selection), files))
    if not read:
        return Rows(schema.empty_table(), files, np.zeros(0, np.int64), np.zeros(0, np.int64))
    file = np.repeat(np.arange(len(read)), [part.num_rows for part, _ in read])
    return Rows(pa.concat_tables([part for part, _ in read]), files, file, np.concatenate([row for _, row in read]))


def check_parts(rows: Rows) -> None:
    """Raise `MissingFieldError` if parts of a person were left out."""
    lengths = rows.column("parts").value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
    visible = rows.column("visible_parts").fill_null(-2).to_numpy(zero_copy_only=False)
    found = np.flatnonzero(lengths != visible)
    if len(found):
        advice = (
            "it was archived without `--parts all`, so parts are missing. Leave these results out with --from or "
            "--camera, or archive new ones with `--parts all`"
        )
        raise MissingFieldError("parts", f"{rows.files[int(rows.file[found[0]])]} (column parts)", advice)


def read_row(path: Path, number: int, columns: Sequence[str]) -> dict[str, pa.Array]:
    """Return columns of one row."""
    first, group = _row_group(path, number)
    row = _read_group(path, group, tuple(columns)).slice(number - first, 1)
    return {name: _one_piece(row.column(name)) for name in columns}


def _read(path: Path, schema: pa.Schema, selection: Selection) -> tuple[pa.Table, Numbers]:
    try:
        file = _opened(path)
        table = file.read(_leaves(file, schema), use_threads=False)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None
    if missing := set(schema.names) - set(table.column_names):
        raise ConfigError(f"{path}: is not of a partstream archive: it has no column {min(missing)}")
    table = table.select(schema.names).replace_schema_metadata(None)
    if table.schema != schema:
        try:
            table = table.cast(schema)
        except (pa.ArrowException, ValueError) as error:
            raise ConfigError(f"{path}: is not of a partstream archive: {error}") from None
    if empty := [name for name in schema.names if name in _ALWAYS and table.column(name).null_count]:
        raise ConfigError(f"{path}: is not of a partstream archive: a row has no value in the column {empty[0]}")
    times = table.column("capture_utc").cast(pa.int64()).to_numpy()
    if len(times) and not (times.min() >= 0 and times.max() < YEAR_10000_US):
        raise ConfigError(f"{path}: is not of a partstream archive: a row's capture_utc is not in 1970 … 9999")
    wanted = _wanted(table, selection)
    if wanted is None:
        return table, np.arange(table.num_rows)
    return table.filter(pa.array(wanted)), np.flatnonzero(wanted)


def _wanted(table: pa.Table, selection: Selection) -> NDArray[np.bool_] | None:
    """Return which rows are selected, None for all."""
    wanted = np.ones(table.num_rows, bool)
    if selection.cameras is not None:
        codes, names = coded(_one_piece(table.column("camera")))
        wanted &= np.isin(codes, [number for number, name in enumerate(names) if name in selection.cameras])
    if selection.from_us is not None or selection.to_us is not None:
        capture_us = table.column("capture_utc").cast(pa.int64()).to_numpy()
        if selection.from_us is not None:
            wanted &= capture_us >= selection.from_us
        if selection.to_us is not None:
            wanted &= capture_us < selection.to_us
    return None if wanted.all() else wanted


def coded(column: pa.Array) -> tuple[Numbers, list[str]]:
    """Return a column of strings, none of which is null, as numbers, and the string of each number."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return encoded.indices.cast(pa.int64()).to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def _one_piece(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else combined.chunk(0)


def _field(table: Literal["frames", "people"], name: str, in_parts: Collection[str]) -> pa.Field:
    field = SCHEMAS[table].field(name)
    if name == "parts":
        return field.with_type(pa.list_(pa.struct([one for one in field.type.value_type if one.name in in_parts])))
    return field.with_type(_DICTIONARY) if name in _ENCODED else field


def _leaves(file: pq.ParquetFile, schema: pa.Schema) -> list[str]:
    """Return the columns of a file that the schema has, for `parts` only those of its fields."""
    if "parts" not in schema.names:
        return schema.names
    wanted = {field.name for field in schema.field("parts").type.value_type}
    paths = [file.schema.column(index).path for index in range(len(file.schema))]
    inside = [path for path in paths if path.startswith("parts.") and wanted & set(path.split(".")[1:4])]
    return [*(name for name in schema.names if name != "parts"), *inside]


def _opened(path: Path, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
    # Buffering ahead takes longer for small files than it saves.
    try:
        return pq.ParquetFile(path, metadata=metadata, read_dictionary=list(_ENCODED), pre_buffer=False)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: was removed or merged with others while the archive was read: run this again"
        ) from None
    except KeyError:  # a column of `_ENCODED`
        raise ConfigError(f"{path}: is not of a partstream archive: it lacks {' or '.join(_ENCODED)}") from None
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None


@lru_cache(maxsize=64)
def _row_groups(path: Path) -> tuple[pq.FileMetaData, tuple[int, ...]]:
    metadata = _opened(path).metadata
    return metadata, tuple(metadata.row_group(index).num_rows for index in range(metadata.num_row_groups))


def _row_group(path: Path, number: int) -> tuple[int, int]:
    """Return the first row of the group with this row, and the group's number."""
    first = 0
    for group, rows in enumerate(_row_groups(path)[1]):
        if number < first + rows:
            return first, group
        first += rows
    raise IndexError(number)


@lru_cache(maxsize=8)
def _read_group(path: Path, group: int, columns: tuple[str, ...]) -> pa.Table:
    file = _opened(path, _row_groups(path)[0])
    return file.read_row_group(group, list(columns), use_threads=False)


def _may_contain(path: Path, folder: Path, selection: Selection) -> bool:
    """Return whether a file's folder is of a time that is selected."""
    found = _PARTITION.search(path.relative_to(folder).as_posix())
    if found is None:
        return True
    year, month, day, hour = found.groups()
    first = datetime(int(year), int(month), int(day), int(hour or 0), tzinfo=UTC)
    first_us = int(first.timestamp()) * 1_000_000
    end_us = first_us + (_HOUR_US if hour is not None else 24 * _HOUR_US)
    before = selection.to_us is not None and first_us >= selection.to_us
    return not before and (selection.from_us is None or end_us > selection.from_us)
