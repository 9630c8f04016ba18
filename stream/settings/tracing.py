"""Traces of frames."""

from __future__ import annotations

from pydantic import Field

from stream.settings.section import Section


class TracingConfig(Section):
    """Traces of single frames, by OpenTelemetry ([tracing.md](tracing.md))."""

    sample_ratio: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of frames that are traced: 0.01 is one in a hundred. 0: none, and nothing is loaded for it. "
        "Where traces go is said by `OTEL_EXPORTER_OTLP_ENDPOINT`.",
    )
