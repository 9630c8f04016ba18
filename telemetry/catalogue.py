"""Every metric of the engine, as a table: names, kinds, labels, buckets, and the known values of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "partstream_"

SECONDS_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a quarter of a millisecond (a small stage) to ten seconds (a source that came back)."""

BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Frames a batch, up to the largest `batch.max_frames`."""

CAMERA_STATES = ("connecting", "live", "stalled", "reconnecting", "ended")
"""The states of `camera_state`. `removed` is none of them: a camera that is removed takes its series with it."""

CLOCKS = ("rtcp", "arrival", "media")
ICE_STATES = ("new", "checking", "completed", "failed", "closed")
TOPIC_KINDS = ("results", "events", "status")
MEMORY_KINDS = ("weights", "states", "peak", "free", "total")
RECORDING_STATES = ("ready", "low_disk", "unwritable")
REPLAY_STATUSES = ("ok", "too_old", "unknown_run", "bad_request")

MAX_CODES = 64
"""Different values of one label (a reason, a stage …) besides the camera; what comes after counts as `other`."""


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric as it is exported: `name` without the prefix, with `_total` for counters."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    derived: bool = False
    """Read from the engine's own counts when the page is asked for, not told by calls."""

    @property
    def full_name(self) -> str:
        """The name on the page; a histogram's series add `_bucket`, `_sum` and `_count`."""
        return PREFIX + self.name


