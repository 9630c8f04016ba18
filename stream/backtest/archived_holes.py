"""Where an archive says that results are missing, or may be: after which segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stream.archive.tables import SCHEMAS
from stream.backtest.segments import Segment
from stream.settings.config_error import ConfigError

Places = dict[tuple[str, str], list[tuple[int, int]]]
"""Epoch and `seq` by camera and run."""
_COLUMNS = ("kind", "camera", "run", "epoch", "first_seq", "missed", "lost")


def read_holes(folders: Sequence[Path]) -> Places:
    """Return the first number of each gap in the results that was not filled.

    Raises `ConfigError` for a file that can't be read.
    """
    places: Places = {}
    for path in (path for folder in folders for path in (folder / "gaps").rglob("*.parquet")):
        try:
            table = pq.ParquetFile(path, pre_buffer=False).read([*_COLUMNS, "more"], use_threads=False)
            fields = [SCHEMAS["gaps"].field(name) for name in table.column_names]
            rows = table.cast(pa.schema(fields)).to_pylist()
        except (OSError, pa.ArrowException, ValueError, KeyError) as error:
            raise ConfigError(f"{path}: can't be read: {error}") from None
        for row in rows:
            if any(row.get(name) is None for name in _COLUMNS):
                raise ConfigError(f"{path}: is not of a partstream archive: a gap lacks one of {', '.join(_COLUMNS)}")
            if row["kind"] != "results":
                continue
            of = places.setdefault((row["camera"], row["run"]), [])
            if row["lost"]:
                of.append((row["epoch"], row["first_seq"]))
            if row.get("more"):
                of.append((row["epoch"], row["first_seq"] + row["missed"]))
    return places


def with_holes(segments: Sequence[Segment], places: Places) -> list[Segment]:
    """Return the segments of a camera, in order, and mark those after which results are missing, or may be."""
    marked: list[Segment] = []
    for number, segment in enumerate(segments):
        end = (segment.epoch, int(segment.frames.seq[-1]))
        begin = None
        if number + 1 < len(segments) and segments[number + 1].run == segment.run:
            begin = (segments[number + 1].epoch, int(segments[number + 1].frames.seq[0]))
        of_run = places.get((segment.camera, segment.run), ())
        hole = any(end < place and (begin is None or place < begin) for place in of_run)
        marked.append(replace(segment, hole_after=True) if hole else segment)
    return marked
