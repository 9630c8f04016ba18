"""Profiling: one recording at a time, limited in time, batches, size and number, even after errors."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stages.device.profiler import Profiler as TorchProfiler
from stages.device.stage_timer import StageTimer
from stream.inference import profiling
from stream.inference.profiling import AlreadyProfilingError, Profiling, ProfilingError, ProfilingRecording
from support.waiting import PATIENCE_S, until
from telemetry.observer import Observer


class FakeProfiler:
    """Writes a number of bytes, and records its calls."""

    def __init__(self, size: int = 10, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self._size = size
        self._error = error

    def prepare(self) -> None:
        self.calls.append("prepare")

    def begin(self) -> None:
        self.calls.append("begin")

    def end(self) -> None:
        self.calls.append("end")

    def write(self, path: Path) -> None:
        path.write_bytes(bytes(self._size))
        if self._error is not None:
            raise self._error


async def here(function: Callable[[], None]) -> None:
    function()


def recorder(folder: Path | None, profiler: FakeProfiler, batches: Callable[[], int] = lambda: 0) -> Profiling:
    return Profiling(folder, here, batches, lambda: profiler)


async def finished(profiling: Profiling) -> ProfilingRecording:
    await until(lambda: profiling.recordings[0].state not in ("recording", "writing"))
    return profiling.recordings[0]


async def test_a_recording_has_the_requested_duration_and_its_file_is_kept(tmp_path: Path) -> None:
    profiler = FakeProfiler()
    recording = recorder(tmp_path / "new", profiler)
    began = recording.begin(0.1)
    assert (began.state, profiling.NAME.fullmatch(began.name) is not None) == ("recording", True)
    assert recording.file(began.name) is None
    done = await finished(recording)
    assert (done.state, done.bytes) == ("done", 10)
    assert done.seconds >= 0.1
    assert profiler.calls == ["prepare", "begin", "end"]
    file = recording.file(done.name)
    assert file == Path(done.message) == tmp_path / "new" / f"{done.name}.json.gz"
    assert [one.name for one in (tmp_path / "new").iterdir()] == [file.name]


async def test_a_recording_that_is_stopped_while_it_begins_is_ended(tmp_path: Path) -> None:
    profiler = FakeProfiler()
    begun = asyncio.Event()

    async def slowly(function: Callable[[], None]) -> None:
        function()
        if profiler.calls[-1] == "begin":
            begun.set()
            await asyncio.Event().wait()

    recording = Profiling(tmp_path, slowly, lambda: 0, lambda: profiler)
    recording.begin()
    await begun.wait()
    await recording.stop()
    assert profiler.calls == ["prepare", "begin", "end"]


def test_a_profile_that_has_not_begun_may_be_ended() -> None:
    TorchProfiler().end()


async def test_many_batches_end_it_sooner(tmp_path: Path) -> None:
    counted = iter(range(0, 100_000, 60))
    recording = recorder(tmp_path, FakeProfiler(), lambda: next(counted))
    recording.begin(30)
    done = await finished(recording)
    assert profiling.MAX_BATCHES <= done.batches < profiling.MAX_BATCHES + 2 * 60


async def test_there_is_one_recording_at_a_time(tmp_path: Path) -> None:
    recording = recorder(tmp_path, FakeProfiler())
    recording.begin(0.05)
    with pytest.raises(AlreadyProfilingError):
        recording.begin(0.05)
    await finished(recording)
    recording.begin(0.05)
    await finished(recording)
    first, second = recording.recordings
    assert first.name != second.name


async def test_a_file_that_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "MAX_BYTES", 100)
    recording = recorder(tmp_path, FakeProfiler(size=101))
    recording.begin(0.01)
    failed = await finished(recording)
    assert (failed.state, "fewer seconds" in failed.message) == ("failed", True)
    assert list(tmp_path.iterdir()) == []


async def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path: Path) -> None:
    recording = recorder(tmp_path, FakeProfiler(error=OSError(28, "No space left on device")))
    recording.begin(0.01)
    failed = await finished(recording)
    assert (failed.state, failed.message) == ("failed", "No space left on device")
    assert list(tmp_path.iterdir()) == []


async def test_without_space_or_a_folder_no_recording_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProfilingError, match="can't be used"):
        recorder(tmp_path / "file" / "x", FakeProfiler()).begin()
    monkeypatch.setattr(profiling, "MIN_FREE_BYTES", 1 << 62)
    with pytest.raises(ProfilingError, match="make room"):
        recorder(tmp_path, FakeProfiler()).begin()


async def test_only_the_newest_files_are_kept_and_other_files_are_untouched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiling, "MAX_KEPT", 2)
    for old in ("profiling-20200101T000000Z", "profiling-20200101T000000Z-2", ".profiling-20200101T000000Z", "mine"):
        (tmp_path / f"{old}.json.gz").touch()
    recording = recorder(tmp_path, FakeProfiler())
    recording.begin(0.01)
    done = await finished(recording)
    kept = ["mine", done.name, "profiling-20200101T000000Z-2"]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(f"{name}.json.gz" for name in kept)


async def test_an_engine_that_stops_ends_the_recording_in_the_models_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiling, "STOP_WITHIN_S", PATIENCE_S)
    monkeypatch.setattr(profiling, "POLL_S", PATIENCE_S)
    profiler = FakeProfiler()
    recording = recorder(tmp_path, profiler)
    recording.begin()
    await until(lambda: "begin" in profiler.calls)
    await recording.stop()
    assert profiler.calls[-1] == "end"
    assert list(tmp_path.iterdir()) == []


async def test_an_error_of_the_profiler_affects_only_its_recording(tmp_path: Path) -> None:
    class Broken(FakeProfiler):
        def begin(self) -> None:
            raise RuntimeError("kineto says /secret/path")

    recording = recorder(tmp_path, Broken())
    recording.begin(0.01)
    failed = await finished(recording)
    assert failed.state == "failed"
    assert "RuntimeError" in failed.message
    assert "secret" not in failed.message


def test_torchs_profiler_records_operators_and_the_stages_by_name(tmp_path: Path) -> None:
    profiler = TorchProfiler()
    profiler.prepare()
    profiler.begin()
    with StageTimer(Observer(), torch.device("cpu")).stage("detection"):
        torch.ones(4, 4) @ torch.ones(4, 4)
    profiler.end()
    profiler.write(tmp_path / "trace.json.gz")
    with gzip.open(tmp_path / "trace.json.gz") as file:
        names = {event.get("name") for event in json.load(file)["traceEvents"]}
    assert {"detection", "aten::matmul"} <= names


def test_a_directory_in_which_no_file_can_be_created_is_logged_by_its_setting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder(None, FakeProfiler()).check_directory()
    recorder(tmp_path / "profiling", FakeProfiler()).check_directory()
    assert not caplog.records
    (tmp_path / "file").touch()
    recorder(tmp_path / "file", FakeProfiler()).check_directory()
    assert f"profiling_directory: no file can be created in {tmp_path / 'file'}: File exists" in caplog.text