METRICS: tuple[MetricSpec, ...] = (
    # -- cameras
    MetricSpec(
        "camera_state", "gauge", "1 for the state that the camera is in, 0 for the others.", ("camera", "state")
    ),
    MetricSpec("clock_source", "gauge", "1 for the clock that capture times come from, else 0.", ("camera", "clock")),
    MetricSpec("frames_decoded_total", "counter", "Frames that the camera's decoder gave.", ("camera",), derived=True),
    MetricSpec(
        "frames_processed_total",
        "counter",
        "Frames whose result was handed to ZeroMQ, also with nobody in it.",
        ("camera",),
        derived=True,
    ),
    MetricSpec(
        "frames_dropped_total",
        "counter",
        "Decoded frames that were not processed, by reason.",
        ("camera", "reason"),
        derived=True,
    ),
    MetricSpec(
        "units_discarded_total", "counter", "Access units that could not be decoded, by reason.", ("camera", "reason")
    ),
    MetricSpec(
        "reconnects_total", "counter", "Connections begun anew, by the reason of the loss.", ("camera", "reason")
    ),
    MetricSpec(
        "transport_fallbacks_total",
        "counter",
        "Connections whose pictures come in another way than was asked for, by reason.",
        ("camera", "reason"),
    ),
    MetricSpec("ring_ready_frames", "gauge", "Decoded frames that wait for inference.", ("camera",), derived=True),
    MetricSpec(
        "webrtc_sessions",
        "gauge",
        "WebRTC connections, of cameras and viewers, by the state of their ICE.",
        ("ice",),
        derived=True,
    ),
    MetricSpec("video_viewers", "gauge", "Viewers that are sent a camera's own video.", (), derived=True),
    MetricSpec(
        "video_units_skipped_total",
        "counter",
        "Encoded pictures that weren't sent to a viewer since too many waited for him.",
        (),
        derived=True,
    ),
    # -- batches and stages
    MetricSpec("batch_frames", "histogram", "Frames in a batch.", (), BATCH_BUCKETS, derived=True),
    MetricSpec(
        "batch_wait_seconds",
        "histogram",
        "How long a batch's oldest frame had been ready: it waited for company, or for the batch before.",
        (),
        SECONDS_BUCKETS,
        derived=True,
    ),
    MetricSpec("stage_seconds", "histogram", "Time that a stage took for a batch.", ("stage",), SECONDS_BUCKETS),
    MetricSpec("stage_errors_total", "counter", "Batches lost to an error in a stage.", ("stage",)),
    MetricSpec(
        "out_of_memory_total",
        "counter",
        "Times that a stage's work didn't fit into the device's memory and had to be halved.",
        ("stage",),
    ),
    MetricSpec("people_total", "counter", "People published, counted once a frame.", ("camera",)),
    MetricSpec("tracks_active", "gauge", "People being tracked.", ("camera",)),
    MetricSpec("state_bank_slots", "gauge", "Slots for the state of tracked people: used and free.", ("state",)),
    MetricSpec("state_evictions_total", "counter", "States given up for others because the bank was full."),
    MetricSpec("model_info", "gauge", "1 for the model that answers.", ("profile", "weights")),
    MetricSpec("ready", "gauge", "1 while /readyz answers 200, else 0."),
    MetricSpec("device_memory_bytes", "gauge", "Memory of the inference device, by kind.", ("kind",)),
    # -- out
    MetricSpec(
        "frame_age_seconds",
        "histogram",
        "From a frame's arrival until its result was handed to ZeroMQ.",
        ("camera",),
        SECONDS_BUCKETS,
        derived=True,
    ),
    MetricSpec(
        "capture_to_publish_seconds",
        "histogram",
        "From a frame's capture, where the camera tells its time, until its result was handed to ZeroMQ.",
        ("camera",),
        SECONDS_BUCKETS,
        derived=True,
    ),
    MetricSpec(
        "results_published_total", "counter", "Messages handed to ZeroMQ.", ("camera", "topic_kind"), derived=True
    ),
    MetricSpec("subscriptions", "gauge", "Subscriptions in force, over all subscribers.", derived=True),
    MetricSpec("replay_requests_total", "counter", "Requests for missed messages, by how they ended.", ("status",)),
    MetricSpec("replayed_messages_total", "counter", "Messages sent again on request."),
    MetricSpec("history_evicted_total", "counter", "Messages that left the history to make room.", derived=True),
    MetricSpec(
        "curve_refused_total",
        "counter",
        "Attempts of ZeroMQ clients to connect that were refused because their key isn't listed.",
        derived=True,
    ),
    # -- HTTP
    MetricSpec(
        "http_refused_total",
        "counter",
        "HTTP requests that were turned away, by the problem's code.",
        ("reason",),
        derived=True,
    ),
    MetricSpec("http_streams", "gauge", "HTTP answers that go on, such as event streams.", derived=True),
    MetricSpec(
        "http_events_skipped_total",
        "counter",
        "Messages that clients of event streams were too slow for.",
        derived=True,
    ),
    MetricSpec("live_pictures_total", "counter", "Pictures encoded for those who watch.", derived=True),
    MetricSpec(
        "live_pictures_skipped_total",
        "counter",
        "Pictures that gave way to a newer one of their camera before they were encoded.",
        derived=True,
    ),
    # -- traces; without tracing they have no series
    MetricSpec("trace_spans_exported_total", "counter", "Spans that the collector took.", derived=True),
    MetricSpec(
        "trace_spans_lost_total",
        "counter",
        "Spans that the collector never got, by reason.",
        ("reason",),
        derived=True,
    ),
    # -- clips; without recording they have no series
    MetricSpec(
        "recording_state", "gauge", "1 for how recording to disk is, 0 for the others.", ("state",), derived=True
    ),
    MetricSpec("clips_written_total", "counter", "Clips of events that were kept.", ("camera",), derived=True),
    MetricSpec(
        "clips_failed_total",
        "counter",
        "Events whose clip could not be written, by reason.",
        ("camera", "reason"),
        derived=True,
    ),
    MetricSpec("clips_kept", "gauge", "Clips in the directory.", derived=True),
    MetricSpec("clips_bytes", "gauge", "Bytes of the clips in the directory.", derived=True),
    MetricSpec("clip_packets_held", "gauge", "Encoded pictures held in memory for clips.", ("camera",), derived=True),
    MetricSpec("clip_packet_bytes", "gauge", "Bytes of the encoded pictures held.", ("camera",), derived=True),
    MetricSpec(
        "clip_packets_overflowed_total",
        "counter",
        "Groups of pictures too long or too large to be held: see recording.packet_bytes and packet_seconds.",
        ("camera",),
        derived=True,
    ),
)
"""Every metric of the engine, in the order of the page; docs/metrics.md is made from this table."""


def names() -> list[str]:
    """The full names of all metrics of the engine, in the order of the page."""
    return [spec.full_name for spec in METRICS]
