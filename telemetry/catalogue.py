"""Table of the engine's metrics: names, types, labels, buckets and known label values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "partstream_"

SECONDS_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From 0.25 ms (a small stage) to 10 s (a source that has recovered)."""

BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Frames per batch, up to the largest allowed `batch.max_frames`."""

CAMERA_STATES = ("connecting", "live", "stalled", "reconnecting", "ended")
"""Values of `camera_state`. `removed` is not one of them: the series of a removed camera are deleted."""

LOOKS = ("whole", "regions", "nothing", "skipped")
CLOCKS = ("rtcp", "arrival", "media")
ICE_STATES = ("new", "checking", "completed", "failed", "closed")
TOPIC_KINDS = ("results", "events", "status", "alerts", "clips")
MEMORY_KINDS = ("weights", "states", "peak", "free", "total")
RECORDING_STATES = ("ready", "low_disk", "unwritable")
INCIDENT_KINDS = ("alert", "event")
PICTURE_LOSSES = ("busy", "disk")
REPLAY_STATUSES = ("ok", "too_old", "unknown_run", "bad_request")


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """An exported metric. `name` lacks the prefix and includes `_total` for counters."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    derived: bool = False
    """Read from the engine's own counters when the page is requested, instead of set by observer calls."""

    @property
    def full_name(self) -> str:
        """Exported name; the series of a histogram add `_bucket`, `_sum` and `_count`."""
        return PREFIX + self.name


