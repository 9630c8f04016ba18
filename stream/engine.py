"""The engine: runs cameras, the model and the publisher, and stops within two seconds.

    async with Engine(load(Path("partstream.yaml"))) as engine:
        async for message in engine.results():
            ...

Each camera decodes in its own thread. The inference thread takes the frames, runs the model and publishes, so that a
frame changes threads once. The event loop does everything else: changes of cameras, status, statistics, HTTP and
subscriptions. Another thread answers replay requests. The engine never waits for subscribers.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any

from ring_buffers.frames import Lease
from stages.types import Model
from stream import engine_metrics, results
from stream.alerts.alert_book import AlertBook, open_alerts_file
from stream.alerts.rules_in_force import RulesInForce
from stream.batch_worker import BatchWorker
from stream.cameras.control import Control
from stream.cameras.fleet_member import FleetMember, Identity
from stream.cameras.registry import CameraRegistry, places_of
from stream.cameras.state_file import CameraStateFile
from stream.config import Config, with_cameras
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
from stream.inference import device_budget, memory_budget
from stream.inference.batcher import Batcher
from stream.inference.inference_thread import InferenceThread
from stream.inference.load_watch import LoadWatch
from stream.inference.model_loading import check_model_files, load_model
from stream.inference.profiling import Profiling
from stream.kept_outputs import KeptOutputs
from stream.live.live_pictures import LivePictures
from stream.live.viewers import Viewers
from stream.messaging.feed import Feed
from stream.messaging.publisher import Publisher
from stream.privacy.drawn_video import DrawnVideos
from stream.privacy.known_privacy import KnownPrivacy
from stream.recording.configured_names import check_actions, warn_of_missing_cameras
from stream.settings.config_error import ConfigError
from stream.settings.network import HttpConfig
from stream.sources.open_transport import SharedTransports
from stream.sources.rtsp.fallback import network_thread
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.publishers import Publishers
from telemetry.health import Health, wanted_frames
from telemetry.metrics import PrometheusObserver
from telemetry.observer import Guarded, Observer
from telemetry.tracing.frame_traces import FrameTraces
from telemetry.tracing.span_export import SpanExport, TracingUnavailableError

logger = logging.getLogger(__name__)

SILENCE_EVERY_S = 2.0
"""Interval at which cameras without results are looked for, whose alerts are to be cleared."""
STOP_WITHIN_S = 1.6
"""Time for all parts together to stop; the rest of two seconds is for the end of the process."""


class EngineFailedError(RuntimeError):
    """The engine has failed because of a bug and cannot continue."""


class Engine:
    """Analyses cameras and publishes results. By default it loads the configured model; `model` replaces it.

    With `fleet`, what it is in a fleet, it gets its cameras through `member`.

    Starting raises `ConfigError` or `stages.third_party.weights.WeightsError`, which say what to do. Later errors are
    isolated to one camera or batch: they are counted, logged and shown in the status, and the engine continues.
    """

    def __init__(
        self,
        config: Config,
        *,
        model: Model | None = None,
        observers: Sequence[Observer] = (),
        fleet: Identity | None = None,
    ) -> None:
        if not isinstance(config, Config):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"config must be a Config, for example from load(), not {type(config).__name__}")
        self.config = config
        self.run = secrets.token_hex(16)
        self.health = Health(time.monotonic())
        self.metrics = PrometheusObserver()
        traced = config.tracing.sample_ratio
        self._spans = SpanExport(self.run) if traced > 0 else None
        traces = FrameTraces(traced, self._spans.put) if self._spans is not None else None
        self.observer = Guarded(self.metrics, *observers, *filter(None, [traces]))
        self._model = model
        self._batcher = Batcher(config.batch)
        self._load = LoadWatch(self._batcher, adapt=config.overload == "adapt")
        self._inference: InferenceThread[list[Lease]] | None = None
        generations: dict[str, int] = {}
        """Of a fleet's cameras; see `AssignedCameras`."""
        generation = generations.get if fleet is not None else None
        self.publisher = Publisher(config.publish, self.run, self.observer, generation)
        self.alerts = AlertBook(self.publisher.publish, open_alerts_file(config.rules_file, config.alerts_file))
        self.rules = RulesInForce(
            config.rules_file,
            lambda: places_of(self.cameras.configs.values() or self.config.cameras),  # before any was started
            self.alerts.keep_rules,
        )
        self._peers = Peers(config.webrtc, self.observer)
        self._publishers = Publishers(self._peers)
        self._viewers = Viewers(self._peers)
        self._rtsp_thread = network_thread()
        privacy = KnownPrivacy(config.cameras, config.privacy.mode)
        self.outputs = KeptOutputs(config, self.publisher, privacy)
        """What is kept of the results."""
        self.recorder, self.incidents = self.outputs.recorder, self.outputs.incidents
        self._drawn = DrawnVideos(config.privacy.video)
        self.cameras = CameraRegistry(
            self._batcher,
            self.publisher,
            self.observer,
            self._in_loop,
            self._check_finished,
            SharedTransports(self._peers, self._publishers, self._rtsp_thread),
            self.alerts,
            self.recorder,
            privacy,
            self._drawn,
            results_first=fleet is not None,
        )
        self._cameras = self.cameras.running
        engine_metrics.derive_alert_metrics(self.metrics, self.alerts, self.rules)
        engine_metrics.derive_metrics(self.metrics, self._cameras, self._batcher, self._load, self.publisher)
        engine_metrics.derive_webrtc_metrics(self.metrics, self._peers, self._viewers)
        engine_metrics.derive_output_metrics(self.metrics, self.outputs)
        if self._spans is not None:
            engine_metrics.derive_trace_metrics(self.metrics, self._spans)
        self._state_file = CameraStateFile(config.state_file, config.cameras) if config.state_file is not None else None
        self.control = Control(self.cameras, config, self._state_file)
        self.member: FleetMember | None = None
        """Takes the cameras of a fleet, and reports; None outside a fleet."""
        if fleet is not None:
            parts = self.publisher, self.cameras, self._load, lambda: self.http_address
            member = self.member = FleetMember(fleet, config, generations, *parts)
            self.control.elsewhere = lambda: member.control_address or "the fleet's controller"
        self._event_streams = EventStreams(self.publisher.on_message, self.publisher.last_json)
        self._live_pictures = LivePictures()
        self._picture_streams = PictureStreams(self._live_pictures, self.cameras.configs)
        self._worker = BatchWorker(
            self._batcher,
            self._load,
            self._cameras,
            self.publisher,
            self._live_pictures,
            self.alerts,
            self.outputs.pictures,
            self.rules,
            self.observer,
            self.health,
            traces,
            results.ModelRef(config.model.profile, "", False),
        )
        self.profiling = Profiling(
            config.profiling_directory, self._between_batches, lambda: self._batcher.frames.count
        )
        """Profiling of the inference thread, on demand."""
        self._http: HttpServer | None = None
        if config.http.bind is not None:
            self._http = self._http_server(config.http)
        self._tasks: list[asyncio.Task[None]] = []
        self._finished = asyncio.Event()
        self._started_ns = self._counted_ns = time.monotonic_ns()
        self._failure: BaseException | None = None
        self._stopped = False

    def _http_server(self, config: HttpConfig) -> HttpServer:
        """Return the HTTP server with every route."""
        cameras, outputs, streams = self.cameras, self.outputs, self._event_streams
        api = ControlApi(
            cameras,
            self.control,
            streams,
            stats=lambda: self.stats(measure=False),
            streams=lambda: server.streams,
            config=lambda: self.config,
            last=self.publisher.last_json,
            results_file=lambda: outputs.results_file,
        )
        reading = RequestThreads("incident readers", 2, "kept alerts and events to be read")
        writing = RequestThreads("verdicts", 1, "verdicts to be written")
        server = HttpServer(
            config,
            metrics=self.metrics.exposition,
            ready=self._ready,
            alive=self.health.alive,
            privacy=cameras.count_modes,
            routes=[
                *api.routes(),
                *self._picture_streams.routes(),
                *AlertsApi(self.alerts, outputs.pictures, self.rules, reading).routes(),
                *IncidentsApi(outputs.incidents, outputs.pictures, reading).routes(),
                *ReviewApi(outputs.verdicts, self._actions, reading, writing).routes(),
                *ClipsApi(outputs.recorder.library if outputs.recorder is not None else None, cameras.privacy).routes(),
                *WebrtcApi(cameras, self._publishers, self._viewers).routes(),
            ],
            threads=(reading, writing),
            passes=self.member.passes if self.member is not None else None,
            on_end=self._task_ended,
        )
        engine_metrics.derive_http_metrics(self.metrics, server, streams, self._live_pictures)
        return server

    def _actions(self) -> list[str]:
        """Return the actions of the model and of the rules file."""
        return sorted({*(self._model.actions if self._model is not None else ()), *self.rules.written})

    # -- start and stop -----------------------------------------------------------------------------------------
    async def __aenter__(self) -> Engine:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Check files, open the sockets, load and warm up the model, then start every configured camera."""
        self._loop = asyncio.get_running_loop()
        self._inference = InferenceThread(
            self._worker.next_batch, self._worker.run, interrupt=self._batcher.interrupt, on_death=self._inference_died
        )
        if self._state_file is not None:
            self._state_file.hold()
            origin = f"state_file: {self._state_file.path}"
            self.config = with_cameras(self.config, self._state_file.load(), origin)
            self.cameras.privacy.remember(self._state_file.hidden)
        warn_of_missing_cameras(self.config.recording, (camera.id for camera in self.config.cameras))
        memory_budget.check(self.config, memory_budget.available_bytes())
        if self._model is None:
            await asyncio.to_thread(check_model_files, self.config.model)
        self.outputs.open()
        if self._spans is not None:
            try:
                self._spans.start()
            except TracingUnavailableError as error:
                raise ConfigError(f"tracing.sample_ratio: {error}") from None
        await asyncio.to_thread(self.rules.load, None if self._model is not None else self.config.model.profile)
        await self.outputs.keep_incidents()
        await self.publisher.start()
        await asyncio.to_thread(self.alerts.start)
        self.outputs.keep_results()
        logger.info("results at %s, replay at %s", self.publisher.endpoint, self.publisher.replay_endpoint)
        if self._http is not None:
            await self._http.start()
        model = await self._load_model(self._inference)
        self._begin_task(self._publish_stats(), "stats")
        if self.config.rules_file is not None:
            self._begin_task(self.rules.watch(), "rules file")
            self._begin_task(self._inference.repeat(self._worker.end_silent, SILENCE_EVERY_S), "silent cameras")
        await asyncio.to_thread(self.alerts.started)
        self.cameras.begin(model, self._inference, self.config.cameras)

    async def stop(self) -> None:
        """Stop every camera, finish the current batch, deliver what was published, and close. May be called again."""
        if self._stopped:
            return
        self._stopped = True
        self.health.stopping = True
        deadline = time.monotonic() + STOP_WITHIN_S
        await self.profiling.stop()
        self.cameras.stop_reading()
        ending: list[asyncio.Task[object]] = [asyncio.create_task(asyncio.to_thread(self._peers.stop))]
        self._batcher.close()
        within_s = max(0.1, deadline - time.monotonic() - 0.6)
        worked = self._inference is None or await asyncio.to_thread(self._inference.stop, within_s)
        self._worker.abandoned = not worked
        if self._spans is not None:
            within_s = max(0.1, deadline - time.monotonic() - 0.4)
            ending.append(asyncio.create_task(asyncio.to_thread(self._spans.stop, within_s)))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for camera in self._cameras.values():
            camera.ring.close()
            camera.end("restart", self.publisher, self.alerts)
        joined = [
            await asyncio.to_thread(camera.reader.join, max(0.05, deadline - time.monotonic()))
            for camera in list(self._cameras.values())  # a camera may be removed meanwhile
        ]
        await asyncio.to_thread(self._drawn.close)
        await asyncio.to_thread(self._rtsp_thread.stop)  # after the cameras, which end their sessions through it
        await self.outputs.finish(deadline)  # publishes the last clips
        self._event_streams.close()
        self._picture_streams.close()
        await asyncio.to_thread(self._live_pictures.close)
        await asyncio.to_thread(self.alerts.close)
        if self._http is not None:
            await self._http.stop()
        await asyncio.gather(*ending)
        await self.publisher.stop()
        self.publisher.close_feeds()
        self.outputs.close()
        if self._state_file is not None:
            self._state_file.close()
        self._finished.set()
        if not all(joined) or not worked:
            logger.warning("stopped without waiting longer for %s", "a camera" if worked else "the model")

    async def wait(self) -> None:
        """Wait until the engine is stopped or, with `once`, until every source has ended and its frames are published.

        Also returns when every source has failed permanently without ever opening. Raises `EngineFailedError` if the
        engine itself cannot continue; `/healthz` then reports it, and only a restart helps.
        """
        await self._finished.wait()
        if self._failure is not None:
            raise EngineFailedError(f"a bug in partstream: {self._failure!r}; see the log") from self._failure

    def _begin_task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._task_ended)
        self._tasks.append(task)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error, f"its task {task.get_name()!r}")

    def _inference_died(self, error: BaseException) -> None:
        self._in_loop(self._fail, error, "its inference thread")

    def _fail(self, error: BaseException, part: str) -> None:
        logger.critical("the engine can't continue", exc_info=error)
        self.health.died(f"{part} failed: {type(error).__name__}")
        self._failure = error
        self._finished.set()

    def _in_loop(self, function: Callable[..., None], *arguments: object) -> None:
        """Call the function in the event loop, from any thread; do nothing if the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            logger.debug("%s was called after the event loop had closed", function.__name__)

    # -- results and statistics ---------------------------------------------------------------------------------
    def results(self, buffer: int = 1024) -> Feed[results.Message]:
        """Return an async iterator of all messages from now on. With more than `buffer` unread, the oldest are lost."""
        feed = self.publisher.feed(buffer)
        if self._finished.is_set():
            feed.close()
        return feed

    @property
    def http_address(self) -> str | None:
        """Address of the HTTP server, `http://host:port`; None if it is off."""
        return self._http.address if self._http is not None else None

    def stats(self, *, measure: bool = True) -> results.Stats:
        """Return the engine's statistics.

        Rates cover the time since the last call with `measure`; without it, they are that call's.
        """
        now_ns = time.monotonic_ns()
        ready, reasons = self._ready()
        cameras = list(self._cameras.values())
        if measure:
            for camera in cameras:
                camera.measure((now_ns - self._counted_ns) / 1e9)
            self._counted_ns = now_ns
        return results.Stats(
            run=self.run,
            seq=0,
            at_us=time.time_ns() // 1000,
            uptime_s=round((now_ns - self._started_ns) / 1e9, 3),
            ready=ready,
            ready_reason="; ".join(reasons),
            model=self._worker.model_ref,
            cameras=[camera.stats() for camera in cameras],
            state_slots_used=0 if self._model is None else self._model.state_slots_used,
            state_slots=0 if self._model is None else self._model.state_slots,
            subscriptions=self.publisher.subscriptions,
            load=self._load.report(),
            open_alerts=self.alerts.open_ids(),
            engine=None if self.member is None else self.member.identity.engine,
        )

    # -- the model ----------------------------------------------------------------------------------------------
    async def _load_model(self, inference: InferenceThread[list[Lease]]) -> Model:
        if self._model is None:
            self._model = await inference.run(load_model, self.config, self.observer)
        check_actions(self.config.recording, self._model.actions, self.rules.written)
        check_actions(self.config.incidents, self._model.actions, self.rules.written, "incidents")
        info = self._model.info
        self._worker.model_ref = results.ModelRef(info.profile, info.weights, info.trained, list(info.experimental))
        self.observer.model_loaded(info.profile, info.weights)
        self.health.weights_loaded = True
        await inference.run(self._model.warm_up)
        await inference.run(device_budget.rehearse, self._model, self.config, self._worker.halving, self.observer)
        self.health.device_tested = True
        await inference.run(self._worker.use, self._model)
        return self._model

    async def _between_batches(self, function: Callable[[], None]) -> None:
        if self._inference is None:
            raise RuntimeError("the engine has not started")
        await self._inference.run(function)

    # -- status and stats ---------------------------------------------------------------------------------------
    def _check_finished(self) -> None:
        """Finish if every source has ended and its last frame is published.

        Without `once`, only if none ever opened and no camera was changed at run time.
        """
        if self.cameras.finished and (self.config.once or not (self.cameras.ever_live or self.cameras.changed)):
            self._finished.set()

    async def _publish_stats(self) -> None:
        while True:
            await asyncio.sleep(self.config.publish.stats_interval_s)
            self.publisher.publish(self.stats())
            self.observer.ready_changed(self._ready()[0])

    def _ready(self) -> tuple[bool, list[str]]:
        now = time.monotonic()
        counts = [camera.ring.counts() for camera in self._cameras.values()]
        wanted = sum(wanted_frames(one.decoded, one.dropped) for one in counts)
        self.health.observe_counts(wanted, self._worker.processed, now)
        reasons = self.health.ready(now)[1]
        if not self.cameras.begun:
            reasons.append("cameras: those of the configuration are not started yet")
        if self.member is not None and (problem := self.member.problem):
            reasons.append(f"fleet: {problem}")
        return not reasons, reasons
