"""FrameRing: the decoded frames of one camera, preallocated, between its decoding thread and the inference thread.

A slot is free, being written, ready, or leased. One writer (the camera's thread), one reader (the engine). Nothing is
allocated for a frame: a picture is written into a slot's own memory and read there under a lease.

Policy `latest` (live cameras): a full ring overwrites the oldest *ready* slot, never a leased one; with every slot
leased the new picture is dropped. Policy `every` (files): the writer waits. Every frame is accounted for, at every
instant: decoded = processed + dropped, by reason + ready + leased.

The ring lives as long as its camera. `close` ends it: whoever waits is woken, what is ready is dropped (`shutdown`),
and leases that are out stay valid until they are released.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from ring_buffers.frames import FrameMeta, Lease, Policy, RingCounts, SlotFormat, WriteSlot
from telemetry.reasons import DropReason


class RingMisuseError(RuntimeError):
    """A caller broke the ring's protocol (released twice, wrote without a slot, …): a fault in the code."""


class FrameRing:
    """The ring of one camera. Thread-safe for one writer thread and one reader thread; `close` may come from any.

    The lock is held for microseconds (longer once, for a slot that was lent while its epoch ended and needs memory of
    another shape) and never while a callback runs. `on_ready` is called after a frame became ready and when the writer
    has finished, the ring was closed, or the last lease of a finished ring came back; `on_finished` when the ring has
    become `finished`, perhaps more than once. Both run in the thread that caused it. `pinned` asks for page-locked
    memory, for copies to a CUDA device that don't block.
    """

    def __init__(
        self,
        camera: str,
        slots: int = 8,
        policy: Policy = "latest",
        on_ready: Callable[[], None] | None = None,
        pinned: bool = False,
        on_finished: Callable[[], None] | None = None,
    ) -> None:
        if slots < 1:
            raise ValueError(f"camera {camera}: a frame ring needs at least one slot, not {slots}")
        if pinned and not _cuda_is_available():
            raise ValueError(f"camera {camera}: page-locked memory needs a CUDA device, and none is available")
        self.camera = camera
        self.slots = slots
        self.policy: Policy = policy
        self._on_ready = on_ready or _ignore
        self._on_finished = on_finished or _ignore
        self._pinned = pinned
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        # Written by the writer only, at times when the slot is its own.
        self._memory: list[np.ndarray | None] = [None] * slots
        self._formats: list[SlotFormat | None] = [None] * slots
        self._format: SlotFormat | None = None
        self._epoch = 0
        # Guarded by the lock.
        self._free: deque[int] = deque(range(slots))
        self._ready: deque[tuple[int, FrameMeta]] = deque()
        self._writing: WriteSlot | None = None
        self._leases: dict[int, Lease] = {}
        self._decoded = 0
        self._decoded_before_epoch = 0
        self._processed = 0
        self._dropped: dict[DropReason, int] = {}
        self._writer_finished = False
        self._closed = False

    # -- writer side ----------------------------------------------------------------------------------------------

    def begin_epoch(self, epoch: int, format: SlotFormat) -> None:
        """Pictures from now on belong to `epoch` (greater than the one before) and have this format. Never blocks.

        Ready frames of the old epoch are dropped (`epoch_ended`) under `latest`; under `every` they stay, in order
        and with their own pictures. A write that was left open is abandoned. A slot's memory is allocated anew only
        if its shape changes, and blackened if only the format does; a leased slot keeps its old picture until it is
        released and written again, so the ring never holds more than `slots` pictures.
        """
        with self._lock:
            if self._closed:
                return
            if self._writer_finished:
                raise RingMisuseError(f"camera {self.camera}: an epoch began after the writer had finished")
            if epoch <= self._epoch:
                raise ValueError(f"camera {self.camera}: epoch {epoch} after {self._epoch}: epochs only ever grow")
            self._discard_open_write()
            if self.policy == "latest":
                self._drop_ready(DropReason.EPOCH_ENDED)
            self._epoch = epoch
            self._format = format
            self._decoded_before_epoch = self._decoded
            free = list(self._free)
        # Only the writer takes slots out of the free list, so these stay ours without the lock.
        for slot in free:
            self._prepare(slot, format)

    def acquire(self, timeout_s: float = 0.0) -> WriteSlot | None:
        """A slot to write one decoded picture into, or None.

        `latest`: never waits. A free slot, else the oldest ready one (its frame counts as `overwritten`), else None:
        then the new frame has been counted as decoded and dropped (`all_leased`); go on to the next.
        `every`: waits up to `timeout_s` for a free slot. None after that counts nothing: call again, the frame is
        still the caller's. After `close`: None, and the frame has been counted as dropped (`shutdown`): stop writing.
        """
        with self._lock:
            format = self._format
            if format is None and not self._closed:
                raise RingMisuseError(f"camera {self.camera}: a picture came before the first epoch began")
            if self._writer_finished:
                raise RingMisuseError(f"camera {self.camera}: a picture came after the writer had finished")
            if self._writing is not None:
                raise RingMisuseError(f"camera {self.camera}: the last picture was neither committed nor abandoned")
            if self.policy == "every" and timeout_s > 0 and not self._free and not self._closed:
                self._changed.wait_for(lambda: self._free or self._closed, timeout_s)
            if self._closed:
                refused = DropReason.SHUTDOWN
            elif self._free:
                return self._take(self._free.popleft())
            elif self.policy == "every":
                return None
            elif self._ready:
                slot, _ = self._ready.popleft()
                self._count_drop(DropReason.OVERWRITTEN)
                return self._take(slot)
            else:
                refused = DropReason.ALL_LEASED
            self._decoded += 1
            self._count_drop(refused)
        return None

    def commit(self, slot: WriteSlot, meta: FrameMeta) -> None:
        """The slot is filled: its frame is ready. Counts it as decoded. `meta` must be of the current epoch.

        If the ring was closed meanwhile the frame is dropped (`shutdown`).
        """
        with self._lock:
            self._end_write(slot)
            if meta.camera != self.camera or meta.epoch != self._epoch:
                self._free.append(slot.slot)
                raise RingMisuseError(
                    f"camera {self.camera}, epoch {self._epoch}: frame is of {meta.camera}, epoch {meta.epoch}"
                )
            self._decoded += 1
            if self._closed:
                self._free.append(slot.slot)
                self._count_drop(DropReason.SHUTDOWN)
                return
            self._ready.append((slot.slot, meta))
        self._on_ready()

    def abandon(self, slot: WriteSlot, reason: DropReason | None = None) -> None:
        """The picture wasn't written. With a `reason` it counts as decoded and dropped, with None as never decoded."""
        with self._lock:
            self._end_write(slot)
            self._free.append(slot.slot)
            if reason is not None:
                self._decoded += 1
                self._count_drop(reason)

    def drop_decoded(self, reason: DropReason) -> None:
        """A frame was decoded and is not wanted (`rate_limited`, …): counts it as decoded and dropped."""
        with self._lock:
            self._decoded += 1
            self._count_drop(reason)

    @property
    def frames_in_epoch(self) -> int:
        """Frames decoded in this epoch so far, dropped ones too: the number (`FrameMeta.frame`) of the next one."""
        return self._decoded - self._decoded_before_epoch

    def finish(self) -> None:
        """The stream is over: no further picture will come. An event, seen by the reader once it has taken the rest."""
        with self._lock:
            if self._writer_finished:
                return
            self._writer_finished = True
            self._discard_open_write()
            finished = self._is_finished()
        self._on_ready()
        if finished:
            self._on_finished()

    # -- reader side ----------------------------------------------------------------------------------------------

    def peek(self) -> FrameMeta | None:
        """What the oldest ready frame is; None if none is ready."""
        if not self._ready:
            return None
        try:
            return self._ready[0][1]
        except IndexError:
            return None  # the writer has overwritten it since the look

    def lease(self, epoch: int | None = None) -> Lease | None:
        """Take the oldest ready frame (with `epoch`: only if it is of that epoch); None if there is none."""
        with self._lock:
            if not self._ready or (epoch is not None and self._ready[0][1].epoch != epoch):
                return None
            slot, meta = self._ready.popleft()
            picture = self._memory[slot]
            assert picture is not None
            lease = Lease(meta, picture, slot)
            self._leases[slot] = lease
        return lease

    def release(self, lease: Lease, dropped: DropReason | None = None) -> None:
        """Give a lease back, once. Its frame counts as processed, or with a reason as dropped.

        Raises `RingMisuseError` for a lease of another ring and for one that was released before.
        """
        with self._lock:
            if self._leases.get(lease.slot) is not lease:
                raise RingMisuseError(
                    f"camera {self.camera}: frame {lease.meta.frame} of {lease.meta.camera}, epoch {lease.meta.epoch}, "
                    "isn't leased from this ring (released twice, or another ring's)"
                )
            del self._leases[lease.slot]
            self._free.append(lease.slot)
            if dropped is None:
                self._processed += 1
            else:
                self._count_drop(dropped)
            self._changed.notify()
            finished = self._is_finished()
        if finished:
            self._on_ready()
            self._on_finished()

    def drop_stale(self, now_ns: int, budget_ns: int) -> int:
        """Drop (`stale`) the ready frames that arrived more than `budget_ns` before `now_ns`; never under `every`."""
        return self._drop_while(lambda dropped: now_ns - self._ready[0][1].arrival_ns > budget_ns)

    def drop_oldest(self, count: int) -> int:
        """Drop (`stale`) up to `count` ready frames, oldest first, for newer ones; never under `every`."""
        return self._drop_while(lambda dropped: dropped < count)

    def _drop_while(self, more: Callable[[int], bool]) -> int:
        if self.policy == "every":
            return 0
        dropped = 0
        with self._lock:
            while self._ready and more(dropped):
                self._free.append(self._ready.popleft()[0])
                dropped += 1
            if dropped:
                self._count_drop(DropReason.STALE, dropped)
            finished = dropped > 0 and self._is_finished()
        if finished:
            self._on_finished()
        return dropped

    # -- both -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """No more frames in or out: drops what is ready (`shutdown`), wakes whoever waits. May be called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._drop_ready(DropReason.SHUTDOWN)
            self._changed.notify_all()
            finished = self._is_finished()
        self._on_ready()
        if finished:
            self._on_finished()

    def counts(self) -> RingCounts:
        """Every frame of the ring's life, accounted for."""
        with self._lock:
            return RingCounts(self._decoded, self._processed, dict(self._dropped), len(self._ready), len(self._leases))

    @property
    def decoded(self) -> int:
        """Frames decoded in the ring's life."""
        return self._decoded

    @property
    def processed(self) -> int:
        """Frames released as processed."""
        return self._processed

    @property
    def dropped(self) -> dict[DropReason, int]:
        """Frames dropped, by reason."""
        with self._lock:
            return dict(self._dropped)

    @property
    def ready(self) -> int:
        """Frames that the reader can take now."""
        return len(self._ready)

    @property
    def leased(self) -> int:
        """Frames that the reader holds."""
        return len(self._leases)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def writer_finished(self) -> bool:
        """No further frame will become ready (`finish` or `close` was called)."""
        return self._writer_finished or self._closed

    @property
    def finished(self) -> bool:
        """The writer has finished and nothing is ready or leased: the ring has done its work."""
        with self._lock:
            return self._is_finished()

    @property
    def nbytes(self) -> int:
        """Memory that the pictures take, bytes; 0 before the first epoch."""
        return sum(picture.nbytes for picture in self._memory if picture is not None)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _take(self, slot: int) -> WriteSlot:
        format = self._format
        assert format is not None
        # A slot that was leased when the epoch began still has the old epoch's memory: give it the new one's.
        picture = self._memory[slot] if self._formats[slot] is format else self._prepare(slot, format)
        assert picture is not None
        self._writing = WriteSlot(picture, slot)
        return self._writing

    def _prepare(self, slot: int, format: SlotFormat) -> np.ndarray:
        """The slot's memory for this format, black where it changed: writers fill only the picture's own part."""
        picture = self._memory[slot]
        if picture is None or picture.shape != format.shape:
            picture = self._allocate(format.shape)
            self._memory[slot] = picture
        elif self._formats[slot] != format:
            picture.fill(0)
        self._formats[slot] = format
        return picture

    def _allocate(self, shape: tuple[int, ...]) -> np.ndarray:
        if not self._pinned:
            return np.zeros(shape, np.uint8)
        import torch

        # The array keeps the tensor, and with it the page-locked memory, alive.
        return torch.zeros(shape, dtype=torch.uint8, pin_memory=True).numpy()

    def _end_write(self, slot: WriteSlot) -> None:
        if self._writing is not slot:
            raise RingMisuseError(
                f"camera {self.camera}: slot {slot.slot} isn't being written (ended twice, or an old one)"
            )
        self._writing = None

    def _discard_open_write(self) -> None:
        if self._writing is not None:
            self._free.append(self._writing.slot)
            self._writing = None

    def _drop_ready(self, reason: DropReason) -> None:
        if self._ready:
            self._free.extend(slot for slot, _ in self._ready)
            self._count_drop(reason, len(self._ready))
            self._ready.clear()

    def _count_drop(self, reason: DropReason, count: int = 1) -> None:
        self._dropped[reason] = self._dropped.get(reason, 0) + count

    def _is_finished(self) -> bool:
        return (self._writer_finished or self._closed) and not self._ready and not self._leases


def _ignore() -> None:
    pass


def _cuda_is_available() -> bool:
    import torch  # only where CUDA is asked for: a ring without it needs no torch

    return torch.cuda.is_available()
