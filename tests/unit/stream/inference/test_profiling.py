"""Profiling: one recording at a time, limited in time, batches and number, even after errors."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stages.device.profiler import Profiler as TorchProfiler
from stages.device.stage_timer import StageTimer
from stream.inference import profiling
from stream.inference.profiling import Profiling
from support.waiting import PATIENCE_S, until
from telemetry.observer import Observer


class FakeProfiler:
    """Writes a few bytes, and records its calls."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self._error = error

    def prepare(self) -> None:
        self.calls.append("prepare")

    def begin(self) -> None:
        self.calls.append("begin")

    def end(self) -> None:
        self.calls.append("end")

    def write(self, path: Path) -> None:
        path.write_bytes(bytes(10))
        if self._error is not None:
            raise self._error


async def here(function: Callable[[], None]) -> None:
    function()


def recorder(folder: Path, profiler: FakeProfiler, batches: Callable[[], int] = lambda: 0) -> Profiling:
    return Profiling(folder, here, batches, lambda: profiler)


async def test_a_recording_ends_in_time_and_the_newest_files_are_kept_beside_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(profiling, "MAX_KEPT", 2)
    for old in ("profiling-20200101T000000Z", "profiling-20200102T000000Z", ".profiling-20200101T000000Z", "mine"):
        (tmp_path / f"{old}.json.gz").touch()
    profiler = FakeProfiler()
    recording = recorder(tmp_path, profiler)
    recording.begin(0.1)
    recording.begin(0.1)
    assert "a recording is in progress" in caplog.text
    written = await until(lambda: recording.written)
    assert profiler.calls == ["prepare", "begin", "end"]
    assert {file.name for file in tmp_path.iterdir()} == {
        "mine.json.gz",
        "profiling-20200102T000000Z.json.gz",
        written.name,
    }


async def test_many_batches_end_it_sooner(tmp_path: Path) -> None:
    counted = iter(range(0, 100_000, 60))
    recording = recorder(tmp_path, FakeProfiler(), lambda: next(counted))
    recording.begin(PATIENCE_S)
    await until(lambda: recording.written)
    assert profiling.MAX_BATCHES <= next(counted) < profiling.MAX_BATCHES + 4 * 60


@pytest.mark.parametrize(
    ("error", "log"),
    [
        (OSError(28, "No space left on device"), "profiling_directory can't be used: No space left on device"),
        (RuntimeError(), "profiling failed"),
    ],
)
async def test_an_error_is_logged_and_leaves_no_file(
    error: Exception, log: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder(tmp_path, FakeProfiler(error)).begin(0.01)
    await until(lambda: log in caplog.text)
    assert list(tmp_path.iterdir()) == []


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


def test_torchs_profiler_records_operators_and_the_stages_by_name(tmp_path: Path) -> None:
    profiler = TorchProfiler()
    profiler.end()  # one that has not begun may be ended
    profiler.prepare()
    profiler.begin()
    with StageTimer(Observer(), torch.device("cpu")).stage("detection"):
        torch.ones(4, 4) @ torch.ones(4, 4)
    profiler.end()
    profiler.write(tmp_path / "trace.json.gz")
    with gzip.open(tmp_path / "trace.json.gz") as file:
        names = {event.get("name") for event in json.load(file)["traceEvents"]}
    assert {"detection", "aten::matmul"} <= names
