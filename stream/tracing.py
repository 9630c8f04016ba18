"""What an engine needs to trace frames: the choice and the notes, and their way to a collector.

There is one only where tracing is configured: an engine without has None, and asks no more of a frame than that.
"""

from __future__ import annotations

from stream.engine_metrics import derive_tracing_metrics
from stream.settings.section import ConfigError
from stream.settings.tracing import TracingConfig
from telemetry.metrics import PrometheusObserver
from telemetry.tracing.frame_traces import FrameTraces
from telemetry.tracing.span_export import SpanExport, TracingUnavailableError


class Tracing:
    """Owns the thread that sends spans, from `start` to `stop`; `frames` is the inference thread's."""

    def __init__(self, config: TracingConfig, run: str, metrics: PrometheusObserver) -> None:
        self._export = SpanExport(run)
        self.frames = FrameTraces(config.sample_ratio, self._export.put)
        derive_tracing_metrics(metrics, self._export)

    def start(self) -> None:
        """Begin to send. Raises `ConfigError` where what it takes isn't installed."""
        try:
            self._export.start()
        except TracingUnavailableError as error:
            raise ConfigError(f"tracing.sample_ratio: {error}") from None

    def stop(self, within_s: float) -> None:
        """Send what waits, for so long at most. Blocks."""
        self._export.stop(within_s)


def tracing(config: TracingConfig, run: str, metrics: PrometheusObserver) -> Tracing | None:
    """What is configured; None if no frame is to be traced."""
    return Tracing(config, run, metrics) if config.sample_ratio > 0 else None
