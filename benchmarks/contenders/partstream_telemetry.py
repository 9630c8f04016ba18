"""partstream without telemetry, with metrics, or with metrics and traces.

The engine of `partstream_engine` with a model that reports stages and people like the real pipeline. Metrics cannot be
switched off in the engine, so this module removes them to measure their cost.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch

from benchmarks.contenders import partstream_engine
from benchmarks.contenders.partstream_engine import BarcodeModel
from benchmarks.contenders.recorder import Spec
from ring_buffers.frames import Lease
from stages.device.stage_timer import StageTimer
from stages.types import FrameAnalysis
from stream import engine
from telemetry import tally
from telemetry.observer import Guarded, Observer

STAGES = ("tracking", "geometry", "part_relevance", "part_states", "language_priors", "part_graph", "action_lstm")
"""Stages of the profile `edge` after `detection`, in their order."""
CPU = torch.device("cpu")


class StagedModel(BarcodeModel):
    """Reports stages and people as often as the pipeline of the profile `edge`; the stages do nothing."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Read the barcodes in the first stage."""
        timer = StageTimer(self.observer, CPU)
        with timer.stage("detection"):
            analyses = super().process(frames)
        for name in STAGES:
            with timer.stage(name):
                pass
        timer.finish()
        for lease in frames:
            self.observer.people_seen(lease.meta.camera, 0, 0)
        return analyses


@contextmanager
def without_metrics() -> Generator[None]:
    """Disconnect the metrics of engines created in this block, and the histograms that the page reads.

    The counts of decoded, processed and dropped frames stay: they belong to the rings and are also in `stats`.
    """

    def guarded(metrics: Observer, *others: Observer) -> Guarded:
        return Guarded(*others)

    with (
        mock.patch.object(engine, "Guarded", guarded),
        mock.patch.object(tally.Histogram, "observe", lambda self, value: None),
    ):
        yield


def main() -> None:
    """Run the spec: `metrics` on or off, and traces with a `collector` and a `sample_ratio`."""
    options = Spec.from_argv().options
    with ExitStack() as stack:
        if not options["metrics"]:
            stack.enter_context(without_metrics())
        if options["sample_ratio"]:
            os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = options["collector"]
        partstream_engine.main(StagedModel)


if __name__ == "__main__":
    main()
