"""The cameras of one engine: started, changed and removed while it runs, each without affecting the others.

The registry holds the settings of every camera and, of each running one, its ring, reader and place in the batcher. It
lives in the engine's event loop; readers report their states through `in_loop`. The last epoch of a camera is kept
after its removal, because epochs are never reused in a run.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ring_buffers.frame_ring import FrameRing
from stages.types import Model
from stream.alerts.alert_book import AlertBook
from stream.cameras.camera import Camera
from stream.cameras.camera_rules import CameraRules
from stream.inference.batcher import Batcher
from stream.inference.inference_thread import InferenceThread
from stream.live.live_video import LiveVideo
from stream.messaging.publisher import Publisher
from stream.privacy.camera_exit import CameraExit
from stream.privacy.drawn_video import Demand, DrawnVideos
from stream.privacy.known_privacy import KnownPrivacy
from stream.recording.recorder import Recorder
from stream.rules_file import Places
from stream.settings.engine import CameraConfig
from stream.settings.privacy import MODES
from stream.sources.decoding.picture_memory import give_back
from stream.sources.open_transport import SharedTransports, make_opener
from stream.sources.reader import CameraReader
from stream.sources.status import CameraStatus
from telemetry.observer import Observer


class NumberedIds:
    """Ids of one kind and camera: the prefix, 16 random hexadecimal digits, `-`, and a number from 1.

    Each camera has its own, so that an id does not tell how much begins at others. The digits make ids of all cameras
    and runs differ. Used by the inference thread alone.
    """

    def __init__(self, prefix: str = "") -> None:
        self._begin = prefix + secrets.token_hex(8)
        self._count = 0

    def new(self) -> str:
        """Return the next id: unique, and in the order of the camera's ids."""
        self._count += 1
        return f"{self._begin}-{self._count}"


JOIN_WITHIN_S = 1.6
"""Longest wait for the thread of a stopped camera; one that hangs in a library is abandoned."""
JOIN_POLL_S = 0.005
"""Interval at which the thread is looked at. Waiting in another thread would need one for each of many cameras that
hang."""

ADJUSTABLE = frozenset({"max_fps", "staleness_ms", "zones", "lines"})
"""Settings that change without a restart of the camera; any other one restarts it, in a new epoch."""

IDS_REMEMBERED = 4096
"""Removed cameras whose last epoch is kept individually."""


class LastEpochs:
    """The last epoch of each camera of the run, so that no epoch is reused. Bounded.

    Of the cameras removed longest ago, only the highest epoch is kept; a new camera then starts above it instead of
    at 1.
    """

    def __init__(self, remembered: int = IDS_REMEMBERED) -> None:
        self._remembered = remembered
        self._last: dict[str, int] = {}
        self._floor = 0

    def of(self, camera: str) -> int:
        """Return the last epoch that this camera can have had; 0 before its first."""
        return max(self._floor, self._last.get(camera, 0))

    def ended(self, camera: str, epoch: int) -> None:
        """Record that the camera ended in this epoch."""
        self._last.pop(camera, None)
        self._last[camera] = epoch
        while len(self._last) > self._remembered:
            self._floor = max(self._floor, self._last.pop(next(iter(self._last))))


