"""The HTTP server of an engine, with every route."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from stream import engine_metrics
from stream.alerts.alert_book import AlertBook
from stream.alerts.rules_in_force import RulesInForce
from stream.cameras.control import Control
from stream.cameras.registry import CameraRegistry
from stream.config import Config
from stream.http.endpoints.alerts_api import AlertsApi
from stream.http.endpoints.clips_api import ClipsApi
from stream.http.endpoints.control_api import ControlApi
from stream.http.endpoints.event_streams import EventStreams
from stream.http.endpoints.incidents_api import IncidentsApi
from stream.http.endpoints.picture_streams import PictureStreams
from stream.http.endpoints.review_api import ReviewApi
from stream.http.endpoints.webrtc_api import WebrtcApi
from stream.http.server.app import HttpServer
from stream.http.server.request_threads import RequestThreads
from stream.kept_outputs import KeptOutputs
from stream.live.live_pictures import LivePictures
from stream.live.viewers import Viewers
from stream.membership.passes import Passes
from stream.messaging.publisher import Publisher
from stream.results import Stats
from stream.sources.webrtc.publishers import Publishers
from telemetry.health import Health
from telemetry.metrics import PrometheusObserver

READING, WRITING = "kept alerts and events to be read", "verdicts to be written"
"""What requests wait for."""


def make_http_server(
    *,
    config: Callable[[], Config],
    stats: Callable[[], Stats],
    ready: Callable[[], tuple[bool, list[str]]],
    health: Health,
    metrics: PrometheusObserver,
    publisher: Publisher,
    cameras: CameraRegistry,
    control: Control,
    alerts: AlertBook,
    outputs: KeptOutputs,
    actions: Callable[[], Sequence[str]],
    rules: RulesInForce,
    event_streams: EventStreams,
    picture_streams: PictureStreams,
    live_pictures: LivePictures,
    publishers: Publishers,
    viewers: Viewers,
    passes: Passes | None,
    on_end: Callable[[asyncio.Task[None]], None],
) -> HttpServer:
    """Return the HTTP server of an engine with these parts, and add its metrics.

    `config`, `stats` and `actions` (the model's) return what is valid when they are called; `on_end` is called when a
    task of the server ends.
    """
    api = ControlApi(
        cameras,
        control,
        event_streams,
        stats=stats,
        streams=lambda: server.streams,
        config=config,
        last=publisher.last_json,
        results_file=lambda: outputs.results_file,
    )
    recorder, incidents, pictures = outputs.recorder, outputs.incidents, outputs.pictures
    reading, writing = RequestThreads("incident readers", 2, READING), RequestThreads("verdicts", 1, WRITING)
    server = HttpServer(
        config().http,
        metrics=metrics.exposition,
        ready=ready,
        alive=health.alive,
        privacy=cameras.count_modes,
        routes=[
            *api.routes(),
            *picture_streams.routes(),
            *AlertsApi(alerts, pictures, rules, reading).routes(),
            *IncidentsApi(incidents, pictures, reading).routes(),
            *ReviewApi(outputs.verdicts, lambda: sorted({*actions(), *rules.written}), reading, writing).routes(),
            *ClipsApi(recorder.library if recorder is not None else None, cameras.privacy).routes(),
            *WebrtcApi(cameras, publishers, viewers).routes(),
        ],
        threads=(reading, writing),
        passes=passes,
        on_end=on_end,
    )
    engine_metrics.derive_http_metrics(metrics, server, event_streams, live_pictures)
    return server
