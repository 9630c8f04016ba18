"""Metrics that are read from the engine's counts when `/metrics` is requested."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from stream.alerts.alert_book import AlertBook
from stream.alerts.rules_in_force import RulesInForce
from stream.cameras.camera import Camera
from stream.http.endpoints.event_streams import EventStreams
from stream.http.server.app import HttpServer
from stream.incidents.pictures import FramePictures
from stream.incidents.store import IncidentStore
from stream.inference.batcher import Batcher
from stream.inference.load_watch import LoadWatch
from stream.kept_outputs import KeptOutputs
from stream.live.live_pictures import LivePictures
from stream.live.viewers import Viewers
from stream.messaging.publisher import Publisher
from stream.recording.camera_recording import FAIL_REASONS, CameraRecording
from stream.recording.recorder import Recorder
from stream.settings.privacy import MODES
from stream.sources.webrtc.peers import Peers
from telemetry.catalogue import ICE_STATES, INCIDENT_KINDS, RECORDING_STATES, TOPIC_KINDS
from telemetry.metrics import PrometheusObserver, Series
from telemetry.reasons import DropReason
from telemetry.tracing.span_export import SpanExport


def derive_metrics(
    metrics: PrometheusObserver, cameras: Mapping[str, Camera], batcher: Batcher, load: LoadWatch, publisher: Publisher
) -> None:
    """Add the metrics of frames and messages. `cameras` may change; a removed camera's series disappear."""

    def dropped() -> Iterable[Series]:
        for name, camera in list(cameras.items()):
            counts = camera.ring.dropped
            for reason in DropReason:
                yield (name, reason), counts.get(reason, 0)

    def looks() -> Iterable[Series]:
        for name, camera in list(cameras.items()):
            for look, count in camera.looks.frames.items():
                yield (name, look), count

    def published() -> Iterable[Series]:
        counts = {(name, kind): 0 for name in list(cameras) for kind in TOPIC_KINDS}
        counts |= {(camera, kind): count for camera, kind, count in publisher.published()}
        return counts.items()

    def privacy() -> Iterable[Series]:
        for name, camera in list(cameras.items()):
            for mode in MODES:
                yield (name, mode), camera.exit.mode == mode

    derive = metrics.derive
    derive("camera_privacy", privacy)
    derive("frames_decoded_total", lambda: [((name,), cam.ring.decoded) for name, cam in list(cameras.items())])
    derive("frames_processed_total", lambda: [((name,), cam.ring.processed) for name, cam in list(cameras.items())])
    derive("frames_dropped_total", dropped)
    derive("frame_looks_total", looks)
    derive("frame_regions_total", lambda: [((name,), cam.looks.regions) for name, cam in list(cameras.items())])
    derive("object_looks_total", lambda: [((name,), cam.looks.objects) for name, cam in list(cameras.items())])
    derive("searched_views_total", lambda: [((name,), cam.looks.searched) for name, cam in list(cameras.items())])
    derive("ring_ready_frames", lambda: [((name,), cam.ring.ready) for name, cam in list(cameras.items())])
    derive("frame_age_seconds", lambda: [((name,), cam.ages) for name, cam in list(cameras.items())])
    derive("capture_to_publish_seconds", lambda: [((name,), cam.capture_ages) for name, cam in list(cameras.items())])
    derive("batch_frames", lambda: [((), batcher.frames)])
    derive("batch_wait_seconds", lambda: [((), batcher.waits)])
    derive("ease_level", lambda: [((), load.report().ease_level)])
    derive("overloaded", lambda: [((), load.report().overloaded)])
    derive("results_published_total", published)
    derive("subscriptions", lambda: [((), publisher.subscriptions)])
    derive("history_evicted_total", lambda: [((), publisher.evicted)])
    derive("curve_refused_total", lambda: [((), publisher.refused)])


def derive_alert_metrics(metrics: PrometheusObserver, alerts: AlertBook, rules: RulesInForce) -> None:
    """Add the metrics of alerts. A rule's open alerts are shown once it has had one on the camera."""

    def open_alerts() -> Iterable[Series]:
        counts = {(camera, rule): 0 for camera, rule, _ in list(alerts.began)}
        return (counts | alerts.open()).items()

    metrics.derive("alerts_total", lambda: list(alerts.began.items()))
    metrics.derive("alerts_open", open_alerts)
    metrics.derive("rules_loaded", lambda: [] if rules.compiled is None else [((), rules.error is None)])


