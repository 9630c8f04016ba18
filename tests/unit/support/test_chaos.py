"""The parts of the chaos harness that judge: they must see what they are for, and nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import support.engines.wire_messages as wire
from stream.messaging.gap_filling import Gap
from stream.results import ClipReady
from support.chaos.judges.kept_archive import compare
from support.chaos.judges.ledger import Ledger
from support.chaos.judges.memory import slope_of
from support.chaos.judges.numbering import Numbering
from support.chaos.judges.played_clips import trouble_of
from support.chaos.judges.scrapes import Scrapes
from support.chaos.plan import OF_CAMERAS, OF_READERS, OF_THE_ENGINE, RESTARTS, plan
from support.engines.small_clips import make_clip

Found = list[dict[str, Any]]


@pytest.fixture
def found() -> Found:
    return []


def into(found: Found) -> Any:
    return lambda invariant, **details: found.append({"invariant": invariant, **details})


def test_the_same_seed_gives_the_same_plan_and_another_seed_another_one() -> None:
    first, again, other = (list(islice(plan(seed), 100)) for seed in (7, 7, 8))
    assert first == again != other


def test_a_plan_has_each_kind_of_fault_before_any_comes_again() -> None:
    kinds = [fault.kind for step in islice(plan(3), 100) for fault in step.faults]
    every = {*OF_CAMERAS, *OF_READERS, *OF_THE_ENGINE, *RESTARTS}
    assert set(kinds[: len(every)]) == every


def test_memory_that_grows_is_told_from_memory_that_only_fluctuates() -> None:
    rng = random.Random(1)
    flat = [(at * 6.0, 200_000_000 + rng.randrange(5_000_000)) for at in range(2000)]
    grown = [(at, size + round(at * 1000)) for at, size in flat]
    level, rising = slope_of(flat), slope_of(grown)
    assert level is not None and rising is not None
    assert level.judged and not level.grows
    assert rising.grows and rising.low < 1000 * 3600 / (1 << 20) < rising.high


def numbered(*numbers: int) -> list[Any]:
    return [msgspec.structs.replace(wire.frame(), run=wire.RUN, seq=number) for number in numbers]


def gap(first: int, missed: int, replayed: int = 0) -> Gap:
    return Gap("results/v1/lobby/", wire.RUN, 1, first, missed, replayed)


def test_gaps_that_the_subscription_counts_are_no_violation(found: Found) -> None:
    numbering = Numbering(into(found))
    for message in numbered(5, 6, 8):  # of 7, 8 and 9, one was replayed
        numbering.take(message)
    numbering.gap(gap(7, 3, 1))
    for message in numbered(10, 11):
        numbering.take(message)
    numbering.gap(gap(12, 4))  # at the end of the epoch
    numbering.finish()
    assert found == []


@pytest.mark.parametrize("missed", [None, 1, 3])
def test_a_gap_that_is_not_counted_or_counted_wrongly_is_a_violation(found: Found, missed: int | None) -> None:
    numbering = Numbering(into(found))
    for message in numbered(5, 6):
        numbering.take(message)
    if missed is not None:
        numbering.gap(gap(7, missed))
    for message in numbered(9, 10):
        numbering.take(message)
    numbering.finish()
    assert {one["invariant"] for one in found} == {"numbers"}


def test_a_message_that_comes_twice_is_a_violation(found: Found) -> None:
    numbering = Numbering(into(found))
    for message in numbered(5, 6, 6):
        numbering.take(message)
    assert [one["error"] for one in found] == ["a message came twice"]


def test_an_action_that_is_open_in_a_later_epoch_is_overdue_and_one_that_ended_is_not(found: Found) -> None:
    ledger = Ledger(into(found))

    def event(kind: Any, name: str, epoch: int = 1) -> Any:
        return msgspec.structs.replace(wire.event(epoch=epoch), run=wire.RUN, kind=kind, event=name)

    for message in (event("started", "a"), event("started", "b"), event("ended", "a"), event("started", "c", 2)):
        ledger.take(message, at_s=1.0)
    assert ledger.overdue(2.0, patience_s=5.0) == []
    assert [(kind, one.id) for kind, one in ledger.overdue(10.0, patience_s=5.0)] == [("action", "b")]
    assert list(ledger.events) == ["c"]


def test_capture_time_that_goes_back_within_an_epoch_is_a_violation(found: Found) -> None:
    ledger = Ledger(into(found))
    for number, capture_us in enumerate((3_000_000, 4_000_000, 3_999_999)):
        frame = msgspec.structs.replace(wire.frame(number=number), run=wire.RUN, capture_us=capture_us)
        ledger.take(frame, at_s=1.0)
    assert [(one["invariant"], one["by_us"]) for one in found] == [("times", 1)]


def page(decoded: int, processed: int, dropped: int, ready: int) -> str:
    counts = {
        "frames_decoded_total": decoded,
        "frames_processed_total": processed,
        "frames_dropped_total": dropped,
        "ring_ready_frames": ready,
    }
    return "".join(f'partstream_{name}{{camera="lobby"}} {count}\n' for name, count in counts.items())


def test_frames_that_add_up_are_no_violation_and_a_lost_one_is_when_the_camera_is_quiet(found: Found) -> None:
    scrapes = Scrapes(into(found))
    scrapes.take(page(90, 88, 7, 0))  # written while frames moved on
    for _ in range(10):
        scrapes.take(page(100, 90, 8, 2))
    assert found == [] and scrapes.quiet and scrapes.exact
    for _ in range(10):
        scrapes.take(page(101, 90, 10, 0))
    assert found and {one["invariant"] for one in found} == {"frames"}


def test_frames_that_are_missing_between_two_pages_are_a_violation(found: Found) -> None:
    scrapes = Scrapes(into(found))
    for decoded in (0, 100, 100):
        scrapes.take(page(decoded, decoded // 2, 0, 0))
    assert {one["invariant"] for one in found} == {"frames"}


def archived(folder: Path, numbers: Sequence[int]) -> None:
    """Write results as an archive keeps them."""
    made = (folder / "frames").resolve()
    made.mkdir()
    rows = [
        {
            **{name: getattr(frame, name) for name in ("run", "camera", "epoch", "seq", "frame", "media_time_us")},
            **{f"{name}_utc": getattr(frame, f"{name}_us") for name in ("capture", "published")},
            "people": len(frame.people),
        }
        for frame in numbered(*numbers)
    ]
    pq.write_table(pa.Table.from_pylist(rows), made / "one.parquet")


@pytest.mark.parametrize(
    ("numbers", "errors"),
    [
        ((0, 1, 2, 3), []),
        ((1, 2, 3), []),  # it began later
        ((0, 1, 3), ["published messages are missing"]),
        ((0, 1, 2, 2, 3), ["a message is there twice"]),
    ],
)
def test_the_archive_must_hold_each_message_once(
    tmp_path: Path, found: Found, numbers: tuple[int, ...], errors: list[str]
) -> None:
    ledger = Ledger(into(found))
    for message in numbered(0, 1, 2, 3):
        ledger.take(message, at_s=1.0)
    archived(tmp_path, numbers)
    compare(tmp_path, ledger, into(found))
    assert [one["error"] for one in found] == errors


def test_a_clip_must_play_to_its_end(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "one.mp4", frames=10)
    (tmp_path / "one.jsonl").write_text(json.dumps({"seq": 0, "media_time_us": 5}) + "\n")
    (tmp_path / "one.json").write_text(json.dumps({"camera": "lobby", "run": wire.RUN}))

    def ready(last_us: int = 9) -> ClipReady:
        size = sum(path.stat().st_size for path in tmp_path.iterdir())
        times: dict[str, Any] = {"start_us": 0, "end_us": 9, "start_media_time_us": 0, "end_media_time_us": last_us}
        named: dict[str, Any] = {"run": wire.RUN, "seq": 0, "camera": "lobby", "epoch": 1, "clip": "one"}
        return ClipReady(**named, **times, ended="complete", bytes=size, events=[], alerts=[])

    assert trouble_of(ready(), tmp_path) is None
    assert trouble_of(ready(last_us=4), tmp_path) == "results [0] are not of its time"
    assert trouble_of(msgspec.structs.replace(ready(), clip="two"), tmp_path) == "gone"
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    assert trouble_of(ready(), tmp_path) not in (None, "gone")