METRICS: tuple[MetricSpec, ...] = (
    # -- alerts
    MetricSpec("alerts_total", "counter", "Alerts that began, by rule.", ("camera", "rule", "severity"), derived=True),
    MetricSpec("alerts_open", "gauge", "Open alerts, by rule.", ("camera", "rule"), derived=True),
    MetricSpec(
        "rules_loaded",
        "gauge",
        "1 if the current rules file is in use, 0 if it has an error and the previous rules are in use; "
        "absent without a rules file.",
        derived=True,
    ),
    # -- cameras
    MetricSpec("camera_state", "gauge", "1 for the camera's current state, 0 for the others.", ("camera", "state")),
    MetricSpec(
        "camera_privacy",
        "gauge",
        "1 for what is hidden of the camera's pictures (`off`, `masked`, `skeleton`), 0 for the other modes.",
        ("camera", "mode"),
        derived=True,
    ),
    MetricSpec(
        "clock_source",
        "gauge",
        "1 for the clock that capture times are taken from, 0 for the others.",
        ("camera", "clock"),
    ),
    MetricSpec(
        "epochs_total",
        "counter",
        "Epochs begun, by reason. `clock_step`: the clock of capture times was set by 2 s or more.",
        ("camera", "reason"),
    ),
    MetricSpec("frames_decoded_total", "counter", "Frames decoded.", ("camera",), derived=True),
    MetricSpec(
        "frames_processed_total",
        "counter",
        "Frames whose result was handed to ZeroMQ, including frames without people.",
        ("camera",),
        derived=True,
    ),
    MetricSpec(
        "frames_dropped_total",
        "counter",
        "Frames dropped after decoding, by reason.",
        ("camera", "reason"),
        derived=True,
    ),
    MetricSpec(
        "frame_looks_total",
        "counter",
        "Frames processed, by what the detector looked at.",
        ("camera", "look"),
        derived=True,
    ),
    MetricSpec(
        "frame_regions_total",
        "counter",
        "Regions of frames that the detector looked at, without views searched for small people.",
        ("camera",),
        derived=True,
    ),
    MetricSpec("object_looks_total", "counter", "Frames in which objects were looked for.", ("camera",), derived=True),
    MetricSpec(
        "searched_views_total",
        "counter",
        "Views of frames that were searched for small people.",
        ("camera",),
        derived=True,
    ),
    MetricSpec("units_discarded_total", "counter", "Access units discarded, by reason.", ("camera", "reason")),
    MetricSpec("reconnects_total", "counter", "Reconnections, by reason of the lost connection.", ("camera", "reason")),
    MetricSpec(
        "transport_fallbacks_total",
        "counter",
        "Fallbacks to another transport or decoder than configured, by reason.",
        ("camera", "reason"),
    ),
    MetricSpec("ring_ready_frames", "gauge", "Decoded frames waiting for inference.", ("camera",), derived=True),
    MetricSpec(
        "webrtc_sessions",
        "gauge",
        "WebRTC connections of cameras and viewers, by ICE state.",
        ("ice",),
        derived=True,
    ),
    MetricSpec("video_viewers", "gauge", "Viewers receiving live video over WebRTC.", (), derived=True),
    MetricSpec(
        "video_units_skipped_total",
        "counter",
        "Access units not sent to a viewer because the viewer's queue was full.",
        (),
        derived=True,
    ),
    # -- batches and stages
    MetricSpec("batch_frames", "histogram", "Frames in a batch.", (), BATCH_BUCKETS, derived=True),
    MetricSpec(
        "batch_wait_seconds",
        "histogram",
        "Time that the oldest frame of a batch waited for the batch to start.",
        (),
        SECONDS_BUCKETS,
        derived=True,
    ),
    MetricSpec(
        "ease_level",
        "gauge",
        "Quality given up so that live cameras lose no frames: 0 is full quality.",
        (),
        derived=True,
    ),
    MetricSpec(
        "overloaded",
        "gauge",
        "1 while frames are dropped at the highest ease level, else 0.",
        derived=True,
    ),
    MetricSpec("stage_seconds", "histogram", "Time per batch, by stage.", ("stage",), SECONDS_BUCKETS),
    MetricSpec("stage_errors_total", "counter", "Batches lost to an error, by stage.", ("stage",)),
    MetricSpec(
        "out_of_memory_total",
        "counter",
        "Batches halved because they did not fit into device memory, by stage.",
        ("stage",),
    ),
    MetricSpec(
        "people_total",
        "counter",
        "People in analysed frames, counted once per frame, with those in ignored zones.",
        ("camera",),
    ),
    MetricSpec("tracks_active", "gauge", "People currently tracked.", ("camera",)),
    MetricSpec("state_bank_slots", "gauge", "Slots of the state bank for tracked people, used and free.", ("state",)),
    MetricSpec("state_evictions_total", "counter", "Hidden states evicted because the state bank was full."),
    MetricSpec("model_info", "gauge", "1 for the loaded model.", ("profile", "weights")),
    MetricSpec("ready", "gauge", "1 while /readyz returns 200, else 0."),
    MetricSpec("device_memory_bytes", "gauge", "Memory of the inference device, by kind.", ("kind",)),
    # -- out
    MetricSpec(
        "frame_age_seconds",
        "histogram",
        "Time from a frame's arrival until its result was handed to ZeroMQ.",
        ("camera",),
        SECONDS_BUCKETS,
        derived=True,
    ),
    MetricSpec(
        "capture_to_publish_seconds",
        "histogram",
        "Time from a frame's capture, if the camera sends its clock, until its result was handed to ZeroMQ.",
        ("camera",),
        SECONDS_BUCKETS,
        derived=True,
    ),
    MetricSpec(
        "results_published_total", "counter", "Messages handed to ZeroMQ.", ("camera", "topic_kind"), derived=True
    ),
    MetricSpec("subscriptions", "gauge", "Active subscriptions of all subscribers.", derived=True),
    MetricSpec("replay_requests_total", "counter", "Replay requests, by outcome.", ("status",)),
    MetricSpec("replayed_messages_total", "counter", "Messages replayed."),
    MetricSpec("history_evicted_total", "counter", "Messages evicted from the replay history.", derived=True),
    MetricSpec(
        "curve_refused_total",
        "counter",
        "ZeroMQ connections refused because the client's key is not listed.",
        derived=True,
    ),
    # -- HTTP
    MetricSpec(
        "http_refused_total",
        "counter",
        "HTTP requests and connections refused, by error code.",
        ("reason",),
        derived=True,
    ),
    MetricSpec(
        "http_tokens_loaded",
        "gauge",
        "1 if the current tokens file is in use, 0 if it has an error and the previous tokens are in use; "
        "absent without a tokens file.",
        derived=True,
    ),
    MetricSpec("http_audit_lines_total", "counter", "Lines written to the audit file.", derived=True),
    MetricSpec(
        "http_audit_errors_total",
        "counter",
        "Lines that could not be written to the audit file, and are in the log.",
        derived=True,
    ),
    MetricSpec("http_streams", "gauge", "Open HTTP streams, such as event streams.", derived=True),
    MetricSpec(
        "http_events_skipped_total",
        "counter",
        "Messages skipped because the client of an event stream was too slow.",
        derived=True,
    ),
    MetricSpec("live_pictures_total", "counter", "JPEG pictures encoded for live viewers.", derived=True),
    MetricSpec(
        "live_pictures_skipped_total",
        "counter",
        "Pictures replaced by a newer one of the same camera before encoding.",
        derived=True,
    ),
    # -- traces: no series without tracing
    MetricSpec("trace_spans_exported_total", "counter", "Spans accepted by the collector.", derived=True),
    MetricSpec(
        "trace_spans_lost_total",
        "counter",
        "Spans not delivered to the collector, by reason.",
        ("reason",),
        derived=True,
    ),
    # -- the results file: no series without `results`
    MetricSpec(
        "results_file_missing_total",
        "counter",
        "Results that could not be written to the results file.",
        derived=True,
    ),
    # -- clips: no series without recording
    MetricSpec(
        "recording_state", "gauge", "1 for the current state of recording, 0 for the others.", ("state",), derived=True
    ),
    MetricSpec("clips_written_total", "counter", "Event clips written.", ("camera",), derived=True),
    MetricSpec(
        "clips_failed_total",
        "counter",
        "Event clips that could not be written, by reason.",
        ("camera", "reason"),
        derived=True,
    ),
    MetricSpec("clips_kept", "gauge", "Clips on disk.", derived=True),
    MetricSpec("clips_bytes", "gauge", "Size of the clips on disk, in bytes.", derived=True),
    MetricSpec("clip_packets_held", "gauge", "Encoded packets held in memory for clips.", ("camera",), derived=True),
    MetricSpec(
        "clip_packet_bytes", "gauge", "Size of the packets held for clips, in bytes.", ("camera",), derived=True
    ),
    MetricSpec(
        "clip_packets_overflowed_total",
        "counter",
        "Groups of pictures that exceed recording.packet_bytes or recording.packet_seconds.",
        ("camera",),
        derived=True,
    ),
    # -- kept alerts and events: no series without incidents.directory
    MetricSpec(
        "incidents_state",
        "gauge",
        "1 for the current state of keeping alerts and events, 0 for the others.",
        ("state",),
        derived=True,
    ),
    MetricSpec("incidents_total", "counter", "Alerts and events to keep, by kind.", ("kind",), derived=True),
    MetricSpec(
        "incidents_dropped_total",
        "counter",
        "Lost changes of kept alerts and events: there were too many at once, or they could not be written.",
        ("kind",),
        derived=True,
    ),
    MetricSpec(
        "incident_pictures_lost_total",
        "counter",
        "Lost pictures of alerts and events: there were too many at once (busy), or they could not be written (disk).",
        ("reason",),
        derived=True,
    ),
    MetricSpec("incident_pictures_bytes", "gauge", "Size of the kept pictures, in bytes.", derived=True),
)
"""All metrics in the order of the page. docs/metrics.md is generated from this table."""


