"""The archive if replay does not answer, or cannot know: what is missing is requested again, or recorded as missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import support.engines.wire_messages as wire
from stream.archive import archiver as archivers
from stream.messaging.publisher import Publisher
from support.engines.archiving import archiving, ask, publishing
from support.engines.silent_replay import Replay
from support.fleet.published_fleet import directory, engine
from support.ports import reserved_port
from support.waiting import until

FRAMES = "SELECT run[1], epoch, list(seq ORDER BY seq) FROM {frames} GROUP BY 1, 2 ORDER BY 1, 2"
GAPS = "SELECT kind, epoch, first_seq, missed, replayed, lost, more FROM {gaps} ORDER BY run, kind, epoch, first_seq"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the last read, and do not wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(archivers, "LAST_READ_S", 0.05)


def publish(publisher: Publisher, epoch: int, count: int) -> None:
    for _ in range(count):
        publisher.publish(wire.frame(epoch=epoch))


async def begun(publisher: Publisher, folder: Path) -> None:
    """Archive a message of epoch 1. Then 3 more are published, and 3 of epoch 2, the last of which is resent."""
    async with archiving(publisher, folder) as archiver:
        publish(publisher, 1, 1)
        await until(lambda: archiver.counts.messages == 1)
    publish(publisher, 1, 3)
    publish(publisher, 2, 3)


EVERYTHING = [("0", 1, [0, 1, 2, 3]), ("0", 2, [0, 1, 2])]


async def test_what_replay_does_not_answer_is_requested_again_before_later_messages_are_archived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Replay(monkeypatch)
    async with publishing() as publisher:
        await begun(publisher, tmp_path)
        replay.away = True
        for _ in range(2):  # the first one is stopped meanwhile
            async with archiving(publisher, tmp_path) as archiver:
                await until(lambda asked=replay.asked: replay.asked > asked + 3)
            assert archiver.counts.messages == archiver.counts.gaps == 0
        async with archiving(publisher, tmp_path) as archiver:
            await until(lambda asked=replay.asked: replay.asked > asked + 3)
            replay.away = False
            await until(lambda: archiver.counts.messages == 6)
        assert (archiver.counts.lost, archiver.counts.unknown) == (0, 0)
    assert ask(tmp_path, FRAMES) == EVERYTHING
    assert ask(tmp_path, "SELECT sum(replayed), sum(lost), max(more) FROM {gaps}") == [(5, 0, False)]


async def test_what_replay_never_answers_is_a_gap_and_an_end_of_an_epoch_one_of_unknown_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Replay(monkeypatch)
    monkeypatch.setattr("stream.messaging.gap_filling.RESUMED_PATIENCE_S", 0.0)
    async with publishing() as publisher:
        await begun(publisher, tmp_path)
        replay.away = True
        async with archiving(publisher, tmp_path) as archiver:
            await until(lambda: archiver.counts.messages == 1)
        assert (archiver.counts.gaps, archiver.counts.lost, archiver.counts.unknown) == (2, 2, 1)
    assert ask(tmp_path, GAPS) == [("results", 1, 1, 0, 0, 0, True), ("results", 2, 0, 2, 0, 2, False)]


async def test_without_replay_the_end_of_an_epoch_is_a_gap_of_unknown_size(tmp_path: Path) -> None:
    async with publishing() as publisher, archiving(publisher, tmp_path, replay=False) as archiver:
        publish(publisher, 1, 1)
        publish(publisher, 4, 1)
        await until(lambda: archiver.counts.messages == 2)
    assert ask(tmp_path, GAPS) == [("results", 1, 1, 0, 0, 0, True)], "of epochs 2 and 3, nothing more is known"


async def test_the_end_of_an_epoch_that_the_engine_has_forgotten_is_a_gap_of_unknown_size(tmp_path: Path) -> None:
    async with publishing() as publisher:
        async with archiving(publisher, tmp_path) as archiver:
            publish(publisher, 1, 1)
            await until(lambda: archiver.counts.messages == 1)
        for epoch in range(1, 102):
            publish(publisher, epoch, 1)
        async with archiving(publisher, tmp_path) as archiver:
            await until(lambda: archiver.counts.messages == 32)
    (epochs,) = ask(tmp_path, "SELECT list(epoch ORDER BY epoch) FROM {frames}")
    assert epochs == ([1, *range(70, 102)],)
    assert ask(tmp_path, "SELECT epoch FROM {gaps} WHERE more ORDER BY epoch") == [(1,), (37,)]


async def restarted(folder: Path, endpoints: dict[str, str], runs: str, *, archived: str) -> None:
    """Publish 2 messages in each of the engine's runs, named by a letter; only those in `archived` are archived."""
    for run in runs:
        async with publishing(run * 32, **endpoints) as publisher:
            if run not in archived:
                publish(publisher, 1, 2)
                continue
            async with archiving(publisher, folder) as archiver:
                publish(publisher, 1, 2)
                await until(lambda archiver=archiver: archiver.counts.messages == 2)


async def test_after_restarts_of_the_engine_the_end_of_the_last_archived_run_is_a_gap_of_unknown_size(
    tmp_path: Path,
) -> None:
    endpoints = {field: f"tcp://127.0.0.1:{reserved_port()}" for field in ("endpoint", "replay")}
    await restarted(tmp_path, endpoints, "abc", archived="ac")
    assert ask(tmp_path, FRAMES) == [("a", 1, [0, 1]), ("c", 1, [0, 1])]
    assert ask(tmp_path, "SELECT run[1], kind, epoch, first_seq, lost, more FROM {gaps}") == [
        ("a", "results", 1, 2, 0, True)
    ]
    await restarted(tmp_path, endpoints, "d", archived="d")
    assert ask(tmp_path, "SELECT list(run[1] ORDER BY run) FROM {gaps}") == [(["a", "c"],)], "each once"


async def test_of_a_fleet_each_result_is_archived_once_and_moves_and_pauses_of_the_archive_are_gaps_of_unknown_size(
    tmp_path: Path,
) -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("lobby", 1, north)
        fleet.place("yard", 1, south)
        async with archiving(fleet.publisher, tmp_path, fleet=True) as archiver:
            await until(lambda: min(one.publisher.subscriptions for one in (north, south)) > 0)
            sent = [
                (one.run, one.camera, one.seq)
                for _ in range(3)
                for one in (north.frame("lobby", 1), south.frame("yard", 1))
            ]
            await until(lambda: archiver.counts.messages == 6)
            fleet.place("lobby", 2, south, previous=north)
            frame = south.frame("lobby", 2)
            await until(lambda: archiver.counts.messages == 7)
            north.frame("lobby", 1)  # stale
            sent += [(one.run, one.camera, one.seq) for one in (frame, south.frame("yard", 1))]
            await until(lambda: archiver.counts.messages == 8)
            assert archiver.counts.unknown == 1
        await until(lambda: fleet.publisher.subscriptions == 0)
        async with archiving(fleet.publisher, tmp_path, fleet=True) as archiver:
            assert archiver.counts.unknown == 2
    assert ask(tmp_path, "SELECT run, camera, seq FROM {frames} ORDER BY run, camera, seq") == sorted(sent)
    assert ask(
        tmp_path, "SELECT run, camera, kind, first_seq, lost, more FROM {gaps} ORDER BY camera, first_seq DESC"
    ) == [
        (north.publisher.run, "lobby", "results", 3, 0, True),
        (south.publisher.run, "lobby", "results", 1, 0, True),
        (south.publisher.run, "yard", "results", 4, 0, True),
    ]
