"""The batch worker: runs a batch of frames through the model and publishes their results, in the inference thread.

Publishing happens here because each change of threads costs more than the work around it: a frame changes threads once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ring_buffers.frames import FrameMeta, Lease
from stages.device.halving import Halving, TooLargeError
from stages.looks import WHOLE, Look
from stages.types import FrameAnalysis, Model
from stream import results
from stream.alerts.alert_book import AlertBook
from stream.alerts.rules_in_force import RulesInForce
from stream.cameras.camera import Camera
from stream.incidents.pictures import FramePictures
from stream.inference.batcher import Batcher
from stream.inference.load_watch import LoadWatch
from stream.live.live_pictures import LivePictures
from stream.messaging.assemble import frame_message
from stream.messaging.publisher import Publisher
from telemetry.health import Health
from telemetry.observer import Observer
from telemetry.reasons import DropReason
from telemetry.tracing.frame_traces import FrameTraces

logger = logging.getLogger(__name__)


@dataclass
class BatchWorker:
    """Processes one batch after another with `run`, once `use` was called."""

    batcher: Batcher
    load: LoadWatch
    cameras: Mapping[str, Camera]
    publisher: Publisher
    live_pictures: LivePictures
    alerts: AlertBook
    pictures: FramePictures
    rules: RulesInForce
    observer: Observer
    health: Health
    traces: FrameTraces | None
    model_ref: results.ModelRef
    """The model's description in results."""
    processed: int = 0
    """Frames published so far."""
    abandoned: bool = False
    """The thread hung while the engine stopped; its remaining output is discarded."""
    _model: Model | None = None

    def __post_init__(self) -> None:
        self.halving = Halving("detection", "frames", self.observer)

    def use(self, model: Model) -> None:
        """Use this model from the next batch on."""
        self.load.watch(model)
        self._model = model
        self.batcher.needs_look = self._needs_look

    def next_batch(self) -> list[Lease]:
        """Wait for the next batch. Return an empty list as `Batcher.next_batch` does, or to measure the load again."""
        self.load.update()
        return self.batcher.next_batch(self.load.patience_s)

    def _needs_look(self, meta: FrameMeta, newest: bool) -> bool:
        assert self._model is not None
        try:
            return self._model.needs_look(meta, newest)
        except Exception:
            return True  # the same error in a batch is logged and counted

    def _apply_rules(self, camera: Camera, message: results.Frame) -> tuple[list[results.Event], list[results.Alert]]:
        try:
            return camera.rules.apply(message, self.rules.compiled, camera.config.zones)
        except Exception:
            logger.exception("camera %s: the rules failed; it has none until they change", camera.config.id)
            self.observer.stage_failed("rules")
            self.alerts.clear(camera.config.id, "rules")
            return camera.rules.close_events(), []

    def end_silent(self) -> None:
        """Clear the alerts of cameras that have had no result for some time."""
        for camera in list(self.cameras.values()):
            if not camera.stopped and camera.ring.policy == "latest":  # others may wait long for the model
                camera.publish_ended(camera.rules.end_if_silent(), self.publisher, self.alerts)

    def run(self, batch: list[Lease]) -> None:
        """Run the model over a batch, publish every frame, and release the slots."""
        self.load.set_level()
        if self.traces is not None:
            self.traces.choose([lease.meta for lease in batch])
        self.halving.run(len(batch), lambda start, stop: self._run(batch[start:stop]))

    def _run(self, batch: list[Lease]) -> None:
        """Raises `TooLargeError` if half the batch may fit. Any other error drops these frames only."""
        assert self._model is not None
        traces = self.traces
        started_ns = time.monotonic_ns()
        looks: list[Look] = [WHOLE] * len(batch)
        if traces is not None:
            traces.begin([lease.meta for lease in batch], started_ns)
        try:
            analyses = self._model.process(batch)
        except TooLargeError as error:
            if len(batch) > 1:
                raise
            self._drop(batch, error.__cause__ if isinstance(error.__cause__, Exception) else error)
        except Exception as error:
            self._drop(batch, error)
        else:
            if traces is not None:
                traces.analysed(time.monotonic_ns())
            looks = [analysis.look for analysis in analyses]
            for lease, analysis in zip(batch, analyses, strict=True):
                self._publish(lease, analysis)
        ended_ns = time.monotonic_ns()
        if traces is not None:
            traces.end(ended_ns)
        seconds = (ended_ns - started_ns) / 1e9
        if looked := sum(look.anything for look in looks):
            self.batcher.batch_done(seconds, looked)
        self.load.batch_done(seconds, batch, looks)

    def _drop(self, batch: Sequence[Lease], error: Exception) -> None:
        stage = getattr(error, "stage", "pipeline")
        cameras = ", ".join(sorted({lease.meta.camera for lease in batch}))
        logger.error("stage %s failed; %d frames of %s are dropped", stage, len(batch), cameras, exc_info=error)
        self.observer.stage_failed(stage)
        if self.traces is not None:
            self.traces.failed(stage, error)
        self.health.stage_failed(stage, self.processed)
        for lease in batch:
            camera = self.cameras.get(lease.meta.camera)
            if camera is not None:
                camera.ring.release(lease, DropReason.STAGE_ERROR)

    def _fail(self, lease: Lease, camera: Camera, stage: str) -> None:
        logger.error("stage %s gave NaN or infinity; a frame of %s is dropped", stage, lease.meta.camera)
        self.observer.stage_failed(stage)
        self.health.stage_failed(stage, self.processed)
        camera.ring.release(lease, DropReason.STAGE_ERROR)

    def _publish(self, lease: Lease, analysis: FrameAnalysis) -> None:
        meta = lease.meta
        camera = self.cameras.get(meta.camera)
        if camera is None:
            return
        if camera.stopped or self.abandoned:  # while the model had the frame
            camera.ring.release(lease, DropReason.SHUTDOWN)
            return
        if analysis.failed is not None:
            self._fail(lease, camera, analysis.failed)
            return
        for event in camera.enter(meta):
            self.publisher.publish(event)
        trace_id = None if self.traces is None else self.traces.trace_id(meta)
        analysis, places = camera.zones.apply(meta, analysis, camera.config.zones, camera.config.lines)
        message = frame_message(meta, analysis, self.model_ref, trace_id, places, camera.exit.stated)
        written_events, alerts = self._apply_rules(camera, message)
        self.publisher.publish(message)
        if camera.on_first_result is not None:
            first, camera.on_first_result = camera.on_first_result, None
            first()
        handed_ns = time.monotonic_ns()
        if self.traces is not None:
            self.traces.published(meta, handed_ns, len(analysis.people))
        age_s = (handed_ns - meta.arrival_ns) / 1e9
        self.processed += 1
        events = [*camera.events.update(meta, analysis, self.model_ref.experimental), *written_events]
        shown = camera.exit.show(lease, message)
        self.live_pictures.offer(shown)
        camera.exit.offer(shown)
        if alerts or events:
            self.pictures.take([*alerts, *events], shown, message)  # before anyone knows of them
        if alerts:
            self.alerts.take(alerts)
        camera.ring.release(lease)
        camera.tracks = analysis.tracks
        camera.looks.add(analysis.look)
        camera.ages.observe(age_s)
        capture_age_s = None
        if meta.clock == "rtcp":
            capture_age_s = (time.time_ns() // 1000 - meta.capture_us) / 1e6
            camera.capture_ages.observe(capture_age_s)
        self.observer.frame_published(meta.camera, age_s, capture_age_s)
        if age_s * 1e9 > camera.staleness_ns and camera.ring.policy == "latest":
            self.load.published_late()
        for event in events:
            self.publisher.publish(event)