class CameraRegistry:
    """Every camera by its id, in the order of addition. Its methods run in the event loop.

    `in_loop(function, *arguments)` calls a function in the event loop from any thread. `on_change` is called when a
    camera has changed its state or was removed. `results_first`: a camera that is started counts as live only when its
    first result is published, so that a fleet does not stop it elsewhere before.
    """

    def __init__(
        self,
        batcher: Batcher,
        publisher: Publisher,
        observer: Observer,
        in_loop: Callable[..., None],
        on_change: Callable[[], None],
        transports: SharedTransports,
        alerts: AlertBook,
        recorder: Recorder | None = None,
        privacy: KnownPrivacy | None = None,
        drawn: DrawnVideos | None = None,
        *,
        results_first: bool = False,
    ) -> None:
        self.configs: dict[str, CameraConfig] = {}
        """Settings of every camera, including disabled ones."""
        self.running: dict[str, Camera] = {}
        """The cameras that are read: all enabled ones."""
        self.epochs = LastEpochs()
        self.ever_live = False
        """Whether any source has delivered a frame."""
        self.changed = False
        """Whether a camera was added, changed or removed after `begin`."""
        self.begun = False
        """Whether the configured cameras have been started."""
        self.privacy = privacy or KnownPrivacy()
        """What is hidden of each camera, and was hidden of removed ones."""
        self._drawn = drawn
        self._results_first = results_first
        self._batcher = batcher
        self._publisher = publisher
        self._observer = observer
        self._in_loop = in_loop
        self._on_change = on_change
        self._transports = transports
        self._alerts = alerts
        self._recorder = recorder
        self._ids: dict[str, tuple[NumberedIds, NumberedIds]] = {}
        """Of the alerts and the actions of each camera, whose numbers do not tell of other cameras."""
        self._disabled: dict[str, CameraStatus] = {}
        self._model: Model | None = None
        self._inference: InferenceThread[Any] | None = None
        self._stopped = False

    def begin(self, model: Model, inference: InferenceThread[Any], cameras: Sequence[CameraConfig]) -> None:
        """Start these cameras, for `model`, which runs in `inference`."""
        self._model, self._inference = model, inference
        for config in cameras:
            self.add(config)
        self.changed = False
        self.begun = True

    def stop_reading(self) -> None:
        """Tell every reader to stop, and start no more cameras. Returns at once."""
        self._stopped = True
        for camera in self.running.values():
            camera.reader.stop()

    # -- changes ------------------------------------------------------------------------------------------------
    def add(self, config: CameraConfig) -> None:
        """Start a camera. Raises ValueError if its id is in use, RuntimeError after `stop_reading`."""
        if self._stopped:
            raise RuntimeError(f"camera {config.id}: the engine has stopped")
        if config.id in self.configs:
            raise ValueError(f"camera {config.id}: the id is in use; remove the camera first")
        self.changed = True
        config = config.at_least(self.privacy.everywhere)
        self._begin(config)
        self.configs[config.id] = config
        self.privacy.add(config)

    async def change(self, config: CameraConfig) -> None:
        """Apply new settings to the camera of this id, if any differ. A camera's changes are made one at a time.

        `ADJUSTABLE` settings apply from the next frame on; any other one restarts the camera, in a new epoch. Raises
        KeyError if there is no such camera, RuntimeError if the engine stops or fails meanwhile.
        """
        config = config.at_least(self.privacy.everywhere)
        different = differences(self.configs[config.id], config)
        if not different:
            return
        self.changed = True
        camera = self.running.get(config.id)
        if camera is not None and different <= ADJUSTABLE:
            self._adjust(camera, config)
        else:
            if camera is not None:
                await self._end(camera)
            self._begin(config)
        self.configs[config.id] = config
        self.privacy.add(config)
        self._on_change()

    async def remove(self, camera_id: str, *, moved: bool = False) -> None:
        """Stop and remove a camera. `moved`: because its fleet has given it to another engine.

        Raises KeyError if there is no such camera, RuntimeError if the engine stops or fails meanwhile.
        """
        status = self.status(camera_id)
        self.changed = True
        camera = self.running.get(camera_id)
        if camera is not None:
            await self._end(camera)
        self._disabled.pop(camera_id, None)
        del self.configs[camera_id]
        self._ids.pop(camera_id, None)
        self.publish_status(replace(status, epoch=self.epochs.of(camera_id)).removed(moved=moved))
        self._publisher.forget(camera_id)
        self._alerts.forget(camera_id)
        self._clear(camera_id)
        self._on_change()

    def _begin(self, config: CameraConfig) -> None:
        if self._stopped:
            raise RuntimeError(f"camera {config.id}: the engine has stopped")
        self._disabled.pop(config.id, None)
        if config.enabled:
            self._start(config)
        else:
            self._list_disabled(config)

    def _start(self, config: CameraConfig) -> None:
        assert self._model is not None
        ring = FrameRing(
            config.id,
            slots=config.ring_slots,
            policy=config.ring_policy,
            on_ready=self._batcher.wake,
            pinned=self._model.pinned_pictures,
            on_finished=partial(self._in_loop, self._frames_over, config.id),
        )
        video = LiveVideo()
        leaving = CameraExit(config, self._drawn)
        recorded = self._recorder.add_camera(config, leaving.video_refusal) if self._recorder is not None else None
        reader = CameraReader(
            config,
            ring,
            self._model.slot_format,
            self._observer,
            partial(self._in_loop, self._take_status, ring),
            first_epoch=self.epochs.of(config.id) + 1,
            make_opener=partial(make_opener, shared=self._transports),
            packets=leaving.packet_sink(
                [video, recorded] if recorded is not None else [video],
                partial(self._demand, config.id, video, recorded is not None),
                video.keyframe_due,
            ),
            mask_for=leaving.mask_for,
            warnings=leaving.warnings,
            # Viewers of drawn video wait for one of its keyframes, and not for the camera's.
            keyframe_wanted=video.keyframe_due if leaving.mode == "off" else lambda now_s: False,
        )
        alert_ids, event_ids = self._ids.setdefault(config.id, (NumberedIds(), NumberedIds("e")))
        rules = CameraRules(config.id, alert_ids.new, event_ids.new)
        camera = Camera(config, ring, reader, reader.status, video, leaving, rules, event_ids.new)
        if self._results_first:
            camera.on_first_result = partial(self._in_loop, self._take_first_result, ring)
        self.running[config.id] = camera
        self._observer.camera_added(config.id)
        self._batcher.add(ring, camera.staleness_ns)
        try:
            reader.start()
        except RuntimeError:  # no thread could be started
            self._batcher.remove(ring)
            ring.close()
            del self.running[config.id]
            self._clear(config.id)
            raise

    def _demand(self, camera_id: str, video: LiveVideo, recorded: bool) -> Demand:
        """Return what drawn video of a camera is needed for. Called in the inference thread."""
        if video.watched or (self._recorder is not None and self._recorder.is_recording(camera_id)):
            return "show"
        return "hold" if recorded else "nothing"

    def _frames_over(self, camera_id: str) -> None:
        """The last frame of a ring is published."""
        camera = self.running.get(camera_id)
        if camera is not None and camera.ring.finished:
            camera.exit.close()
        self._on_change()

    def _list_disabled(self, config: CameraConfig) -> None:
        """List a disabled camera, without reading it."""
        status = self._not_running(config, "disabled", "disabled; set `enabled` to true to start it")
        self._disabled[config.id] = status
        self._clear(config.id)
        self.publish_status(status)

    def _clear(self, camera_id: str) -> None:
        """Drop its metric series and the packets held for recording."""
        self._observer.camera_removed(camera_id)
        if self._recorder is not None:
            self._recorder.remove_camera(camera_id)

    def _adjust(self, camera: Camera, config: CameraConfig) -> None:
        camera.config = config
        camera.reader.limit(config.max_fps)
        self._batcher.set_staleness(camera.ring, camera.staleness_ns)

    async def _end(self, camera: Camera) -> None:
        """Stop a camera. When this returns, none of its frames is being processed."""
        camera_id = camera.config.id
        camera.stopped = True
        camera.reader.stop()
        camera.live_video.close()
        camera.exit.close()
        self._batcher.remove(camera.ring)
        camera.ring.close()
        await _ended(camera.reader, JOIN_WITHIN_S)
        self._transports.publishers.end_camera(camera_id)
        assert self._model is not None and self._inference is not None
        await self._inference.run(self._model.forget, camera_id)
        # The inference thread has finished the last batch with its frames.
        del self.running[camera_id]
        camera.end("camera", self._publisher, self._alerts)
        self.epochs.ended(camera_id, camera.reader.status.epoch)  # newer than camera.status
        self._observer.people_seen(camera_id, 0, 0)
        await asyncio.to_thread(give_back)

    # -- status -------------------------------------------------------------------------------------------------
    def status(self, camera_id: str) -> CameraStatus:
        """Return the camera's latest status. Raises KeyError if there is no such camera."""
        config = self.configs[camera_id]
        camera = self.running.get(camera_id)
        if camera is not None:
            return camera.status
        disabled = self._disabled.get(camera_id)
        return disabled or self._not_running(config, "internal", "could not be started; change or remove it")

    def _not_running(self, config: CameraConfig, reason: str, message: str) -> CameraStatus:
        initial = CameraStatus.initial(config, self.epochs.of(config.id))
        return replace(initial, state="ended", reason=reason, message=f"camera {config.id}: {message}")

    def count_modes(self) -> dict[str, int]:
        """Return the number of cameras in each mode of privacy."""
        modes = [config.privacy_mode for config in self.configs.values()]
        return {mode: modes.count(mode) for mode in MODES}

    @property
    def accepting(self) -> bool:
        """Whether cameras can be started: after `begin`, and until `stop_reading`."""
        return self._model is not None and not self._stopped

    @property
    def finished(self) -> bool:
        """Whether there are cameras, and every source has ended and its last frame is published."""
        cameras = self.running.values()
        return bool(cameras) and all(one.status.state == "ended" and one.ring.finished for one in cameras)

    def publish_status(self, status: CameraStatus) -> None:
        """Publish a camera's status."""
        self._publisher.publish(status.wire("", 0))

    def _take_status(self, ring: FrameRing, status: CameraStatus) -> None:
        camera = self.running.get(status.camera)
        # A reader that was slow to stop may report after another camera has taken its id.
        if camera is None or camera.ring is not ring or camera.stopped or self._stopped:
            return
        self.ever_live = self.ever_live or status.state == "live"
        camera.held = status if status.state == "live" and camera.on_first_result is not None else None
        if camera.held is not None:
            return
        camera.status = status
        if status.state != "live":
            camera.exit.interrupt(status.epoch)
        self._observer.camera_state(status.camera, status.state)
        self.publish_status(status)
        self._on_change()

    def _take_first_result(self, ring: FrameRing) -> None:
        camera = self.running.get(ring.camera)
        if camera is not None and camera.ring is ring and camera.held is not None:
            self._take_status(ring, camera.held)


async def _ended(reader: CameraReader, within_s: float) -> bool:
    """Wait until a reader's thread has ended, and return whether it has."""
    deadline = time.monotonic() + within_s
    while not reader.join(0):
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(JOIN_POLL_S)
    return True


def places_of(cameras: Iterable[CameraConfig]) -> dict[str, Places]:
    """Return the zones, except for ignored ones, and the lines of each camera."""
    return {
        camera.id: Places({name for name, zone in camera.zones.items() if not zone.ignore}, set(camera.lines))
        for camera in cameras
    }


def differences(one: CameraConfig, other: CameraConfig) -> set[str]:
    """Return the settings in which two configurations of a camera differ, secrets in addresses included."""
    names = {name for name in CameraConfig.model_fields if getattr(one, name) != getattr(other, name)}
    return names | ({"source"} if one.source.reveal() != other.source.reveal() else set())