NOTIFY_METRICS: tuple[MetricSpec, ...] = (
    MetricSpec("notify_messages_total", "counter", "Messages of the engine read.", ("kind",)),
    MetricSpec("notify_lost_total", "counter", "Messages of the engine that replay could not provide."),
    MetricSpec(
        "notify_deliveries_total", "counter", "Tries of messages: sent, retried, given_up.", ("target", "outcome")
    ),
    MetricSpec("notify_pending", "gauge", "Pending messages.", ("target",)),
    MetricSpec("notify_oldest_pending_seconds", "gauge", "Age of the oldest pending message.", ("target",)),
    MetricSpec(
        "notify_held_total",
        "counter",
        "Messages held back. `disarmed` has no target.",
        ("target", "reason"),
    ),
    MetricSpec("notify_open_alerts", "gauge", "Open alerts.", ("camera", "rule")),
    MetricSpec("notify_closed_total", "counter", "Alerts that ended, by `clear_reason` or by notify's own.", ("by",)),
    MetricSpec("notify_mqtt_connected", "gauge", "1 if connected to the broker.", ("target",)),
    MetricSpec("notify_mqtt_connections_total", "counter", "Connections made to the broker.", ("target",)),
    MetricSpec("notify_commands_total", "counter", "Commands over MQTT.", ("command", "outcome")),
    MetricSpec("notify_ledger_errors_total", "counter", "Failed reads and writes of the ledger."),
    MetricSpec("notify_http_refused_total", "counter", "HTTP requests and connections refused.", ("reason",)),
)
"""Metrics of `partstream notify`, which has a page of its own."""
