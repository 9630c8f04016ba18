"""The archive against what was published: each message once, with the same values, or in a gap."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from support.chaos.judges.ledger import Ledger, digest

COLUMNS = {
    "results": ("frames", ["capture_utc", "published_utc", "frame", "media_time_us", "people"]),
    "events": ("events", ["capture_utc", "frame", "track", "kind", "label"]),
    "status": ("status", ["at_utc", "state", "reason", "message"]),
}
HEAD = ["run", "camera", "epoch", "seq"]


def compare(folder: Path, ledger: Ledger, violated: Callable[..., Any]) -> dict[str, int]:
    """Check the archive, and return how many messages were compared, missing and excused."""
    counts: Counter[str] = Counter()
    lost, unknown = _lost(folder)
    for kind, (table, columns) in COLUMNS.items():
        rows, doubled = _rows(folder / table, columns)
        if doubled:
            violated("archive", error="a message is there twice", kind=kind, messages=doubled[:5], number=len(doubled))
        for (of, run, camera), published in ledger.published.items():
            if of != kind:
                continue
            kept = rows.pop((run, camera), {})
            counts["kept"] += len(kept)
            both = kept.keys() & published.keys()
            counts["compared"] += len(both)
            different = [key for key in both if kept[key] != published[key]]
            if different:
                violated("archive", error="values differ", kind=kind, camera=camera, run=run, messages=different[:5])
            missing = sorted(published.keys() - kept.keys())
            last = max(kept, default=(0, -1))
            if run != ledger.runs[-1]:  # the end of a run may have reached one reader and not the other
                counts["at the end of a run"] += sum(key > last for key in missing)
                missing = [key for key in missing if key < last]
            if run == ledger.runs[0]:  # a new archive does not ask for what was before its first message
                missing = [key for key in missing if key > min(kept, default=(0, 0))]
            before = [*sorted(kept), (1 << 63, 0)]
            at_all = len(missing)
            missing = [
                key
                for key in missing
                if not any(
                    mark <= key and before[bisect_left(before, mark)] > key for mark in unknown[kind, run, camera]
                )
            ]
            counts["missing, of unknown number"] += at_all - len(missing)
            excused = sum(lost[kind, run, camera].values())
            counts["missing, counted as lost"] += min(excused, len(missing))
            if len(missing) > excused:
                violated(
                    "archive",
                    error="published messages are missing",
                    kind=kind,
                    camera=camera,
                    run=run,
                    number=len(missing),
                    counted_as_lost=excused,
                    first=missing[:5],
                    archived=len(kept),
                )
    return dict(counts)


def _rows(folder: Path, columns: list[str]) -> tuple[dict[tuple[str, str], dict[tuple[int, int], int]], list[Any]]:
    """Return the checksums of a table's rows by (run, camera) and (epoch, seq), and the keys that are there twice."""
    found: dict[tuple[str, str], dict[tuple[int, int], int]] = defaultdict(dict)
    doubled: list[Any] = []
    for file in sorted(folder.rglob("*.parquet")):
        table = pq.ParquetFile(file).read(columns=[*HEAD, *columns])
        values = [
            column.cast("int64").to_pylist() if name.endswith("_utc") else column.to_pylist()
            for name, column in ((name, table.column(name)) for name in [*HEAD, *columns])
        ]
        for run, camera, epoch, seq, *others in zip(*values, strict=True):
            of = found[run, camera]
            if (epoch, seq) in of:
                doubled.append((run, camera, epoch, seq))
            of[epoch, seq] = digest(*others)
    return found, doubled


_Of = tuple[str, str, str]
"""Kind, run and camera."""


def _lost(folder: Path) -> tuple[dict[_Of, Counter[int]], dict[_Of, list[tuple[int, int]]]]:
    """Return how many messages the archive counts as lost in each epoch, and from where on it does not know."""
    lost: dict[_Of, Counter[int]] = defaultdict(Counter)
    unknown: dict[_Of, list[tuple[int, int]]] = defaultdict(list)
    for file in (folder / "gaps").rglob("*.parquet"):
        for row in pq.ParquetFile(file).read().to_pylist():
            of = row["kind"], row["run"], row["camera"]
            lost[of][row["epoch"]] += row["lost"]
            if row["more"]:
                unknown[of].append((row["epoch"], row["first_seq"] + row["missed"]))
    return lost, unknown
