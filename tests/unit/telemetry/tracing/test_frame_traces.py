"""Tests of the selection of traced frames and of their spans."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from telemetry.tracing.frame_traces import FrameTraces, TracedBatch
from telemetry.tracing.span_export import Span, span_count, spans_of


@dataclass(frozen=True)
class Times:
    """Return a frame that arrived at `frame` ms and was ready 3 ms later."""

    frame: int
    camera: str = "yard"
    epoch: int = 1

    @property
    def arrival_ns(self) -> int:
        return self.frame * 1_000_000

    @property
    def ready_ns(self) -> int:
        return self.arrival_ns + 3_000_000


def work(traces: FrameTraces, frames: Sequence[Times], began_ns: int = 20_000_000) -> list[str | None]:
    """Process a batch with two stages, publish every frame, and return the trace ids of the results."""
    traces.begin(frames, began_ns)
    traces.stage_ran("detection", began_ns + 10, began_ns + 5_000_000)
    traces.stage_ran("tracking", began_ns + 5_000_100, began_ns + 6_000_000)
    traces.analysed(began_ns + 7_000_000)
    ids = [traces.trace_id(frame) for frame in frames]
    for place, frame in enumerate(frames):
        traces.published(frame, began_ns + 8_000_000 + place * 1_000_000, people=place)
    traces.end(began_ns + 20_000_000)
    return ids


def traced(ratio: float, frames: Sequence[Times]) -> tuple[list[TracedBatch], list[str | None]]:
    handed: list[TracedBatch] = []
    traces = FrameTraces(ratio, handed.append)
    traces.choose(frames)
    return handed, work(traces, frames)


def children(spans: Sequence[Span], of: Span) -> list[Span]:
    return [span for span in spans if span.ids[0] == of.ids[0] and span.parent == of.ids[1]]


def test_the_spans_of_a_frame_are_contiguous_and_sum_to_its_age() -> None:
    (batch,), ids = traced(1.0, [Times(1), Times(5)])
    spans = spans_of(batch)
    assert len(spans) == span_count(batch)
    roots = [span for span in spans if span.name == "frame"]
    assert [f"{root.ids[0]:032x}" for root in roots] == ids
    for place, root in enumerate(roots):
        parts = children(spans, root)
        assert [part.name for part in parts] == ["decode", "wait", "analyse", "publish"]
        edges = [parts[0].began_ns, *(part.ended_ns for part in parts)]
        assert edges[:-1] == [part.began_ns for part in parts]
        assert (edges[0], edges[-1]) == (root.began_ns, root.ended_ns)
        assert root.ended_ns - root.began_ns == 28_000_000 + place * 1_000_000 - (1 + 4 * place) * 1_000_000
        assert root.attributes["partstream.people"] == place
        stages = children(spans, parts[2])
        assert [stage.name for stage in stages] == ["detection", "tracking"]
        assert all(parts[2].began_ns <= stage.began_ns < stage.ended_ns <= parts[2].ended_ns for stage in stages)


def test_a_batch_and_its_frames_are_linked_both_ways() -> None:
    (batch,), _ = traced(1.0, [Times(1), Times(5), Times(6, "door")])
    spans = spans_of(batch)
    (own,) = [span for span in spans if span.name == "batch"]
    assert own.links == tuple(span.ids for span in spans if span.name == "frame")
    assert {span.links for span in spans if span.name == "analyse"} == {(own.ids,)}
    assert own.attributes["partstream.batch.frames"] == 3
    assert len({span.ids for span in spans}) == len(spans), "an id is used twice"
    assert len({span.ids[0] for span in spans}) == 4, "each frame and the batch has a trace of its own"


def test_times_are_converted_to_utc() -> None:
    (batch,), _ = traced(1.0, [Times(1)])
    batch.utc_ns = 1_790_000_000_000_000_000
    frame = next(span for span in spans_of(batch) if span.name == "frame")
    assert frame.began_ns == 1_790_000_000_001_000_000


def test_frames_are_sampled_by_opentelemetrys_rule() -> None:
    frames = [Times(number) for number in range(4000)]
    handed, ids = traced(0.25, frames)
    chosen = [trace for trace in ids if trace is not None]
    assert 800 < len(chosen) < 1200  # seven standard deviations
    assert sum(len(batch.frames) for batch in handed) == len(chosen)
    sampler = TraceIdRatioBased(0.25)
    assert {sampler.should_sample(None, int(trace, 16), "frame").decision for trace in chosen} == {
        Decision.RECORD_AND_SAMPLE
    }


def test_a_batch_without_traced_frames_is_not_handed_over() -> None:
    handed, ids = traced(0.0, [Times(1), Times(2)])
    assert (handed, ids) == ([], [None, None])


def test_the_selection_holds_when_the_batch_is_halved() -> None:
    handed: list[TracedBatch] = []
    traces = FrameTraces(0.5, handed.append)
    frames = [Times(number) for number in range(64)]
    traces.choose(frames)
    traces.begin(frames, 1)  # it does not fit into memory and is halved
    chosen = [traces.trace_id(frame) for frame in frames]
    assert [*work(traces, frames[:32]), *work(traces, frames[32:])] == chosen
    assert [batch.size for batch in handed] == [32, 32]


def test_a_lost_batch_names_the_stage_and_the_type_of_the_error_only() -> None:
    handed: list[TracedBatch] = []
    traces = FrameTraces(1.0, handed.append)
    traces.choose([Times(1)])
    traces.begin([Times(1)], 20_000_000)
    traces.failed("detection", ValueError("rtsp://admin:secret@10.0.0.7/"))
    traces.end(21_000_000)
    spans = spans_of(handed[0])
    assert [span.name for span in spans] == ["batch", "frame", "decode", "wait", "analyse"]
    for span in spans:
        failing = span.name in ("batch", "frame", "analyse")
        assert span.error == ("stage detection failed: ValueError" if failing else None)
    assert spans[1].attributes["partstream.dropped"] == "stage_error"
    assert spans[1].ended_ns == spans[4].ended_ns == spans[0].ended_ns
    assert "secret" not in repr(spans)


def test_a_frame_dropped_after_analysis_is_marked() -> None:
    handed: list[TracedBatch] = []
    traces = FrameTraces(1.0, handed.append)
    traces.choose([Times(1)])
    traces.begin([Times(1)], 20_000_000)
    traces.analysed(21_000_000)
    traces.end(22_000_000)
    frame = next(span for span in spans_of(handed[0]) if span.name == "frame")
    assert (frame.attributes["partstream.dropped"], frame.error) == ("shutdown", None)


def test_opentelemetry_is_not_imported_without_tracing() -> None:
    program = (
        "import sys, telemetry.tracing.span_export; "
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