def derive_http_metrics(
    metrics: PrometheusObserver, server: HttpServer, events: EventStreams, pictures: LivePictures
) -> None:
    """Add the metrics of the HTTP server."""
    metrics.derive("http_refused_total", lambda: [((code,), count) for code, count in server.refused.items()])
    metrics.derive(
        "http_tokens_loaded", lambda: [] if server.tokens_in_force is None else [((), server.tokens_in_force)]
    )
    metrics.derive("http_audit_lines_total", lambda: [((), server.audit.written)])
    metrics.derive("http_audit_errors_total", lambda: [((), server.audit.failed)])
    metrics.derive("http_streams", lambda: [((), server.streams)])
    metrics.derive("http_events_skipped_total", lambda: [((), events.skipped)])
    metrics.derive("live_pictures_total", lambda: [((), pictures.encoded)])
    metrics.derive("live_pictures_skipped_total", lambda: [((), pictures.skipped)])


def derive_webrtc_metrics(metrics: PrometheusObserver, peers: Peers, viewers: Viewers) -> None:
    """Add the metrics of WebRTC."""

    def sessions() -> Iterable[Series]:
        counts = peers.ice_states()
        return [((state,), counts.get(state, 0)) for state in ICE_STATES]

    metrics.derive("webrtc_sessions", sessions)
    metrics.derive("video_viewers", lambda: [((), len(viewers))])
    metrics.derive("video_units_skipped_total", lambda: [((), viewers.skipped)])


def derive_output_metrics(metrics: PrometheusObserver, outputs: KeptOutputs) -> None:
    """Add the metrics of the outputs that are configured: results file, clips, alerts and events."""

    def missing() -> Iterable[Series]:
        return [] if outputs.results_file is None else [((), outputs.results_file.missing)]

    metrics.derive("results_file_missing_total", missing)
    if outputs.recorder is not None:
        _derive_recording_metrics(metrics, outputs.recorder)
    if outputs.incidents is not None:
        _derive_incident_metrics(metrics, outputs.incidents, outputs.pictures)


def _derive_recording_metrics(metrics: PrometheusObserver, recorder: Recorder) -> None:
    def of_cameras(value: Callable[[CameraRecording], int]) -> Callable[[], Iterable[Series]]:
        return lambda: [((name,), value(camera)) for name, camera in recorder.cameras.items()]

    def failed() -> Iterable[Series]:
        for name, camera in recorder.cameras.items():
            for reason in FAIL_REASONS:
                yield (name, reason), camera.counts.failed[reason]

    library = recorder.library
    derive = metrics.derive
    derive("recording_state", lambda: [((state,), state == library.condition.state) for state in RECORDING_STATES])
    derive("clips_written_total", of_cameras(lambda camera: camera.counts.written))
    derive("clips_failed_total", failed)
    derive("clips_kept", lambda: [((), len(library))])
    derive("clips_bytes", lambda: [((), library.bytes_kept)])
    derive("clip_packets_held", of_cameras(lambda camera: len(camera.packets)))
    derive("clip_packet_bytes", of_cameras(lambda camera: camera.packets.bytes_held))
    derive("clip_packets_overflowed_total", of_cameras(lambda camera: camera.packets.overflows))


def _derive_incident_metrics(metrics: PrometheusObserver, store: IncidentStore, pictures: FramePictures) -> None:
    derive = metrics.derive
    derive("incidents_state", lambda: [((state,), state == store.condition.state) for state in RECORDING_STATES])
    derive("incidents_total", lambda: [((kind,), store.began[kind]) for kind in INCIDENT_KINDS])
    derive("incidents_dropped_total", lambda: [((kind,), store.dropped[kind]) for kind in INCIDENT_KINDS])
    derive("incident_pictures_bytes", lambda: [((), store.bytes_kept)])
    derive(
        "incident_pictures_lost_total",
        lambda: [(("busy",), pictures.dropped.total()), (("disk",), store.pictures_lost)],
    )


def derive_trace_metrics(metrics: PrometheusObserver, spans: SpanExport) -> None:
    """Add the metrics of traces."""
    metrics.derive("trace_spans_exported_total", lambda: [((), spans.exported)])
    metrics.derive("trace_spans_lost_total", lambda: [((reason,), count) for reason, count in spans.lost.items()])
