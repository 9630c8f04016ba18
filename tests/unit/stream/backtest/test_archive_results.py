"""Archives as results: what the evaluator gets from columns equals what it gets from messages (hypothesis)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.backtest.archive_results import read_archives
from stream.backtest.replay import replay
from stream.backtest.results_files import ResultsFiles, people_of
from stream.backtest.segments import SeenPerson, Segment
from stream.backtest.selection import Field, MissingFieldError, Selection, all_fields
from stream.results import Frame
from stream.rules.compiled import CompiledRules
from stream.rules.signals import Signal
from stream.settings.config_error import ConfigError
from stream.settings.rules import RulesConfig
from support.backtest import recorded
from support.backtest.recorded import frame, person, write_archive, write_results
from support.examples import examples

FIELDS: tuple[Field, ...] = get_args(Field)
EVERY = Selection()
SIGNALS = [
    Signal("action", "", "lie"),
    Signal("action", "", "unknown"),
    *(Signal("part", part) for part in recorded.PARTS),
    *(Signal("state", part, state) for part in recorded.PARTS for state in (*recorded.STATES, "unknown")),
    *(Signal("holds", part, name) for part in ("left_hand", "head") for name in (*recorded.OBJECTS, "any", "unknown")),
    *(Signal("near", "left_hand", part) for part in (*recorded.PARTS, "unknown")),
    *(Signal("above", "right_hand", part) for part in (*recorded.PARTS, "unknown")),
    *(Signal("near_object", part, name) for part in ("right_hand", "hip") for name in (*recorded.OBJECTS, "unknown")),
    Signal("trunk"),
    Signal("hips"),
    Signal("speed"),
]


def told(seen: SeenPerson) -> tuple[object, ...]:
    crossed = [tuple(crossing) for crossing in seen.crossed]
    return (seen.track, seen.box, list(seen.zones), crossed, repr([float(value) for value in seen.values]), seen.foot)


def frames_of(segment: Segment) -> list[tuple[int, ...]]:
    columns = (segment.frames.seq, segment.frames.frame, segment.frames.capture_us, segment.frames.media_us)
    return list(zip(*(column.tolist() for column in columns), strict=True))


SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", autouse=True)
def quick_disk() -> Iterator[None]:
    """Write hundreds of archives without waiting for the disk; `test_archive_files` tests what a power cut leaves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


CAMERAS = tuple(f"cam{number}" for number in range(6))
"""An archive has random frames of each: writing and opening its files takes longer than reading what they hold."""


def random_frames(seed: int, times: int = 1) -> dict[str, list[Frame]]:
    """Return frames of each camera, that follow from the seed."""
    return {
        camera: [
            frame(seq, people, objects, camera=camera)
            for seq, (people, objects) in enumerate(recorded.content(seed + number) * times)
        ]
        for number, camera in enumerate(CAMERAS)
    }


@settings(max_examples=examples(5))
@given(seed=SEEDS, parted=st.integers(0, 6))
def test_columns_give_exactly_the_values_of_messages(seed: int, parted: int) -> None:
    cameras = random_frames(seed)
    with tempfile.TemporaryDirectory() as folder:
        parts = [[one for frames in cameras.values() for one in frames[part]] for part in _parted(parted)]
        recorded_results = read_archives([write_archive(Path(folder), *parts)], EVERY, FIELDS)
        assert recorded_results.profiles == {"edge"} and tuple(recorded_results.segments) == CAMERAS
        for camera, frames in cameras.items():
            (segment,) = recorded_results.segments[camera]
            people = segment.people(SIGNALS)
            assert frames_of(segment) == [(one.seq, one.frame, one.capture_us, one.media_time_us) for one in frames]
            assert segment.busy.tolist() == [index for index, one in enumerate(frames) if one.people]
            assert segment.size == recorded.SIZE
            for index in segment.busy.tolist():
                expected = people_of(frames[index], SIGNALS)
                assert [told(seen) for seen in people(index)] == [told(seen) for seen in expected]


def _parted(at: int) -> tuple[slice, slice]:
    return slice(None, at), slice(at, None)


