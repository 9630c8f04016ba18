"""The store of incidents: what it keeps, for how long, and what it survives."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest

from stream.incidents import database, picture_files, retention, store
from stream.incidents.database import DAMAGED, NAME
from stream.incidents.incident import Incident, IncidentQuery, Picture
from stream.incidents.store import IncidentStore, StoreUnavailableError
from stream.results import ClipReady, ModelRef
from stream.settings.config_error import ConfigError
from support.incidents import JPEG, RUN, S, alert, event, frame, give, opened
from support.repository import REPOSITORY
from support.waiting import wait_until

ALL = IncidentQuery(limit=10_000)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[IncidentStore]:
    made = opened(tmp_path / "incidents")
    yield made
    made.close()


def ids(made: IncidentStore, query: IncidentQuery = ALL) -> list[str]:
    return [one.id for one in made.find(query)]


def test_alerts_and_wanted_actions_are_listed_the_latest_first_with_when_they_ended(kept: IncidentStore) -> None:
    give(kept, frame(), alert(1), event(2), event(3, label="walk"), event(4, score=0.4))
    assert ids(kept) == ["e0123abcd-2", "0123abcd-1"]
    give(
        kept,
        event(5, "changed", "walk", event="e0123abcd-5", previous_event="e0123abcd-2"),
        alert(6, "updated", alert="0123abcd-1", acknowledged_us=77),
        alert(8, "cleared", alert="0123abcd-1", clear_reason="over"),
    )
    fell, visit = kept.find(ALL)
    assert (fell.kind, fell.action, fell.reason, fell.began_us, fell.ended_us) == (
        "event",
        "fall",
        "fall 0.90",
        2 * S,
        5 * S,
    )
    assert (visit.kind, visit.rule, visit.severity, visit.ended_us) == ("alert", "visitor", "info", 8 * S)
    assert (visit.acknowledged_us, visit.frame, visit.model) == (77, 1, ModelRef("edge", "sha256:0", True))


def test_every_filter_selects_and_pages_follow_each_other(kept: IncidentStore) -> None:
    give(kept, alert(1), alert(2, camera="yard", rule="fence"), event(3), alert(4), alert(4, alert="0123abcd-44"))
    wanted: list[tuple[dict[str, Any], list[str]]] = [
        ({"cameras": ("yard",)}, ["0123abcd-2"]),
        ({"cameras": ()}, []),
        ({"rule": "fence"}, ["0123abcd-2"]),
        ({"action": "fall"}, ["e0123abcd-3"]),
        ({"kind": "event"}, ["e0123abcd-3"]),
        ({"from_us": 2 * S, "to_us": 4 * S}, ["e0123abcd-3", "0123abcd-2"]),
        ({"verdict": "right"}, []),
    ]
    for fields, found in wanted:
        assert ids(kept, IncidentQuery(**fields)) == found, fields
    pages: list[str] = []
    before = None
    while page := kept.find(IncidentQuery(limit=2, before=before)):
        pages += [one.id for one in page]
        before = (page[-1].began_us, page[-1].id)
    assert pages == ids(kept) and len(pages) == 5
    buckets = kept.timeline(IncidentQuery(from_us=0, to_us=5 * S), 5)
    assert [(one.from_us // S, one.alerts, one.events) for one in buckets] == [
        (0, 0, 0),
        (1, 1, 0),
        (2, 1, 0),
        (3, 0, 1),
        (4, 2, 0),
    ]


def test_an_incident_names_the_clip_that_shows_it_unless_that_was_deleted(kept: IncidentStore) -> None:
    def ready(clip: str, first: int, last: int) -> ClipReady:
        span: dict[str, Any] = {
            "start_us": 0,
            "end_us": 0,
            "start_media_time_us": first * S,
            "end_media_time_us": last * S,
        }
        common: dict[str, Any] = {"run": RUN, "seq": 0, "camera": "door", "epoch": 1, "ended": "complete", "bytes": 1}
        return ClipReady(clip=clip, events=[], alerts=[], **(span | common))

    give(kept, alert(1), alert(2), alert(3), ready("there", 2, 2), ready("deleted", 1, 2))
    assert [one.clip for one in kept.find(ALL)] == [None, "there", None]


def test_what_begins_in_one_frame_shares_its_picture_and_result(kept: IncidentStore) -> None:
    give(kept, alert(1), event(1), alert(2))
    assert kept.picture("0123abcd-1") == "none"
    kept.keep(["0123abcd-1", "e0123abcd-1"], frame(1), JPEG)
    assert kept.picture("0123abcd-1") == kept.picture("e0123abcd-1") == Picture(JPEG, frame(1))
    assert (kept.picture("0123abcd-2"), kept.picture("0123abcd-9")) == ("none", "unknown")
    assert kept.with_pictures(["0123abcd-1", "0123abcd-2"]) == {"0123abcd-1"}
    assert [one.picture for one in kept.find(ALL)] == [False, True, True]


def test_everything_is_there_again_in_the_next_run_with_a_picture_that_a_crash_left_unknown(tmp_path: Path) -> None:
    first = opened(tmp_path)
    give(first, alert(1), alert(2))
    for number in (1, 2):
        first.keep([], frame(number), JPEG)
    first.close()
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.execute("DELETE FROM pictures WHERE frame = 2")  # as if killed before it was noted
    unfinished = next(tmp_path.glob("pictures/*")) / f"{RUN}_1_3_door.jpg.part"
    unfinished.write_bytes(b"half")
    second = opened(tmp_path)
    assert second.picture("0123abcd-1") == Picture(JPEG, frame(1))
    assert second.picture("0123abcd-2") == Picture(JPEG, None), "its result is lost"
    assert not unfinished.exists()
    give(second, alert(9, "cleared", alert="0123abcd-1", epoch=0, run="f" * 32))
    assert second.find(ALL)[1].ended_us == 9 * S
    second.close()


def test_pictures_beyond_the_budget_are_deleted_oldest_first_and_said_to_be_gone(tmp_path: Path) -> None:
    made = opened(tmp_path, budget=1 << 20)
    large = JPEG + bytes(300_000)
    give(made, *(alert(number) for number in range(1, 6)))
    for number in range(1, 6):
        made.keep([], frame(number), large)
    wait_until(lambda: made.bytes_kept <= 1 << 20)
    found = [made.picture(f"0123abcd-{number}") for number in range(1, 6)]
    assert found[:2] == ["gone", "gone"] and all(isinstance(one, Picture) for one in found[2:])
    assert len(ids(made)) == 5 and len(list(tmp_path.glob("pictures/*/*"))) == 3
    assert made.bytes_kept == sum(len(large) + len(msgspec.json.encode(frame(number))) for number in (3, 4, 5))
    made.close()


def test_old_incidents_are_deleted_and_their_ids_are_still_known_as_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MOST_INCIDENTS", 2)
    monkeypatch.setattr(store, "TICK_S", 0.02)
    monkeypatch.setattr(store, "LOOK_EVERY_S", 0.02)
    made = opened(tmp_path)
    give(made, alert(1))
    made.keep([], frame(1), JPEG)
    made.set_verdict(["0123abcd-1"], "right", None, "Ann", 5)
    give(made, *(alert(number) for number in range(2, 6)))
    made.keep([], frame(5), JPEG)
    wait_until(lambda: len(ids(made)) == 3)
    assert ids(made) == ["0123abcd-5", "0123abcd-4", "0123abcd-1"], "one with a verdict stays"
    assert (made.picture("0123abcd-2"), made.picture("0123abcd-77")) == ("gone", "unknown")
    made._keep_us = -S  # everything is too old now
    wait_until(lambda: ids(made) == ["0123abcd-1"] and not made.bytes_kept)
    assert made.picture("0123abcd-1") == "gone" and not list(tmp_path.glob("pictures/*"))
    assert made._database is not None
    assert made._database.execute("SELECT frame FROM pictures").fetchall() == [(1,)], "of the one that stays"
    made.close()


def test_a_damaged_store_is_put_aside_and_its_pictures_stay_within_the_budget(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = opened(tmp_path)
    give(first, alert(1))
    first.keep([], frame(1), JPEG)
    first.close()
    (tmp_path / NAME).write_bytes(b"not a database" * 1000)
    second = opened(tmp_path)
    give(second, alert(2))
    assert ids(second) == ["0123abcd-2"] and second.bytes_kept == len(JPEG)
    assert len(list(tmp_path.glob(f"{NAME}{DAMAGED}*"))) == 1 and "cannot be used" in caplog.text
    second.close()


def test_a_database_of_another_program_is_put_aside(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / NAME) as foreign:
        foreign.execute("CREATE TABLE incidents(id TEXT, what TEXT)")
    foreign.close()
    made = opened(tmp_path)
    give(made, alert(1))
    assert ids(made) == ["0123abcd-1"] and made.condition.state == "ready"
    (aside,) = tmp_path.glob(f"{NAME}{DAMAGED}*[0-9]")
    with sqlite3.connect(aside) as kept:
        assert kept.execute("SELECT sql FROM sqlite_master").fetchone() == (
            "CREATE TABLE incidents(id TEXT, what TEXT)",
        )
    kept.close()
    made.close()


def test_a_database_that_is_damaged_while_it_is_used_is_replaced(tmp_path: Path) -> None:
    made = opened(tmp_path)
    give(made, *(alert(number) for number in range(1, 300)))
    with made._lock:  # the writer may be tidying up
        assert made._database is not None
        made._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / NAME).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_000)
    with pytest.raises(StoreUnavailableError):
        made.find(ALL)
    wait_until(lambda: bool(list(tmp_path.glob(f"{NAME}{DAMAGED}*"))))
    give(made, alert(1000))
    wait_until(lambda: ids(made) == ["0123abcd-1000"])
    made.close()


def test_a_full_disk_costs_pictures_and_is_said_before_and_over_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "TICK_S", 0.02)
    made = opened(tmp_path, least_free=10**18)
    wait_until(lambda: made.condition.state == "low_disk")
    give(made, alert(1))
    made.keep(["0123abcd-1"], frame(1), JPEG)
    assert (made.condition.state, made.pictures_lost) == ("low_disk", 1) and "least_free" in made.condition.message
    assert ids(made) == ["0123abcd-1"] and made.picture("0123abcd-1") == "none"
    made.condition.least_free = 0
    wait_until(lambda: made.condition.state == "ready")
    made.close()


def test_a_disk_that_takes_nothing_loses_incidents_which_are_counted_and_the_store_recovers(tmp_path: Path) -> None:
    made = opened(tmp_path)
    give(made, alert(1))
    assert made._database is not None
    (pages,) = made._database.execute("PRAGMA page_count").fetchone()
    made._database.execute(f"PRAGMA max_page_count = {pages}")  # what SQLite does when the disk is full
    many = [alert(number, reason="x" * 4000) for number in range(2, 102)]
    give(made, *many)
    wait_until(lambda: made.dropped["alert"] == 100)
    assert made.condition.state == "low_disk" and ids(made) == ["0123abcd-1"]
    made._database.execute("PRAGMA max_page_count = 1000000")
    give(made, *many)
    wait_until(lambda: len(ids(made)) == 101)
    made.close()


def test_a_picture_that_the_database_does_not_take_leaves_no_file_behind(tmp_path: Path) -> None:
    made = opened(tmp_path)
    assert made._database is not None
    made._database.execute("PRAGMA query_only = TRUE")
    made.keep([], frame(1), JPEG)
    assert (made.pictures_lost, made.bytes_kept, made.condition.state) == (1, 0, "unwritable")
    assert not list(tmp_path.glob("pictures/*"))
    made._database.execute("PRAGMA query_only = FALSE")
    made.keep([], frame(2), JPEG)
    assert made.condition.state == "ready" and len(list(tmp_path.glob("pictures/*/*"))) == 1
    made.close()


def test_a_flood_of_10000_alerts_is_bounded_counted_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = opened(tmp_path)
    with made._lock:  # the writer waits for the disk
        for number in range(10_000):
            made.take("", alert(number))
            made.take("", event(number))
        assert made.waiting <= store.MOST_WAITING + store.BATCH
    wait_until(lambda: made.waiting == 0)
    made.close()
    lost = made.dropped
    assert made.began == {"alert": 10_000, "event": 10_000}
    again = opened(tmp_path)
    found: list[Incident] = again.find(ALL)
    again.close()
    assert len(found) + lost.total() == 20_000
    assert caplog.text.count("more begin than can be written") == 1


def test_a_second_engine_cannot_use_the_directory(kept: IncidentStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"incidents\.directory: .*incidents is in use by another engine"):
        opened(tmp_path / "incidents")


def test_a_directory_that_cannot_be_used_leaves_the_engine_running(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    made = opened(tmp_path / "file")
    made.take("", alert(1))
    wait_until(lambda: made.dropped["alert"] == 1)
    assert made.condition.state == "unwritable"
    with pytest.raises(StoreUnavailableError):
        made.find(ALL)
    made.close()


def test_a_killed_process_loses_no_incident_that_was_written_and_leaves_a_usable_store(tmp_path: Path) -> None:
    child = textwrap.dedent(
        f"""
        import os, signal, sys
        from pathlib import Path
        sys.path[:0] = {[str(REPOSITORY), str(REPOSITORY / "tests")]!r}
        from support.incidents import JPEG, alert, frame, give, opened
        made = opened(Path({str(tmp_path)!r}))
        for number in range(1, 21):
            give(made, alert(number))
            made.keep([], frame(number), JPEG)
        made.take("", alert(21))
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert subprocess.run([sys.executable, "-c", child], check=False).returncode == -9
    made = opened(tmp_path)
    found = {one.id: one.picture for one in made.find(ALL)}
    made.close()
    assert set(found) >= {f"0123abcd-{number}" for number in range(1, 21)}
    assert all(found[f"0123abcd-{number}"] for number in range(1, 21))


