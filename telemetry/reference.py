"""Writes docs/metrics.md from the table of metrics: `python -m telemetry.reference`."""

from __future__ import annotations

from pathlib import Path

from telemetry import catalogue
from telemetry.catalogue import METRICS, MetricSpec
from telemetry.span_export import LOST_REASONS

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"

LABELS: dict[str, str] = {
    "camera": "the camera's configured id; empty for the engine's own `stats` topic",
    "clock": " · ".join(catalogue.CLOCKS),
    "ice": " · ".join(catalogue.ICE_STATES),
    "kind": " · ".join(catalogue.MEMORY_KINDS) + ": states are those of tracked people, peak the most used at once",
    "profile": "the model's profile",
    "reason": "a short code. Drops: "
    + " · ".join(catalogue.DROP_REASONS)
    + ". Discarded units: corrupt · incomplete · awaiting_keyframe · overrun"
    + ". Fallbacks: nvdec_not_built · nvdec_no_device · nvdec_codec. HTTP: the end of the problem's `type` "
    "(control-api.md). Clips: recording.md. Spans: " + " · ".join(LOST_REASONS),
    "stage": "a stage of the pipeline",
    "state": "of a camera: " + " · ".join(catalogue.CAMERA_STATES) + "; of the state bank: used · free; "
    "of recording: " + " · ".join(catalogue.RECORDING_STATES),
    "status": " · ".join(catalogue.REPLAY_STATUSES),
    "topic_kind": " · ".join((*catalogue.TOPIC_KINDS, "stats")),
    "weights": "`sha256:…` of the checkpoint",
}
"""What each label means."""


def page() -> str:
    """The whole page, Markdown."""
    lines = [
        "# Metrics",
        "",
        "<!-- Written by `python -m telemetry.reference` from telemetry/catalogue.py; a test keeps the two equal. -->",
        "",
        "`GET /metrics` gives them in Prometheus' text format, or as OpenMetrics if the `Accept` header names it. On a",
        "loopback address it is open; on any other it takes `Authorization: Bearer <http.read_token>`:",
        "",
        "```yaml",
        "scrape_configs:",
        "  - job_name: partstream",
        "    authorization: { credentials_file: /etc/prometheus/partstream.token }",
        "    static_configs: [{ targets: ['engine.example:9090'] }]",
        "```",
        "",
        "Recording rules, alerts and dashboards made from this table: [operations.md](operations.md).",
        "",
        "Label values come from configured camera ids and from the engine's own short codes: their number is bounded.",
        "Removing a camera removes its series. At every quiescent point, for each camera:",
        "decoded = processed + Σ dropped + ready in the ring + in the batch under way.",
        "",
        "| Metric | Type | Labels | Meaning |",
        "|---|---|---|---|",
        *(_row(spec) for spec in METRICS),
        "",
        "Seconds are sorted into buckets up to " + _numbers(catalogue.SECONDS_BUCKETS) + " s;",
        "frames a batch up to "
        + _numbers(catalogue.BATCH_BUCKETS)
        + ". The process's own metrics (`process_…`: resident",
        "memory, CPU time, start, open files) are on the page too.",
        "",
        "## Labels",
        "",
        "| Label | Values |",
        "|---|---|",
        *(f"| `{name}` | {LABELS[name]} |" for name in sorted({label for spec in METRICS for label in spec.labels})),
        "",
        f"A label other than `camera` keeps at most {catalogue.MAX_CODES} values; what comes after counts as `other`.",
        "",
        "## Questions and their queries",
        "",
        "| Question | PromQL |",
        "|---|---|",
        '| Which cameras give no pictures? | `partstream_camera_state{state="live"} == 0` |',
        "| What share of frames is analysed? | `rate(partstream_frames_processed_total[1m]) / "
        "rate(partstream_frames_decoded_total[1m])` |",
        "| Why are frames dropped? | `sum by (camera, reason) (rate(partstream_frames_dropped_total[1m])) > 0` |",
        "| How old is a result, at worst 1 in 100? | `histogram_quantile(0.99, sum by (le, camera) "
        "(rate(partstream_frame_age_seconds_bucket[5m])))` |",
        "| Which stage takes the time? | `sum by (stage) (rate(partstream_stage_seconds_sum[1m]))` |",
        "",
    ]
    return "\n".join(lines)


def _row(spec: MetricSpec) -> str:
    labels = ", ".join(f"`{label}`" for label in spec.labels)
    return f"| `{spec.full_name}` | {spec.kind} | {labels} | {spec.help} |"


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
