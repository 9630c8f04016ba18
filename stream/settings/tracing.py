"""Settings of frame traces."""

from __future__ import annotations

from pydantic import Field

from stages.settings import Section


class TracingConfig(Section):
    """OpenTelemetry traces of single frames (docs/tracing.md)."""

    sample_ratio: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of frames to trace; 0.01 is one in a hundred. 0: none, and OpenTelemetry is not loaded. "
        "`OTEL_EXPORTER_OTLP_ENDPOINT` sets where traces go.",
    )
