"""The decoded frames of one camera, in preallocated slots between its decoding thread and the inference thread.

A slot is free, being written, ready, or leased. There is one writer (the camera's thread) and one reader (the engine).
No memory is allocated per frame: a picture is written into a slot's own memory and read there under a lease.

Policy `latest` (live cameras): a full ring overwrites the oldest *ready* slot, never a leased one; if every slot is
leased, the new frame is dropped. Policy `every` (files): the writer waits. Every frame is accounted for at all times:
decoded = processed + sum of dropped + ready + leased.

The ring lives as long as its camera. `close` ends it: waiting threads wake, ready frames are dropped (`shutdown`), and
leases stay valid until they are released.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sized

import numpy as np

from ring_buffers.frames import FrameMeta, Lease, RingCounts, SlotFormat, WriteSlot
from ring_buffers.policy import Policy
from telemetry.reasons import DropReason


class FrameRing:
    """The ring of one camera. Thread-safe for one writer thread and one reader thread; any thread may call `close`.

    The lock is held for microseconds, and never while a callback runs. (Once it is held longer: for a slot that was
    leased when its epoch ended and needs memory of another shape.) `on_ready` is called when a frame has become ready,
    the writer has finished, the ring was closed, or the last lease of a finished ring was released. `on_finished` is
    called when the ring has become `finished`, possibly more than once. Both run in the thread that caused them.
    `pinned` allocates page-locked memory, for asynchronous copies to a CUDA device.
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
        self.camera = camera
        self.slots = slots
        self.policy: Policy = policy
        self._on_ready = on_ready or _ignore
        self._on_finished = on_finished or _ignore
        self._pinned = pinned
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        # Changed by the writer only, while it holds the slot.
        self._memory: list[np.ndarray | None] = [None] * slots
        self._formats: list[SlotFormat | None] = [None] * slots
        self._format: SlotFormat | None = None
        self._epoch = 0
        # Guarded by the lock.
        self._free: deque[int] = deque(range(slots))
        self._ready: deque[tuple[int, FrameMeta]] = deque()
        self.waiting: Sized = self._ready
        """Frames that the reader can take, counted by `ready`. To look at it costs no call of a function."""
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
        """Start `epoch`, greater than the one before: later frames belong to it and have this format. Never blocks.

        Under `latest`, ready frames of the old epoch are dropped (`epoch_ended`); under `every` they stay, in order,
        with their own pictures. An open write is abandoned. A slot's memory is reallocated only if its shape changes,
        and blackened if only the format does. A leased slot keeps its old picture until it is released and written
        again, so the ring never holds more than `slots` pictures.
        """
        with self._lock:
            if self._closed:
                return
            assert epoch > self._epoch and not self._writer_finished, f"camera {self.camera}: epoch {epoch}"
            self._discard_open_write()
            if self.policy == "latest":
                self._drop_ready(DropReason.EPOCH_ENDED)
            self._epoch = epoch
            self._format = format
            self._decoded_before_epoch = self._decoded
            free = list(self._free)
        # Only the writer takes slots from the free list, so these stay free without the lock.
        for slot in free:
            self._prepare(slot, format)
        if self.finished:  # it was closed meanwhile
            self._end()

    def acquire(self, timeout_s: float = 0.0) -> WriteSlot | None:
        """Return a slot to write one decoded picture into, or None.

        `latest`: returns a free slot, or the oldest ready one (its frame counts as `overwritten`), without waiting.
        None means that the new frame was counted as decoded and dropped (`all_leased`): go on with the next frame.
        `every`: waits up to `timeout_s` for a free slot. None counts nothing: call again for the same frame.
        After `close`: returns None and counts the frame as dropped (`shutdown`): stop writing.
        """
        with self._lock:
            assert self._writing is None, f"camera {self.camera}: the last picture was not committed or abandoned"
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
        """Make the filled slot's frame ready and count it as decoded. `meta` must be of the current epoch.

        If the ring has been closed, the frame is dropped (`shutdown`).
        """
        with self._lock:
            self._end_write(slot)
            self._decoded += 1
            if self._closed:
                self._free.append(slot.slot)
                self._count_drop(DropReason.SHUTDOWN)
                return
            self._ready.append((slot.slot, meta))
        self._on_ready()

    def abandon(self, slot: WriteSlot, reason: DropReason | None = None) -> None:
        """Give the slot back unwritten. With a `reason` the frame counts as decoded and dropped, else not at all."""
        with self._lock:
            self._end_write(slot)
            self._free.append(slot.slot)
            if reason is not None:
                self._decoded += 1
                self._count_drop(reason)

    def drop_decoded(self, reason: DropReason) -> None:
        """Count a frame that was decoded and is not wanted as decoded and dropped."""
        with self._lock:
            self._decoded += 1
            self._count_drop(reason)

    @property
    def frames_in_epoch(self) -> int:
        """Frames decoded in this epoch, dropped ones included: the number (`FrameMeta.frame`) of the next one."""
        return self._decoded - self._decoded_before_epoch

    def finish(self) -> None:
        """End the stream: no further frame will come. The ring is `finished` once the reader has taken the rest."""
        with self._lock:
            if self._writer_finished:
                return
            self._writer_finished = True
            self._discard_open_write()
            finished = self._is_finished()
        self._on_ready()
        if finished:
            self._end()

    # -- reader side ----------------------------------------------------------------------------------------------

    def peek(self) -> FrameMeta | None:
        """Return the oldest ready frame's metadata; None if none is ready."""
        if not self._ready:
            return None
        try:
            return self._ready[0][1]
        except IndexError:
            return None  # the writer has just overwritten it

    def lease(self, epoch: int | None = None) -> Lease | None:
        """Take the oldest ready frame, with `epoch` only if it is of that epoch; None if there is none."""
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
        """Give a lease back. Its frame counts as processed or, with a reason, as dropped."""
        with self._lock:
            assert self._leases.get(lease.slot) is lease, f"camera {self.camera}: frame {lease.meta.frame} isn't leased"
            del self._leases[lease.slot]
            self._free.append(lease.slot)
            if dropped is None:
                self._processed += 1
            else:
                self._count_drop(dropped)
            if self.policy == "every":
                self._changed.notify()
            finished = self._is_finished()
        if finished:
            self._on_ready()
            self._end()

    def drop_stale(self, now_ns: int, budget_ns: int) -> int:
        """Drop (`stale`) ready frames that arrived more than `budget_ns` before `now_ns`; none under `every`."""
        return self._drop_while(lambda dropped: now_ns - self._ready[0][1].arrival_ns > budget_ns)

    def drop_oldest(self, count: int) -> int:
        """Drop (`stale`) up to `count` ready frames, oldest first, for newer ones; none under `every`."""
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
            self._end()
        return dropped

    # -- both -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the ring: drop ready frames (`shutdown`) and wake waiting threads. May be called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._drop_ready(DropReason.SHUTDOWN)
            self._changed.notify_all()
            finished = self._is_finished()
        self._on_ready()
        if finished:
            self._end()

    def counts(self) -> RingCounts:
        """Return all counts at one instant."""
        with self._lock:
            return RingCounts(self._decoded, self._processed, dict(self._dropped), len(self._ready), len(self._leases))

    @property
    def decoded(self) -> int:
        """Frames decoded so far."""
        return self._decoded

    @property
    def processed(self) -> int:
        """Frames released as processed so far."""
        return self._processed

    @property
    def dropped(self) -> dict[DropReason, int]:
        """Frames dropped so far, by reason."""
        with self._lock:
            return dict(self._dropped)

    @property
    def ready(self) -> int:
        """Frames that the reader can take."""
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
        """Whether no further frame will become ready: `finish` or `close` was called."""
        return self._writer_finished or self._closed

    @property
    def finished(self) -> bool:
        """Whether the writer has finished and no frame is ready or leased."""
        with self._lock:
            return self._is_finished()

    @property
    def nbytes(self) -> int:
        """Bytes of memory of the pictures; 0 before the first epoch."""
        return sum(picture.nbytes for picture in self._memory if picture is not None)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _take(self, slot: int) -> WriteSlot:
        format = self._format
        assert format is not None
        # A slot that was leased when the epoch began still has the old epoch's memory.
        picture = self._memory[slot] if self._formats[slot] is format else self._prepare(slot, format)
        assert picture is not None
        self._writing = WriteSlot(picture, slot)
        return self._writing

    def _prepare(self, slot: int, format: SlotFormat) -> np.ndarray:
        """Return the slot's memory for this format, blackened if it changed: writers fill only the content's part."""
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

        # The array keeps the tensor, and so the page-locked memory, alive.
        return torch.zeros(shape, dtype=torch.uint8, pin_memory=True).numpy()

    def _end_write(self, slot: WriteSlot) -> None:
        assert self._writing is slot, f"camera {self.camera}: slot {slot.slot} isn't being written"
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

    def _end(self) -> None:
        """Free the memory, and report the end."""
        self._memory = [None] * self.slots
        self._formats = [None] * self.slots
        self._on_finished()


def _ignore() -> None:
    pass
