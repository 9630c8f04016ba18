"""Tests of the traces that a collector receives, and of engines whose collector is slow, refuses or is absent."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from ring_buffers.frames import Lease
from stages.device.stage_timer import StageTimer
from stages.free_model import FreeModel
from stages.types import FrameAnalysis
from stream import results
from stream.engine import Engine
from stream.settings.config_error import ConfigError
from support.engines.controlled_engine import PATIENT, configured
from support.engines.trace_collector import Collector, Received
from support.slow_work import slow_work
from telemetry.observer import Observer
from telemetry.tracing import span_export


class Staged(FreeModel):
    """A model with two slow stages that can fail."""

    def __init__(self, fails_on: int | None = None) -> None:
        super().__init__()
        self.observer = Observer()
        self.fails_on = fails_on

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        import torch

        timer = StageTimer(self.observer, torch.device("cpu"))
        with timer.stage("detection"):
            slow_work(0.004)
            if any(lease.meta.frame == self.fails_on for lease in frames):
                raise ValueError("rtsp://admin:hunter2@10.0.0.7/ can't be seen")
        with timer.stage("tracking"):
            slow_work(0.001)
        timer.finish()
        return super().process(frames)


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Collector]:
    """Start a collector, configured by environment variables, with a short export interval."""
    collector = Collector()
    await collector.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setattr(span_export, "EXPORT_EVERY_S", 0.1)
    yield collector
    await collector.stop()


async def run_engine(ratio: float, *cameras: str, frames: int = 20, model: Staged | None = None) -> tuple[Any, ...]:
    """Return `frames` results of an engine, and its final metrics page."""
    model = model or Staged()
    listed = [{"id": name, "source": "pattern:128x96@50", **PATIENT} for name in cameras or ("yard",)]
    engine = Engine(configured(*listed, tracing={"sample_ratio": ratio}), model=model)
    model.observer = engine.observer
    seen: list[results.Frame] = []
    async with engine:
        async for message in engine.results():
            if isinstance(message, results.Frame):
                seen.append(message)
                if len(seen) == frames:
                    break
    return seen, engine.metrics.render().decode()


def value(page: str, series: str) -> float:
    return float(next(line for line in page.splitlines() if line.startswith(f"partstream_{series} ")).split()[-1])


def assert_whole(collector: Collector, frame: Received) -> None:
    """Check that the child spans are contiguous from arrival to publish, with the stages inside `analyse`."""
    parts = collector.children(frame)
    assert [part.name for part in parts] == ["decode", "wait", "analyse", "publish"]
    edges = [frame.began_ns, *(part.ended_ns for part in parts)]
    assert [part.began_ns for part in parts] == edges[:-1] and edges[-1] == frame.ended_ns
    stages = collector.children(parts[2])
    assert [stage.name for stage in stages] == ["detection", "tracking"]
    edges = [parts[2].began_ns, *(edge for stage in stages for edge in (stage.began_ns, stage.ended_ns))]
    assert [*edges, parts[2].ended_ns] == sorted([*edges, parts[2].ended_ns])
    assert sum(stage.ended_ns - stage.began_ns for stage in stages) >= 5_000_000
    ((batch_trace, batch_span),) = parts[2].links
    (batch,) = [span for span in collector.named("batch") if (span.trace, span.span) == (batch_trace, batch_span)]
    assert (frame.trace, frame.span) in batch.links
    assert batch.began_ns == parts[2].began_ns and batch.ended_ns >= frame.ended_ns


async def test_every_traced_frame_has_spans_from_arrival_to_its_result(collector: Collector) -> None:
    seen, page = await run_engine(1.0, "yard", "door", frames=40)
    frames = {span.trace: span for span in collector.named("frame")}
    assert len(frames) >= 40 and len({message.trace_id for message in seen}) == 40
    for message in seen:
        frame = frames[message.trace_id]
        assert frame.attributes == {
            "partstream.camera": message.camera,
            "partstream.epoch": message.epoch,
            "partstream.frame": message.frame,
            "partstream.people": 0,
        }
        assert frame.ended_ns // 1000 >= message.published_us
        assert_whole(collector, frame)
    # Each link of a batch refers to a received frame.
    links = [link for batch in collector.named("batch") for link in batch.links]
    assert sorted(links) == sorted((frame.trace, frame.span) for frame in frames.values())
    assert value(page, "trace_spans_exported_total") == len(collector.spans)
    assert {f"{message.run}" for message in seen} == {str(own["service.instance.id"]) for own in collector.resources}
    assert collector.resources[0]["service.name"] == "partstream"


async def test_only_the_configured_share_of_frames_is_traced(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "north-gate")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=k3y")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    seen, page = await run_engine(0.3, frames=40)
    traced = {message.trace_id for message in seen} - {None}
    assert 0 < len(traced) < 40
    spans = {span.trace for span in collector.named("frame")}
    assert traced <= spans
    assert len(spans) < value(page, 'frames_processed_total{camera="yard"}')
    assert collector.resources[0]["service.name"] == "north-gate"
    assert collector.headers[0]["x-api-key"] == "k3y" and collector.headers[0]["Content-Encoding"] == "gzip"


async def test_the_trace_of_a_lost_batch_names_the_failed_stage_and_contains_no_secret(collector: Collector) -> None:
    await run_engine(1.0, frames=10, model=Staged(fails_on=3))
    lost = [span for span in collector.named("frame") if span.error]  # the others are of the same batch
    assert 3 in [span.attributes["partstream.frame"] for span in lost]
    for span in lost:
        assert span.error == "stage detection failed: ValueError"
        assert span.attributes["partstream.dropped"] == "stage_error"
        assert [part.name for part in collector.children(span)] == ["decode", "wait", "analyse"]
    assert "hunter2" not in repr(collector.spans)


def assert_results_complete(seen: Sequence[results.Frame]) -> None:
    """Check that no result is missing."""
    numbers = [message.frame for message in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(seen))), "a frame was dropped"
    assert [message.seq for message in seen] == list(range(len(seen)))
    assert all(message.trace_id for message in seen)


async def test_an_unreachable_collector_costs_no_frame_and_its_key_is_not_logged(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}/?key=hunter2")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
        with caplog.at_level("INFO"):
            seen, page = await run_engine(1.0, frames=60)
    assert_results_complete(seen)
    warnings = [record.getMessage() for record in caplog.records if "traces cannot be sent" in record.getMessage()]
    assert len(warnings) == 1 and "refused" in warnings[0]
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert value(page, 'trace_spans_lost_total{reason="refused"}') > 0
    assert value(page, "trace_spans_exported_total") == 0
    assert "hunter2" not in caplog.text


async def test_a_slow_collector_costs_no_frame_and_bounded_memory(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.delay_s = 0.6
    monkeypatch.setattr(span_export, "QUEUED_SPANS", 60)
    seen, page = await run_engine(1.0, frames=60)
    assert_results_complete(seen)
    assert value(page, 'trace_spans_lost_total{reason="queue_full"}') > 0


async def test_without_tracing_there_are_no_trace_ids_and_no_trace_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)  # importing it raises ImportError
    seen, page = await run_engine(0.0, frames=5)
    assert {message.trace_id for message in seen} == {None}
    assert not [line for line in page.splitlines() if line.startswith("partstream_trace_")]


async def test_tracing_without_opentelemetry_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"tracing\.sample_ratio: .*pip install 'partstream\[tracing\]'"):
        await run_engine(0.5)