ACTIONS = {
    "help": {"all": [{"part": "left_hand", "above": "head"}, {"part": "left_arm", "state": "raise", "score": 0.2}]},
    "call": {"any": [{"part": "right_hand", "holds": "any"}, {"part": "hip", "near_object": "cup", "distance": 2}]},
    "down": {"then": [{"action": "walk", "score": 0}, {"posture": "level"}], "within": "3s"},
}
RULES = {
    "lie": {"action": ["lie", "help"], "score": 0.1, "cooldown": "0s"},
    "call": {"action": "call", "for": "200ms", "zone": ["desk", "hall"], "cooldown": "1s", "clear_after": "0s"},
    "down": {"action": "down", "cooldown": "0s"},
    "fence": {"crosses": "fence", "to": "left", "cooldown": "0s"},
    "empty": {"people": {"at_most": 0}, "zone": "desk", "for": "600ms"},
    "visitor": {"enters": "hall", "cooldown": "0s"},
}


def compiled(actions: dict[str, Any] = ACTIONS, rules: dict[str, Any] = RULES) -> CompiledRules:
    return CompiledRules(RulesConfig.model_validate({"actions": actions, "rules": rules}))


def alerts_of(segments: Sequence[Segment], rules: CompiledRules) -> list[bytes]:
    return [msgspec.json.encode(alert) for alert in replay(segments, rules)]


@settings(max_examples=examples(4))
@given(seed=SEEDS)
def test_an_archive_raises_the_alerts_of_the_messages_byte_for_byte(seed: int) -> None:
    frames = [one for frames in random_frames(seed, times=2).values() for one in frames]
    with tempfile.TemporaryDirectory() as folder:
        archive = write_archive(Path(folder) / "archive", frames)
        files = ResultsFiles([write_results(Path(folder) / "results.jsonl", frames)], EVERY)
        rules = compiled()
        from_columns, from_messages = read_archives([archive], EVERY, FIELDS).segments, files.recorded().segments
        for camera in CAMERAS:
            assert alerts_of(from_columns[camera], rules) == alerts_of(from_messages[camera], rules)
        files.close()


def test_runs_and_epochs_are_in_order_duplicates_and_late_results_are_left_out(tmp_path: Path) -> None:
    later = "f" * 32
    first = [frame(seq, [person(seq + 1)]) for seq in (2, 0, 1, 1)]
    second = [frame(0, epoch=2, media_us=10), frame(1, epoch=2, media_us=5), frame(2, epoch=2, media_us=20)]
    new_run = [frame(0, run=later, since_us=recorded.T0 + 10**9)]
    archive = write_archive(tmp_path, new_run, second, first, [frame(5, camera="yard")])
    found = read_archives([archive], EVERY, ())
    assert list(found.segments) == ["lobby", "yard"]
    segments = found.segments["lobby"]
    assert [(segment.run, segment.epoch, segment.frames.seq.tolist()) for segment in segments] == [
        (recorded.RUN, 1, [0, 1, 2]),
        (recorded.RUN, 2, [0, 2]),
        (later, 1, [0]),
    ]
    people = segments[0].people([])
    assert [[seen.track for seen in people(index)] for index in segments[0].busy.tolist()] == [[1], [2], [3]]
    assert (found.duplicates, found.late, found.incomplete) == (1, 1, 0)


def test_rows_of_many_epochs_in_turn_are_grouped(tmp_path: Path) -> None:
    frames = [frame(seq, [person(camera)], camera=f"c{camera}") for seq in range(700) for camera in (1, 2)]
    found = read_archives([write_archive(tmp_path, frames)], EVERY, ())
    assert {camera: len(segments[0].frames.seq) for camera, segments in found.segments.items()} == {
        "c1": 700,
        "c2": 700,
    }
    assert found.segments["c2"][0].people([])(0)[0].track == 2


