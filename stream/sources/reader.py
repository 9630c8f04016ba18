"""CameraReader: one camera's thread, which reads its source into its ring.

    connecting → live → stalled → reconnecting → live …; ended

The reader passes access units from the transport to the decoder and frames to the frame writer, reports the camera's
state, and reconnects after every error that may be temporary. It ends when it is stopped, at the end of a file, and
after an error in the configuration.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import unquote

from av.video.codeccontext import VideoCodecContext

from ring_buffers.frame_ring import FrameRing
from stream.results import CameraState
from stream.settings.engine import CameraConfig
from stream.settings.source_address import SourceAddress
from stream.sources.decoding import nvdec
from stream.sources.decoding.clock import CameraClock
from stream.sources.decoding.decoder import Decoded, Decoder
from stream.sources.decoding.frame_writer import FrameWriter, MaskFor, SlotFormatOf
from stream.sources.decoding.picture_limit import PictureLimit, ring_bytes
from stream.sources.decoding.picture_memory import give_back
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.errors import SourceError
from stream.sources.open_transport import MakeOpener, make_opener
from stream.sources.packet_sinks import PacketSink
from stream.sources.status import CameraStatus, stated_privacy
from stream.sources.transport import CodecParameters, Fallback, StoppedError, Transport, TransportOpener
from telemetry.observer import Observer
from telemetry.reasons import DiscardReason, EpochReason

MAX_JITTER = 0.5
"""Largest random reduction of a wait, so that cameras behind one switch do not reconnect all at once."""
MAX_AFTER_REFUSAL_S = 1.0
"""Longest wait after a refusal."""


class Backoff:
    """Waits that double from `initial_s` to `max_s`, with downward jitter."""

    def __init__(self, initial_s: float, max_s: float, rng: random.Random | None = None) -> None:
        self._initial_s = min(initial_s, max_s)
        self._max_s = max_s
        self._rng = rng or random.Random()
        self._next_s = self._initial_s

    def next_s(self, *, refused: bool = False) -> float:
        """Return the next wait in seconds.

        `refused`: the host answered that no process listens. Another attempt costs one packet, so the wait is at most
        `MAX_AFTER_REFUSAL_S`; later waits double as usual.
        """
        longest = min(self._next_s, MAX_AFTER_REFUSAL_S) if refused else self._next_s
        wait_s = longest * (1 - MAX_JITTER * self._rng.random())
        self._next_s = min(self._max_s, self._next_s * 2)
        return wait_s

    def reset(self) -> None:
        """Begin with short waits again, after a good connection."""
        self._next_s = self._initial_s


StatusSink = Callable[[CameraStatus], None]

logger = logging.getLogger(__name__)

NO_RECOVERY_AFTER_S = 10.0
"""Longest wait for a complete picture after a loss, while units arrive, if the stall timeout is not longer."""
STABLE_AFTER_S = 5.0
"""After a connection that was live for this long, the back-off begins with short waits again."""


class CameraReader:
    """Reads one camera. `on_status` is called in its thread at every change of state, epoch or clock.

    `first_epoch` continues the count of an earlier camera with the same id in this run. `packets` also gets the access
    units. `keyframe_wanted(now)` (monotonic s) returns whether the sender is to be asked for a keyframe. `mask_for`
    returns the mask for a format, which is applied to every picture. `warnings` are stated while it is live. `now_ns`
    is the monotonic clock.
    """

    def __init__(
        self,
        config: CameraConfig,
        ring: FrameRing,
        slot_format: SlotFormatOf,
        observer: Observer,
        on_status: StatusSink,
        *,
        first_epoch: int = 1,
        packets: PacketSink | None = None,
        keyframe_wanted: Callable[[float], bool] = lambda now_s: False,
        mask_for: MaskFor | None = None,
        warnings: Sequence[str] = (),
        make_opener: MakeOpener = make_opener,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.status = CameraStatus.initial(config, first_epoch - 1)
        """The latest status."""
        self.ever_live = False
        """Whether the camera ever gave a frame."""
        self._config = config
        self._ring = ring
        self._observer = observer
        self._on_status = on_status
        self._make_opener = make_opener
        self._now_ns = now_ns
        self._packets = packets
        self._keyframe_wanted = keyframe_wanted
        self._stopping = threading.Event()
        self._backoff = Backoff(config.reconnect_initial_s, config.reconnect_max_s)
        self._live_since_ns: int | None = None
        self._limit: PictureLimit | None = None
        self._slot_format = slot_format
        self._reported: tuple[object, ...] = ()
        self._traits = traits = config.source.traits
        self._wants_nvdec = config.decoder == "nvdec" and traits.nvdec
        self._warnings = tuple(warnings)
        self._live_message = "; ".join(["live", *warnings])
        for warning in warnings:
            logger.warning("camera %s: %s", config.id, warning)
        self._waits_for_publisher = config.source.kind == "whip"
        live = traits.live or (not traits.finite and config.pace != "fast")
        self._frames = FrameWriter(
            config.id,
            ring,
            slot_format,
            CameraClock(live=live, paced=config.pace != "fast"),
            detector_size=config.detector_size,
            max_fps=config.max_fps,
            first_epoch=first_epoch,
            stopping=self._stopping.is_set,
            on_stamp=packets.shown if packets is not None else None,
            mask_for=mask_for,
        )
        self._thread = threading.Thread(target=self._run, name=f"camera-{config.id}", daemon=True)

    def start(self) -> None:
        """Start the camera's thread, which connects."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; returns at once."""
        self._stopping.set()

    def limit(self, max_fps: float | None) -> None:
        """Change the maximum frame rate."""
        self._frames.limit(max_fps)

    def begin_epoch(self) -> None:
        """Begin a new epoch with the next picture: the camera has moved to this engine again."""
        self._frames.request_epoch(EpochReason.MOVED)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, and return whether it has ended. It ends within 2 s of `stop`."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # -- the camera's thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._set_status("connecting", None, "connecting")
        while True:
            error = self._connect_and_read()
            self._give_memory_back()
            if self._stopping.is_set() or error is None:
                return self._end(None, "stopped")
            if self._traits.finite and error.reason == "ended":
                if self._config.pace != "loop":
                    return self._end(None, "the file has ended")
                self._mark_interrupted()
            elif (self._traits.finite and error.reason != "busy") or error.permanent:
                return self._end(error.reason, str(error))
            elif not self._wait_before_connecting(error):
                return self._end(None, "stopped")

    def _connect_and_read(self) -> SourceError | None:
        """Read one connection to its end, and return what ended it; None after `stop`."""
        self._live_since_ns = None
        opener: TransportOpener | None = None
        try:
            opener = self._make_opener(self._config, self._stopping, self._count_discarded)
            waiting_for = opener.diagnosis.waiting_for()
            if waiting_for is not None:
                state: CameraState = "reconnecting" if self.ever_live else "connecting"
                self._set_status(state, waiting_for.reason, str(waiting_for))
            self._read(opener)
        except StoppedError:
            return None
        except SourceError as error:
            # Its frames would keep the decoder, and so its pictures, until the next connection.
            error.__context__ = None
            return error.with_traceback(None)
        except Exception:
            return self._internal_error(traceback.format_exc())
        finally:
            if opener is not None:
                opener.close()
        return None

    def _read(self, opener: TransportOpener) -> None:
        began_ns = self._now_ns()
        transport = opener.open()
        codec = transport.codec
        if self._waits_for_publisher or transport.fallback is not None:  # opening it may have taken long
            began_ns = self._now_ns()
        self._report_fallbacks(transport.fallback, codec)
        limit = self._limit = PictureLimit(self._config, self._bytes_of_ring)
        decoder = Decoder(codec, partial(self._on_discarded, transport), limit)
        self._frames.request_epoch(EpochReason.CONNECTED)
        packets = self._packets
        if packets is not None:
            packets.begin(CodecParameters.of(codec))
        last_ns = arrived_ns = 0
        while not self._stopping.is_set():
            try:
                unit = transport.read()
            except SourceError as error:
                if error.reason != "ended":
                    raise
                self._write(decoder.flush())
                if self._traits.finite and self._live_since_ns is None:
                    raise transport.diagnosis.no_video() from None
                raise
            if packets is not None and unit is not None:
                packets.add(unit)
            if self._keyframe_wanted(self._now_ns() / 1e9):
                transport.request_keyframe()
            if unit is not None:
                arrived_ns = unit.times.arrival_ns
                pictures = decoder.decode(unit)
                self._write(pictures)
                if pictures:
                    last_ns = arrived_ns
            if self._traits.live:
                awaited_ns = arrived_ns if decoder.recovering else last_ns
                self._check_silence(transport.diagnosis, self._now_ns(), began_ns, last_ns, awaited_ns)

    def _bytes_of_ring(self, size: tuple[int, int]) -> int:
        """Return the memory that the ring needs for pictures of this size, beyond what it has."""
        return ring_bytes(self._slot_format(size, self._config.detector_size), self._ring.slots, self._ring.nbytes)

    def _give_memory_back(self) -> None:
        """Give back what the decoder needed, once it is gone."""
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.settled()
            give_back()

    def _report_fallbacks(self, transport_fallback: Fallback | None, codec: VideoCodecContext) -> None:
        """Report what is used in place of what the configuration asks for."""
        decoding = nvdec.fallback(self._config.decoder, codec.is_hwaccel) if self._wants_nvdec else None
        fallbacks = [transport_fallback] if transport_fallback is not None else []
        if decoding is not None:
            fallbacks.append(Fallback(decoding, f"decoded in software: {nvdec.MEANINGS[decoding]}"))
        before = self._live_message
        self._live_message = "; ".join(["live", *self._warnings, *(fallback.meaning for fallback in fallbacks)])
        for fallback in fallbacks:
            self._observer.transport_fallback(self._config.id, fallback.reason)
        if fallbacks and self._live_message != before:
            logger.warning("camera %s: %s", self._config.id, "; ".join(each.meaning for each in fallbacks))

    def _write(self, pictures: list[Decoded]) -> None:
        for picture in pictures:
            if self._frames.write(picture):
                self._set_live()

    def _check_silence(
        self, diagnosis: ErrorDiagnosis, now_ns: int, began_ns: int, last_ns: int, awaited_ns: int
    ) -> None:
        """Raise if there has been no frame for too long. `awaited_ns`: when a unit arrived that may lead to one."""
        stall_s = self._config.stall_timeout_s
        if self._live_since_ns is None:
            if now_ns - began_ns >= self._config.start_timeout_s * 1e9:
                raise diagnosis.no_picture_in_time()
        elif now_ns - awaited_ns >= stall_s * 1e9:
            raise diagnosis.stalled()
        elif now_ns - last_ns >= max(stall_s, NO_RECOVERY_AFTER_S) * 1e9:
            raise diagnosis.no_recovery(max(stall_s, NO_RECOVERY_AFTER_S))

    def _wait_before_connecting(self, error: SourceError) -> bool:
        """Wait, and return False if the camera was told to stop."""
        self._mark_interrupted()
        if self._live_since_ns is not None and self._now_ns() - self._live_since_ns >= STABLE_AFTER_S * 1e9:
            self._backoff.reset()
        state: CameraState = "reconnecting" if self.ever_live else "connecting"
        self._set_status("stalled" if error.reason == "stalled" else state, error.reason, str(error))
        # Publishers connect to partstream, so there is no back-off.
        refused = error.reason == "refused"
        if self._stopping.wait(0 if self._waits_for_publisher else self._backoff.next_s(refused=refused)):
            return False
        self._observer.reconnecting(self._config.id, error.reason)
        self._set_status(state, error.reason, str(error))
        return True

    def _mark_interrupted(self) -> None:
        """End a clip that is being recorded. Not called at the camera's end, so that no clip says `epoch` there."""
        if self._packets is not None:
            self._packets.disconnected()

    # -- status -------------------------------------------------------------------------------------------------

    def _set_live(self) -> None:
        """Set the status after a frame that began an epoch or changed the clock."""
        if self._live_since_ns is None:
            self._live_since_ns = self._now_ns()
        self.ever_live = True
        frames = self._frames
        if frames.clock is not None:
            self._observer.clock_source(self._config.id, frames.clock)
        if frames.epoch != self.status.epoch and frames.epoch_reason is not None:
            self._observer.epoch_began(self._config.id, frames.epoch_reason)
            if frames.epoch_cause:
                fields = {"camera": self._config.id, "reason": frames.epoch_reason}
                logger.warning(
                    "camera %s: %s: epoch %d begins", self._config.id, frames.epoch_cause, frames.epoch, extra=fields
                )
        self._set_status("live", None, self._live_message)

    def _on_discarded(self, transport: Transport, reason: DiscardReason) -> None:
        if reason != DiscardReason.AWAITING_KEYFRAME:  # after these, a keyframe is awaited already
            transport.report_undecodable()
        self._count_discarded(reason)

    def _count_discarded(self, reason: str) -> None:
        self._observer.unit_discarded(self._config.id, reason)

    def _end(self, reason: str | None, message: str) -> None:
        # Before the status, so that a watcher of the status finds the rings finished.
        self._ring.finish()
        if self._packets is not None:
            self._packets.close()
        self._set_status("ended", reason, message)

    def _set_status(self, state: CameraState, reason: str | None, message: str) -> None:
        frames = self._frames
        reported = (state, reason, message, frames.epoch, frames.clock, frames.size)
        if reported == self._reported:
            return
        before, self._reported = self._reported, reported
        fields = {"camera": self._config.id, "state": state, "reason": reason}
        if state == "live" and before[:4] == reported[:4] and frames.clock != before[4]:
            logger.info("camera %s: the clock is now %s", self._config.id, frames.clock, extra=fields)
        elif state == "live":
            place = (self._config.id, message, frames.epoch, frames.clock)
            logger.info("camera %s: %s (epoch %d, clock %s)", *place, extra=fields)
        elif reason is None:
            logger.info("camera %s: %s", self._config.id, message, extra=fields)
        else:
            logger.warning("%s (%s, %s)", message, state, reason, extra=fields)
        self.status = CameraStatus(
            self._config.id,
            state,
            reason,
            message,
            frames.epoch,
            frames.clock,
            frames.size,
            time.time_ns() // 1000,
            str(self._config.source),
            stated_privacy(self._config),
            frames.epoch_reason,
        )
        try:
            self._on_status(self.status)
        except Exception:
            # An error in the callback must not stop the camera.
            logger.exception("camera %s: its status could not be reported", self._config.id)

    def _internal_error(self, trace: str) -> SourceError:
        """Log an internal error with its traceback, without the address's secrets."""
        for secret, shown in secrets_of(self._config.source):
            trace = trace.replace(secret, shown)
        logger.error("camera %s: a bug in partstream\n%s", self._config.id, trace)
        return SourceError(
            "internal_error",
            self._config.id,
            "a bug in partstream while reading it",
            "Please report it, with the log's traceback",
        )


def secrets_of(source: SourceAddress) -> list[tuple[str, str]]:
    """Return the secrets in an address, the longest first, each with its replacement."""
    address = source.reveal()
    found = [(address, str(source))] if address != str(source) else []
    login = address.partition("://")[2].partition("/")[0].rpartition("@")[0]
    password = login.partition(":")[2]
    found += [(secret, "…") for secret in (login, password, unquote(password)) if secret]
    return found
