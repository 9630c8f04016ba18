"""The hidden state of every tracked person, on the device, at constant cost.

h and c are `[2, layers, capacity + 1, hidden]`: two states per person (the staggered window, `window.py`) and one
scratch row for padding. For a temporal convolution, the inputs of the last steps are kept too, as `[2, steps,
capacity + 1, width]`: per state, because the two begin at different steps. The host keeps the map from person to row,
so that no call waits for the device. A person keeps a row from `acquire` to `release` (the track ended), or until the
bank is full and the person is the one unseen longest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ring_buffers.transfer import to_device
from ring_buffers.window import ContinuousWindow, StaggeredWindow
from telemetry.observer import Observer

MAX_STEP_US = 2_000_000
"""Δt is clipped to this: a longer gap tells the model only that the person was away."""


class TrackKey(NamedTuple):
    """A tracked person. Track ids are never reused within an epoch, nor epochs within a run."""

    camera: str
    epoch: int
    track: int


class PersonStep(NamedTuple):
    """One person's next step: its number `n` from 0, the states to reset before it, the one that answers, and Δt."""

    n: int
    reset_a: bool
    reset_b: bool
    answer: int
    seen: int
    dt_a_us: int
    """Media time since the person's last step, µs, clipped to [0, 2 s]; 0 at a state's first step after a reset."""
    dt_b_us: int


class StateBankFullError(RuntimeError):
    """A wave holds more people than the bank has rows: raise `model.state_slots`, or lower `model.max_people`."""


class StateBank:
    """States of up to `capacity` people. For one thread, the inference thread."""

    def __init__(
        self,
        capacity: int,
        layers: int,
        hidden: int,
        window: StaggeredWindow | ContinuousWindow,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        observer: Observer | None = None,
        recent: tuple[int, int] = (0, 0),
    ) -> None:
        """Allocate zeros. `recent` is the number of last steps whose inputs are kept, and the inputs' length."""
        self.capacity = capacity
        self.window = window
        self.device = torch.device(device)
        sizes = [(layers, hidden), (layers, hidden)] + ([recent] if recent[0] else [])
        self._states = tuple(
            torch.zeros(2, rows, capacity + 1, width, dtype=dtype, device=self.device) for rows, width in sizes
        )
        self._observer = observer or Observer()
        # Longest unseen first: a key moves to the end whenever it is seen.
        self._slots: dict[TrackKey, int] = {}
        self._free = list(range(capacity - 1, -1, -1))
        self._steps = [0] * capacity
        self._last_us: list[int | None] = [None] * capacity

    # -- rows -----------------------------------------------------------------------------------------------------

    @property
    def used(self) -> int:
        """Rows in use."""
        return len(self._slots)

    @property
    def nbytes(self) -> int:
        """Bytes of memory on the device."""
        return sum(state.nbytes for state in self._states)

    def __contains__(self, key: TrackKey) -> bool:
        return key in self._slots

    def acquire(self, key: TrackKey) -> int:
        """Return the person's row and count the person as seen. A new person gets a zeroed row.

        In a full bank the person unseen longest is evicted. For a wave use `acquire_wave`, which never evicts one of
        its people for another.
        """
        slot = self._slots.pop(key, None)
        if slot is None:
            slot = self._free.pop() if self._free else self._evict()
            self._clear(slot)
        self._slots[key] = slot
        self._observer.state_bank(len(self._slots), self.capacity)
        return slot

    def acquire_wave(self, keys: Sequence[TrackKey], rows: int | None = None) -> list[int]:
        """Return the rows of the people of one wave, in order, padded with the scratch row to `rows` entries.

        Each person occurs once. Raises `StateBankFullError`, without any change, if there are more people than rows in
        the bank.
        """
        if len(keys) > self.capacity:
            raise StateBankFullError(
                f"{len(keys)} people in one wave, but the bank holds {self.capacity}: "
                "raise model.state_slots, or lower model.max_people"
            )
        for key in keys:
            self.touch(key)
        slots = [self.acquire(key) for key in keys]
        return slots + [self.capacity] * ((rows or 0) - len(slots))

    def touch(self, key: TrackKey) -> None:
        """Count the person as seen, without a step: others are evicted first. Unknown keys are ignored."""
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._slots[key] = slot

    def release(self, key: TrackKey) -> int | None:
        """Free and return the row of a person whose track has ended; None if there is none (already evicted)."""
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._free.append(slot)
            self._observer.state_bank(len(self._slots), self.capacity)
        return slot

    def release_camera(self, camera: str) -> list[TrackKey]:
        """Free the rows of all people of a camera that was removed or whose epoch ended; return their keys."""
        gone = [key for key in self._slots if key.camera == camera]
        self._free.extend(self._slots.pop(key) for key in gone)
        if gone:
            self._observer.state_bank(len(self._slots), self.capacity)
        return gone

    # -- steps ----------------------------------------------------------------------------------------------------

    def steps(self, slot: int) -> int:
        """Return the number of steps of the row's person."""
        return self._steps[slot]

    def next_step(self, slot: int, media_us: int) -> PersonStep:
        """Return the row's next step at this media time. Changes nothing: `advance` makes the step."""
        n = self._steps[slot]
        last = self._last_us[slot]
        elapsed = 0 if last is None else min(max(media_us - last, 0), MAX_STEP_US)
        reset_a, reset_b, answer, seen = self.window.plan(n)
        return PersonStep(n, reset_a, reset_b, answer, seen, 0 if reset_a else elapsed, 0 if reset_b else elapsed)

    def advance(self, slot: int, media_us: int) -> None:
        """Count a step of the row's person at this media time."""
        self._steps[slot] += 1
        self._last_us[slot] = media_us

    # -- the states -----------------------------------------------------------------------------------------------

    def indices(self, slots: Iterable[int]) -> Tensor:
        """Return the rows as an int64 tensor on the device, without waiting for the device.

        A row other than the scratch row occurs once.
        """
        return to_device(np.array(list(slots), np.int64), self.device)

    def gather(self, slots: Tensor) -> tuple[Tensor, ...]:
        """Return copies of h and c of these rows (from `indices`), each [2, layers, n, hidden].

        With `recent`, a third tensor [2, steps, n, width] has the inputs of the last steps, oldest first.
        """
        return tuple(state.index_select(2, slots) for state in self._states)

    def scatter(self, slots: Tensor, *states: Tensor) -> None:
        """Write back the tensors that `gather` returned for these rows."""
        for mine, state in zip(self._states, states, strict=True):
            mine.index_copy_(2, slots, state)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _evict(self) -> int:
        slot = self._slots.pop(next(iter(self._slots)))
        self._observer.state_evicted()
        return slot

    def _clear(self, slot: int) -> None:
        for state in self._states:
            state[:, :, slot].zero_()
        self._steps[slot] = 0
        self._last_us[slot] = None