def test_cameras_and_times_are_selected(tmp_path: Path) -> None:
    frames = [frame(seq, [person()], camera=camera) for camera in ("lobby", "yard") for seq in range(10)]
    archive = write_archive(tmp_path, frames)
    window = Selection(frozenset({"yard"}), recorded.T0 + 400_000, recorded.T0 + 1_000_000)
    found = read_archives([archive], window, ())
    assert {camera: segments[0].frames.seq.tolist() for camera, segments in found.segments.items()} == {
        "yard": [2, 3, 4]
    }
    assert read_archives([archive], Selection(from_us=recorded.T0 + 10**13), ()).segments == {}


def test_frames_whose_people_are_missing_are_left_out_and_counted(tmp_path: Path) -> None:
    archive = write_archive(tmp_path, [frame(0, [person()])], [frame(1, [person()]), frame(2)])
    newest = max((archive / "people").rglob("*.parquet"), key=lambda path: path.name)
    newest.unlink()
    found = read_archives([archive], EVERY, ())
    assert found.incomplete == 1
    assert found.segments["lobby"][0].frames.seq.tolist() == [0, 2]


def refused(archive: Path, rules: dict[str, Any], actions: dict[str, Any] | None = None) -> MissingFieldError:
    fields = all_fields(RulesConfig.model_validate({"actions": actions or {}, "rules": rules}))
    with pytest.raises(MissingFieldError) as caught:
        read_archives([archive], EVERY, fields)
    return caught.value


def test_an_archive_without_all_parts_is_refused_for_rules_over_parts(tmp_path: Path) -> None:
    two = msgspec.structs.replace(person(), parts=[*person().parts, *person().parts])
    archive = write_archive(tmp_path, [frame(0, [two])], parts=1)
    error = refused(archive, {"a": {"action": "mine"}}, {"mine": {"part": "hip", "state": "lie"}})
    assert error.field == "parts" and "--parts all" in error.advice
    assert read_archives([archive], EVERY, {"zones", "hips", "speed"}).segments


def test_a_folder_that_is_no_archive_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not an archive of `partstream archive`"):
        read_archives([tmp_path], EVERY, ())
    archive = write_archive(tmp_path / "archive", [frame(0)])
    damaged = max((archive / "frames").rglob("*.parquet"), key=lambda path: path.name)
    damaged.write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=rf"{damaged.name}: can't be read"):
        read_archives([archive], EVERY, ())


def test_results_files_are_read_in_order_and_a_cut_off_last_line_is_ignored(tmp_path: Path) -> None:
    path = write_results(tmp_path / "a.jsonl", [frame(seq, [person(seq + 1)]) for seq in (1, 0, 2, 2)])
    path.write_bytes(path.read_bytes() + b'\n{"schema":"partstream.fr')
    other = write_results(tmp_path / "b.jsonl", [frame(3), frame(0, camera="yard")])
    files = ResultsFiles([path, other], Selection(frozenset({"lobby"})))
    found = files.recorded()
    (segment,) = found.segments["lobby"]
    assert (segment.frames.seq.tolist(), segment.busy.tolist(), found.duplicates) == ([0, 1, 2, 3], [0, 1, 2], 1)
    assert [seen.track for index in segment.busy for seen in segment.people([])(int(index))] == [1, 2, 3]
    files.close()


def test_a_line_that_is_no_result_is_named(tmp_path: Path) -> None:
    path = write_results(tmp_path / "a.jsonl", [frame(0)])
    path.write_bytes(path.read_bytes() + b'{"schema": 3}\n')
    with pytest.raises(ConfigError, match=r"a\.jsonl, line 2: not a result of partstream"):
        ResultsFiles([path], EVERY)
    with pytest.raises(ConfigError, match=r"none\.jsonl: can't be read: No such file"):
        ResultsFiles([tmp_path / "none.jsonl"], EVERY)


def test_reasons_from_an_archive_name_the_parts_of_its_row(tmp_path: Path) -> None:
    frames = [frame(seq, [person(1, None), person(2)]) for seq in range(3)]
    found = read_archives([write_archive(tmp_path, frames, parts=2)], EVERY, ())
    (alert,) = replay(found.segments["lobby"], compiled({}, {"down": {"action": "lie"}}))
    assert alert.reason == "lie 0.80: hip lie, hips low, trunk level"
    assert np.all(found.segments["lobby"][0].frames.capture_us >= recorded.T0)
