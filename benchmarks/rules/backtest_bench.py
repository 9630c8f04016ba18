"""Time of a back-test: `python -m benchmarks.rules.backtest_bench` tries rules on a made-up archive of a week.

The archive is written by `stream.archive` as a real one would be, every minute, with the small files of past hours
merged: one camera, five results a second, and one or two people with all parts in one minute of twenty.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from rich.console import Console

from benchmarks import machine, stats
from benchmarks.report import print_machine, write_json
from stages.vocabulary import PARTS
from stream.archive.archive import Archive
from stream.archive.tables import SCHEMAS, Row, Table, batch, rows_of
from stream.backtest.archive_results import read_archives
from stream.backtest.replay import replay
from stream.backtest.selection import Selection, all_fields, only_used
from stream.results import Action, Frame, ModelRef, Part, Person
from stream.rules.compiled import CompiledRules
from stream.settings.rules import RulesConfig

MINUTE_US = 60_000_000
STEP_US = 200_000
BUSY = 20
"""One minute in this many has people."""
STATES = ("raise", "wave", "reach", "hang")
LIMIT_S, LIMIT_US = 10.0, 60.0
"""Goals: for the whole week, and for each frame with people."""
RULES = {
    "time_zone": "Europe/Berlin",
    "actions": {
        "call_for_help": {
            "all": [{"part": "left_hand", "above": "head"}, {"part": "right_hand", "above": "head"}],
            "for": "2s",
        },
        "hand_at_head": {
            "any": [{"part": "right_hand", "near": "head"}, {"part": "left_hand", "near": "head"}],
            "for": "1s",
        },
        "collapse": {"then": [{"action": "walk"}, {"action": "lie"}], "within": "3s"},
    },
    "rules": {
        "person_down": {
            "action": ["lie", "collapse"],
            "zone": "hall",
            "for": "10s",
            "hours": {"from": "22:00", "to": "06:00"},
        },
        "fence": {"crosses": "fence", "to": "right"},
        "loitering": {"zone": "hall", "dwell": "50s"},
        "hands_up": {"action": "call_for_help"},
        "running": {"action": "run", "for": "2s"},
        "empty_post": {"zone": "desk", "people": {"at_most": 0}, "for": "5m", "cooldown": "1m"},
        "at_head": {"action": "hand_at_head", "severity": "info"},
    },
}


@dataclass(frozen=True, slots=True)
class BacktestRun:
    """Seconds of one back-test, by step; frames, those with people, and messages about alerts."""

    read_s: float
    replay_s: float
    cpu_s: float
    frames: int
    busy: int
    messages: int

    @property
    def total_s(self) -> float:
        """Wall time of the whole back-test."""
        return self.read_s + self.replay_s

    @property
    def busy_us(self) -> float:
        """Time of the replay, and of all that is done for people only, for each frame with people."""
        return self.replay_s / max(self.busy, 1) * 1e6


def write_week(folder: Path, days: int, seed: int = 1) -> None:
    """Write an archive minute by minute, of frames, and of people where there are any."""
    rng = random.Random(seed)
    first_us = 1_790_000_000_000_000 // MINUTE_US * MINUTE_US
    per_minute = MINUTE_US // STEP_US
    empty = batch("frames", [row for seq in range(per_minute) for _, row in rows_of(_frame(first_us, seq, []), None)])
    now_s = first_us / 1e6
    archive = Archive(folder, keep_bytes=1 << 40, now=lambda: now_s)
    for minute in range(days * 24 * 60):
        seqs = range(minute * per_minute, (minute + 1) * per_minute)
        batches: dict[Table, list[pa.RecordBatch]] = {"frames": [_later(empty, first_us, seqs)]}
        if minute % BUSY == 0:
            rows: dict[Table, list[Row]] = {"frames": [], "people": []}
            for seq, people in zip(seqs, _visit(rng, minute, first_us, seqs)):
                for table, row in rows_of(_frame(first_us, seq, people), None):
                    rows[table].append(row)
            batches = {table: [batch(table, own)] for table, own in rows.items()}
        now_s += 60
        archive.write(batches, [])
        archive.merge()
    archive.close()


def run(folders: Sequence[Path], rules: RulesConfig) -> BacktestRun:
    """Try the rules once, in this process."""
    began, cpu = time.perf_counter(), time.process_time()
    recorded = read_archives(folders, Selection(), all_fields(rules))
    read = time.perf_counter()
    compiled = CompiledRules(only_used(rules))
    messages = sum(1 for segments in recorded.segments.values() for _ in replay(segments, compiled))
    end = time.perf_counter()
    segments = [segment for own in recorded.segments.values() for segment in own]
    frames, busy = (sum(map(len, columns)) for columns in zip(*((one.frames.seq, one.busy) for one in segments)))
    return BacktestRun(read - began, end - read, time.process_time() - cpu, frames, busy, messages)


def _frame(first_us: int, seq: int, people: Sequence[Person]) -> Frame:
    at_us = first_us + seq * STEP_US
    return Frame(
        run="0123456789abcdef" * 2,
        seq=seq,
        camera="lobby",
        epoch=1,
        frame=seq * 3,
        capture_us=at_us,
        clock="rtcp",
        media_time_us=seq * STEP_US,
        published_us=at_us + 40_000,
        size=(1280, 720),
        model=ModelRef("edge", "sha256:00", True),
        people=list(people),
        objects=[],
    )


def _later(empty: pa.RecordBatch, first_us: int, seqs: range) -> pa.RecordBatch:
    """Return frames without people with other numbers and times."""
    seq = np.arange(seqs.start, seqs.stop)
    times = pa.array(first_us + seq * STEP_US).cast(pa.timestamp("us"))
    columns = dict(zip(empty.schema.names, empty.columns))
    columns |= {"capture_utc": times, "published_utc": times, "seq": pa.array(seq), "frame": pa.array(seq * 3)}
    columns |= {"media_time_us": pa.array(seq * STEP_US)}
    return pa.record_batch(list(columns.values()), schema=SCHEMAS["frames"])


def _visit(rng: random.Random, minute: int, first_us: int, seqs: range) -> list[list[Person]]:
    """Return one or two people of a minute, who walk about and sometimes lie down."""
    tracks = [minute * 2, minute * 2 + 1][: rng.choice([1, 2])]
    places = {track: (rng.uniform(100, 1100), rng.uniform(300, 700)) for track in tracks}
    lies = rng.random() < 0.1
    frames: list[list[Person]] = []
    for seq in seqs:
        people: list[Person] = []
        for track in tracks:
            x, y = places[track]
            places[track] = x, y = x + rng.uniform(-8, 8), min(max(y + rng.uniform(-4, 4), 300.0), 700.0)
            label = "lie" if lies and seq % 300 > 100 else "walk"
            score = round(rng.uniform(0.5, 1), 4)
            people.append(
                Person(
                    track,
                    (round(x - 40, 1), round(y - 200, 1), round(x + 40, 1), round(y, 1)),
                    0.9,
                    Action(label, score, first_us + seqs.start * STEP_US, [(label, score), ("stand", 0.1)]),
                    [_part(rng, name, x, y) for name in PARTS],
                    foot=(round(x, 1), round(y, 1)),
                    zones=["hall"] if rng.random() < 0.98 else [],
                    stature=200.0,
                    trunk=rng.randrange(20),
                    hips=0.5,
                    speed=round(rng.uniform(0, 1), 2),
                    crossed=[("fence", "right")] if rng.random() < 0.002 else [],
                )
            )
        frames.append(people)
    return frames


def _part(rng: random.Random, name: str, x: float, y: float) -> Part:
    left, top = x + rng.uniform(-40, 20), y - rng.uniform(20, 200)
    box = (round(left, 1), round(top, 1), round(left + 20, 1), round(top + 20, 1))
    states = [(state, round(rng.random(), 4)) for state in rng.sample(STATES, 2)]
    return Part(name, box, round(rng.uniform(0.2, 1), 4), round(rng.random(), 4), states)


def main(arguments: Sequence[str]) -> int:
    """Write the archive, unless its folder exists, measure, print and write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules.backtest_bench", description=__doc__)
    parser.add_argument("--days", type=int, default=7, help="Days of results (default: 7).")
    parser.add_argument("--runs", type=int, default=6, help="Back-tests measured (default: 6).")
    parser.add_argument("--folder", type=Path, help="Folder of the archive; kept, and used if it exists.")
    parser.add_argument("--json", type=Path, help="File to write.")
    options = parser.parse_args(arguments)
    console, host = Console(), machine.describe()
    with TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary) / "archive"
        if not folder.exists():
            write_week(folder, options.days)
        rules = RulesConfig.model_validate(RULES)
        runs = [run([folder], rules) for _ in range(options.runs)]
    print_machine(host, console)
    one = runs[0]
    console.print(f"{one.frames} frames, {one.busy} with people, {len(rules.rules)} rules, {one.messages} messages")
    figures = {
        "total, s": stats.estimate([one.total_s for one in runs]),
        "reading, s": stats.estimate([one.read_s for one in runs]),
        "replay, s": stats.estimate([one.replay_s for one in runs]),
        "CPU, s": stats.estimate([one.cpu_s for one in runs]),
        "replay for each frame with people, µs": stats.estimate([one.busy_us for one in runs]),
    }
    for name, figure in figures.items():
        console.print(f"{name}: {figure}")
    if options.json is not None:
        write_json(options.json, {"machine": host, "runs": [asdict(one) for one in runs]})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
