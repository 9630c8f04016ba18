"""Records clips around selected events and alerts of all recorded cameras.

A writer thread runs from `start` to `stop`. The engine only keeps packets in rings and passes on published messages, so
that a slow, full or missing disk delays the writer alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from ring_buffers.doorbell import Doorbell
from stream.messaging.publisher import Publisher
from stream.recording.camera_recording import CameraRecording, ClipCounts
from stream.recording.clips import Clip
from stream.recording.library import ClipLibrary
from stream.recording.packets import PacketRing
from stream.recording.planning import ClipRules
from stream.results import Alert, ClipReady, Event, Frame, Message
from stream.settings.config_error import ConfigError
from stream.settings.engine import CameraConfig
from stream.settings.recording import LATE_S, RecordingConfig

logger = logging.getLogger(__name__)

OPEN_WITHIN_S = 5.0
"""A disk that takes longer does not delay the start of the engine."""

TICK_S = 0.2
"""Interval of the writer while there is a clip to write."""

IDLE_S = 30.0
"""Interval of the check of the disk while there is none."""


class Recorder:
    """Records clips into `directory`, and publishes a message about each that is complete. Thread-safe."""

    def __init__(self, config: RecordingConfig, directory: Path, publisher: Publisher) -> None:
        self.library = ClipLibrary(directory, int(config.budget), int(config.least_free), self._deleted)
        self._config = config
        self._publisher = publisher
        self._last: dict[str, ClipReady] = {}
        """Of each recorded camera, the message about its latest clip."""
        self._rules = ClipRules(
            config.actions,
            round(config.seconds_before * 1e6),
            round(config.seconds_after * 1e6),
            round(config.max_clip_s * 1e6),
            config.alerts,
        )
        # Replaced and never changed, because other threads iterate over them.
        self._cameras: Mapping[str, CameraRecording] = {}
        self._finishing: tuple[CameraRecording, ...] = ()
        self._counts: dict[str, ClipCounts] = {}
        self._changing = threading.Lock()
        self._bell = Doorbell()
        self._stopping = False
        self._thread = threading.Thread(target=self._write, name="clips", daemon=True)

    def start(self) -> None:
        """Start the writer thread. Blocks until it has the directory, unless the disk is slow.

        Raises `ConfigError` if another engine uses the directory.
        """
        self._thread.start()
        if self.library.opened.wait(OPEN_WITHIN_S) and self.library.in_use:
            raise ConfigError(
                f"recording.directory: {self.library.directory} is in use by another engine ({self.library.in_use}): "
                "set another directory"
            )

    def stop(self, within_s: float) -> None:
        """Finish open clips within `within_s`; otherwise they are lost, and a warning is logged."""
        self._stopping = True
        self._bell.ring()
        if self._thread.ident is not None:
            self._thread.join(within_s)
        if self._thread.is_alive():
            logger.warning("open clips are lost: writing them took too long")

    # -- cameras ------------------------------------------------------------------------------------------------
    def add_camera(self, camera: CameraConfig, refusal: str | None = None) -> PacketRing | None:
        """Return the ring for the packets of a camera that starts now, or None if it is not recorded.

        With a `refusal`, which says why, each of its clips fails for privacy: its packets must not reach the ring.
        """
        packets = self._new_packets(camera)
        with self._changing:
            self._retire(camera.id)
            if packets is not None:
                counts = self._counts.setdefault(camera.id, ClipCounts())
                hidden = camera.privacy_mode
                recording = CameraRecording(
                    camera.id,
                    self._publisher.run,
                    self._rules,
                    packets,
                    self.library,
                    counts,
                    self._kept,
                    refusal,
                    None if hidden == "off" else hidden,
                )
                self._cameras = {**self._cameras, camera.id: recording}
        self._bell.ring()
        return packets

    def _new_packets(self, camera: CameraConfig) -> PacketRing | None:
        config = self._config
        if config.cameras and camera.id not in config.cameras:
            return None
        if camera.ring_policy == "every":
            logger.info("camera %s: not recorded, because it is read faster than real time", camera.id)
            return None
        return PacketRing(config.seconds_before + LATE_S, config.packet_seconds, int(config.packet_bytes))

    def remove_camera(self, camera_id: str) -> None:
        """Finish an open clip of a removed camera, and forget the camera."""
        with self._changing:
            self._retire(camera_id)
            self._counts.pop(camera_id, None)
        self._bell.ring()

    def _retire(self, camera_id: str) -> None:
        """Hand the camera's present recording to the writer, to be finished. The caller must wake the writer."""
        retired = self._cameras.get(camera_id)
        if retired is None:
            return
        retired.packets.close()
        self._cameras = {name: one for name, one in self._cameras.items() if name != camera_id}
        self._finishing = (*self._finishing, retired)

    # -- published messages -------------------------------------------------------------------------------------
    def take(self, topic: str, message: Message) -> None:
        """Take a published message. Called in the publishing thread, in order."""
        if isinstance(message, Frame):
            recording = self._cameras.get(message.camera)
            if recording is not None:
                recording.take_frame(message)
        elif isinstance(message, (Event, Alert)):
            recording = self._cameras.get(message.camera)
            if recording is not None and recording.take_event(message):
                self._bell.ring()

    # -- state --------------------------------------------------------------------------------------------------
    @property
    def cameras(self) -> Mapping[str, CameraRecording]:
        """The recorded cameras."""
        return self._cameras

    def is_recording(self, camera_id: str) -> bool:
        """Return whether a clip of the camera is being recorded, or waits for its end."""
        recording = self._cameras.get(camera_id)
        return recording is not None and not recording.idle

    # -- the writer thread --------------------------------------------------------------------------------------
    def _write(self) -> None:
        try:
            self.library.open()
            while not self._stopping:
                rang = self._bell.wait(IDLE_S if self._idle else TICK_S)
                if not rang and self._idle:
                    self.library.condition.has_room()
                self._advance()
            self._advance(stopping=True)
        except BaseException:
            # Nothing else is affected, but the error must be visible.
            logger.critical("internal error: recording has stopped", exc_info=True)
            why = "internal error, see the log: no clips are written until a restart"
            self.library.condition.set("unwritable", why)
        finally:
            self.library.close()

    def _kept(self, clip: Clip, size: int) -> None:
        """Publish that a clip is complete."""
        message = ClipReady(
            run="",
            seq=0,
            camera=clip.camera,
            epoch=clip.epoch,
            clip=clip.name,
            start_us=clip.start_us,
            end_us=clip.end_us,
            start_media_time_us=clip.start_media_time_us,
            end_media_time_us=clip.end_media_time_us,
            ended=clip.ended,
            bytes=size,
            events=[event.event for event in clip.events if event.event],
            alerts=[alert.alert for alert in clip.alerts],
        )
        try:
            self._publisher.publish(message)
        except RuntimeError:
            logger.warning("clip %s was complete too late to be published", clip.name)
            return
        self._last[clip.camera] = message
        if clip.camera not in self._cameras:  # new subscribers hear nothing of a camera that was removed
            self._withdraw(message)

    def _deleted(self, name: str) -> None:
        for message in list(self._last.values()):
            if message.clip == name:
                self._withdraw(message)

    def _withdraw(self, message: ClipReady) -> None:
        """Send this message to no new subscriber."""
        del self._last[message.camera]
        self._publisher.withdraw(message)

    @property
    def _idle(self) -> bool:
        return not self._finishing and all(one.idle for one in self._cameras.values())

    def _advance(self, *, stopping: bool = False) -> None:
        for recording in (*self._finishing, *self._cameras.values()):
            recording.advance(stopping=stopping)
        with self._changing:
            self._finishing = tuple(one for one in self._finishing if not one.idle)
