"""The archiver with a real publisher over TCP: every message is in the archive once, or counted as lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

import support.engines.wire_messages as wire
from commands.keys import make_keys
from stream.archive import archiver as archivers
from stream.archive.archive import Archive
from stream.messaging.curve.keys import read_pair
from support.engines.archiving import archiving, ask, numbers, publishing
from support.ports import reserved_port
from support.repository import REPOSITORY
from support.waiting import until

GAPS = "SELECT camera, kind, epoch, first_seq, missed, replayed, lost FROM {gaps} ORDER BY noticed_utc"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the last read and the time until a failed write is repeated, and do not wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(archivers, "LAST_READ_S", 0.05)
    monkeypatch.setattr(archivers, "WRITE_AGAIN_S", 0.05)


async def test_every_published_message_is_in_the_archive(tmp_path: Path) -> None:
    async with publishing() as publisher:
        async with archiving(publisher, tmp_path) as archiver:
            for number in range(100):
                publisher.publish(wire.frame("lobby", number=number, people=number % 3))
                publisher.publish(wire.frame("door", number=number, people=0))
            publisher.publish(wire.event())
            publisher.publish(wire.status())
            publisher.publish(wire.stats())
            await until(lambda: archiver.counts.messages == 202)
        assert (archiver.counts.people, archiver.counts.gaps, archiver.counts.failed_writes) == (99, 0, 0)
    assert numbers(tmp_path, "lobby") == numbers(tmp_path, "door") == list(range(100))
    assert ask(tmp_path, "SELECT count(*), count(DISTINCT (seq, track)), min(track), max(track) FROM {people}") == [
        (99, 99, 1, 2)
    ]
    assert ask(tmp_path, "SELECT sum(people) FROM {frames}") == [(99,)]
    assert ask(tmp_path, "SELECT (SELECT count(*) FROM {events}), (SELECT count(*) FROM {status})") == [(1, 1)]


async def test_stopping_writes_messages_that_were_read_or_on_their_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archivers, "LAST_READ_S", 5.0)
    async with publishing() as publisher:
        async with archiving(publisher, tmp_path, every_s=3600) as archiver:
            for number in range(200):
                publisher.publish(wire.frame(number=number))
            assert archiver.counts.messages == 0
        assert archiver.counts.messages == 200
    assert numbers(tmp_path) == list(range(200))


async def test_small_files_are_merged_while_messages_are_archived(tmp_path: Path) -> None:
    async with publishing() as publisher, archiving(publisher, tmp_path) as archiver:
        for number in range(10):
            publisher.publish(wire.frame(number=number))
            await until(lambda written=number + 1: archiver.counts.messages == written)
        await until(lambda: len(list((tmp_path / "frames" / "day=2026-09-21").rglob("*.parquet"))) < 4)
    assert numbers(tmp_path) == list(range(10))


async def test_the_next_run_requests_what_was_published_meanwhile_and_archives_nothing_twice(tmp_path: Path) -> None:
    async with publishing() as publisher:
        async with archiving(publisher, tmp_path) as first:
            for number in range(50):
                publisher.publish(wire.frame(epoch=1, number=number))
            await until(lambda: first.counts.messages == 50)
        for number in range(50, 70):
            publisher.publish(wire.frame(epoch=1, number=number))
        for number in range(30):
            publisher.publish(wire.frame(epoch=2, number=number))
        publisher.publish(wire.frame("added"))
        publisher.publish(wire.frame("added"))
        async with archiving(publisher, tmp_path) as archiver:
            await until(lambda: archiver.counts.messages == 52)
            publisher.publish(wire.frame(epoch=2, number=30))
            await until(lambda: archiver.counts.messages == 53)
        async with archiving(publisher, tmp_path) as again:
            publisher.publish(wire.event())
            await until(lambda: again.counts.messages == 1)
    assert ask(
        tmp_path, "SELECT epoch, count(*), count(DISTINCT seq) FROM {frames} WHERE camera = 'lobby' GROUP BY 1"
    ) == [(1, 70, 70), (2, 31, 31)]
    assert numbers(tmp_path, "added") == [0, 1], "of a camera that came meanwhile all is asked for"
    assert ask(tmp_path, "SELECT sum(lost), sum(replayed) FROM {gaps}") == [(0, 50)]


async def test_messages_that_the_engine_no_longer_holds_are_a_gap_of_their_exact_size(tmp_path: Path) -> None:
    async with publishing(history_messages=20) as publisher:
        async with archiving(publisher, tmp_path) as first:
            publisher.publish(wire.frame(number=0))
            await until(lambda: first.counts.messages == 1)
        for number in range(1, 101):
            publisher.publish(wire.frame(number=number))
        async with archiving(publisher, tmp_path) as archiver:
            await until(lambda: archiver.counts.messages == 20)
        assert (archiver.counts.gaps, archiver.counts.lost) == (1, 80)
    assert numbers(tmp_path) == [0, *range(81, 101)]
    assert ask(tmp_path, GAPS) == [("lobby", "results", 1, 1, 99, 19, 80)]


async def test_a_new_run_of_the_engine_is_archived_from_its_first_message_on(tmp_path: Path) -> None:
    endpoints = {field: f"tcp://127.0.0.1:{reserved_port()}" for field in ("endpoint", "replay")}
    async with publishing("a" * 32, **endpoints) as first, archiving(first, tmp_path) as archiver:
        first.publish(wire.frame(epoch=3))
        await until(lambda: archiver.counts.messages == 1)
        await first.stop()
        async with publishing("b" * 32, **endpoints) as second:
            for number in range(5):
                second.publish(wire.frame(epoch=1, number=number))
            for number in range(5):
                second.publish(wire.frame(epoch=2, number=number))
            await until(lambda: archiver.counts.messages == 11)
    assert ask(tmp_path, "SELECT run[1], epoch, list(seq ORDER BY seq) FROM {frames} GROUP BY 1, 2 ORDER BY 1, 2") == [
        ("a", 3, [0]),
        ("b", 1, [0, 1, 2, 3, 4]),
        ("b", 2, [0, 1, 2, 3, 4]),
    ]


async def test_a_full_disk_is_logged_once_and_counted_and_no_message_is_lost_that_can_be_held(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some messages are held in memory, some in ZeroMQ's queues, and the rest in the engine's history."""
    total = 4000
    caplog.set_level("INFO", "stream.archive.archiver")
    write, full = Archive.write, True

    def full_at_first(*arguments: Any) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(Archive, "write", full_at_first)
    small = {"high_water_mark": 10, "receive_buffer": 4096}
    async with (
        publishing(high_water_mark=10, history_messages=total) as publisher,
        archiving(publisher, tmp_path, most_held=300_000, queue=small) as archiver,
    ):
        for number in range(total):
            publisher.publish(wire.frame(number=number, people=2))
        await until(lambda: archiver.counts.failed_writes > 3)
        assert archiver.write_error.startswith("the disk is full: make room")
        assert archiver.counts.messages == 0
        assert archiver.waiting < 1000, "the rest waits elsewhere"
        full = False
        last = publisher.publish(wire.frame(number=total))
        await until(lambda: archiver.counts.messages == last.seq + 1)
        assert archiver.write_error == ""
    assert numbers(tmp_path) == list(range(total + 1))
    assert ask(tmp_path, "SELECT sum(lost), sum(replayed) > 1000 FROM {gaps}") == [(0, True)]
    assert sum("the disk is full" in record.message for record in caplog.records) == 1
    assert sum("writing works again" in record.message for record in caplog.records) == 1