def test_verdicts_are_kept_changed_and_removed(kept: IncidentStore) -> None:
    give(kept, event(1), event(2))
    (first,) = kept.set_verdict(["e0123abcd-1", "e0123abcd-9"], "really", "lie", "Ann", 5)
    assert (first.verdict, first.truth, first.by, first.at_us) == ("really", "lie", "Ann", 5)
    assert ids(kept, IncidentQuery(verdict="none")) == ["e0123abcd-2"]
    assert ids(kept, IncidentQuery(verdict="really")) == ["e0123abcd-1"]
    (first,) = kept.set_verdict(["e0123abcd-1"], None, None, "Ann", 6)
    assert (first.verdict, first.by) == (None, None)


def test_a_verdict_that_is_written_is_returned_even_if_nothing_can_be_read_afterwards(kept: IncidentStore) -> None:
    give(kept, event(1))
    with mock.patch.object(database, "reading", side_effect=sqlite3.OperationalError("disk I/O error")):
        (changed,) = kept.set_verdict(["e0123abcd-1"], "right", None, "Ann", 5)
    assert changed.verdict == "right" and kept.get("e0123abcd-1") == changed


def test_incidents_with_a_verdict_take_no_room_from_new_ones_and_are_bounded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "TICK_S", 0.02)
    monkeypatch.setattr(store, "LOOK_EVERY_S", 0.02)
    made = opened(tmp_path)
    give(made, *(alert(number) for number in range(1, 4)))
    made.set_verdict([f"0123abcd-{number}" for number in range(1, 4)], "right", None, "Ann", 5)
    monkeypatch.setattr(retention, "MOST_INCIDENTS", 2)
    monkeypatch.setattr(retention, "MOST_JUDGED", 2)
    give(made, *(alert(number) for number in range(4, 7)))
    wait_until(lambda: ids(made) == [f"0123abcd-{number}" for number in (6, 5, 3, 2)])
    made.close()


def test_only_the_engine_s_user_can_read_the_files(kept: IncidentStore, tmp_path: Path) -> None:
    give(kept, alert(1))
    kept.keep([], frame(1), JPEG)
    files = [path for path in (tmp_path / "incidents").rglob("*") if path.is_file()]
    assert len(files) == 5, "the database with its journal, the lock, and a picture"
    assert not any(path.stat().st_mode & 0o077 for path in files)


def test_only_files_of_pictures_are_touched(tmp_path: Path) -> None:
    other = tmp_path / picture_files.FOLDER / "2026-01-01" / "holiday.jpg"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    made = opened(tmp_path)
    assert made.bytes_kept == 0
    made.close()
    assert other.read_bytes() == b"mine"