async def test_messages_that_cannot_be_written_at_the_end_are_counted_and_requested_again(tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with publishing() as publisher:
        with pytest.MonkeyPatch.context() as patch:
            async with archiving(publisher, tmp_path) as archiver:
                publisher.publish(wire.frame(number=0))
                await until(lambda: archiver.counts.messages == 1)
                patch.setattr(Archive, "write", full)
                for number in range(1, 8):
                    publisher.publish(wire.frame(number=number))
                await until(lambda: archiver.counts.failed_writes > 0 and archiver.waiting == 7)
            assert archiver.counts.unwritten == 7
        async with archiving(publisher, tmp_path) as archiver:
            await until(lambda: archiver.counts.messages == 7)
    assert numbers(tmp_path) == list(range(8))


async def test_memory_is_bounded_even_if_files_are_rarely_written(tmp_path: Path) -> None:
    async with publishing() as publisher, archiving(publisher, tmp_path, every_s=3600, most_held=300_000) as archiver:
        for number in range(400):
            publisher.publish(wire.frame(number=number))
        await until(lambda: archiver.counts.messages >= 200)


async def test_messages_with_numbers_that_fit_no_column_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with publishing() as publisher, archiving(publisher, tmp_path, replay=False) as archiver:
        for number in range(6):
            sent = wire.frame(number=number)
            publisher.publish(msgspec.structs.replace(sent, capture_us=10**18) if number % 2 else sent)
        await until(lambda: archiver.counts.messages == 3)
    assert (archiver.counts.unusable, archiver.counts.lost) == (3, 2)
    assert numbers(tmp_path) == [0, 2, 4]
    assert (
        "is not a partstream message of version 1: Expected `int` <= 9007199254740991 - at `$.capture_us`"
        in caplog.text
    )


async def test_a_silent_engine_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with publishing() as publisher, archiving(publisher, tmp_path, every_s=0.02) as archiver:
        await until(lambda: "no message received yet" in caplog.text)
        publisher.publish(wire.frame())
        await until(lambda: archiver.counts.messages == 1)
    assert caplog.text.count("no message received yet") == 1


async def test_with_curve_a_listed_archiver_gets_every_message_and_those_it_missed(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["archive"])
    settings = {
        "curve_secret_key_file": str(tmp_path / "keys" / "server.key_secret"),
        "curve_allowed_keys": str(tmp_path / "keys" / "allowed"),
    }
    keys = {
        "server_key": read_pair(tmp_path / "keys" / "server.key_secret").public,
        "key_file": tmp_path / "keys" / "clients" / "archive.key_secret",
    }
    async with publishing(**settings) as publisher:
        async with archiving(publisher, tmp_path / "archive", keys=keys) as first:
            publisher.publish(wire.frame())
            await until(lambda: first.counts.messages == 1)
        for _ in range(9):
            publisher.publish(wire.frame())
        async with archiving(publisher, tmp_path / "archive", keys=keys) as archiver:
            await until(lambda: archiver.counts.messages == 9)
    assert numbers(tmp_path / "archive") == list(range(10))


def started(endpoint: str, replay: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "run_stream.py",
            "archive",
            endpoint,
            "--out",
            str(folder),
            "--replay",
            replay,
            "--every",
            "0.2",
        ],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )


def readable(folder: Path) -> list[int]:
    """Return `numbers`; none if files are merged while they are read."""
    try:
        return numbers(folder)
    except duckdb.IOException:
        return []


async def test_the_command_continues_where_it_was_stopped_or_killed(tmp_path: Path) -> None:
    """Messages published while it runs and while it does not are in the archive once."""
    async with publishing() as publisher:
        number = 0
        for how, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
            process = started(publisher.endpoint, publisher.replay_endpoint, tmp_path)
            try:
                await until(lambda: publisher.subscriptions == 3)
                before = len(readable(tmp_path))
                for _ in range(40):
                    publisher.publish(wire.frame(number=number))
                    number += 1
                await until(lambda before=before: len(readable(tmp_path)) > before)
                process.send_signal(how)
                _, log = process.communicate()
                assert process.returncode == code, log
            finally:
                process.kill()
                process.wait()
            for _ in range(10):
                publisher.publish(wire.frame(number=number))
                number += 1
            await until(lambda: publisher.subscriptions == 0)
        assert "messages written" in log
        async with archiving(publisher, tmp_path):
            await until(lambda: len(readable(tmp_path)) == number)
    assert numbers(tmp_path) == list(range(number))
    assert ask(tmp_path, "SELECT coalesce(sum(lost), 0) FROM {gaps}") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--keep", "much"], "--keep much is not a size such as 500MB or 20GB"),
        (["--camera", "Not An Id"], "camera id 'Not An Id': use a-z, 0-9, - and _, for example not-an-id"),
        (["--key-file", "absent.key"], "key"),
    ],
)
def test_a_wrong_argument_ends_the_command_with_code_2_and_a_remedy(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    from typer.testing import CliRunner

    from run_stream import app

    done = CliRunner().invoke(app, ["archive", "--out", str(tmp_path / "archive"), *arguments])
    assert done.exit_code == 2
    assert words in done.stderr
