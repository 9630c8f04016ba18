"""The action LSTM with the hidden state of each tracked person, stepped wave by wave.

A wave holds at most one step of each person. Window modes (docs/method.md, "Action over time"): `staggered` keeps two
states per person that are reset alternately; `exact` recomputes over the steps that the staggered window's answering
state has seen (the reference); `continuous` never resets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ring_buffers.feature_window import FeatureWindow
from ring_buffers.state_bank import MAX_STEP_US, PersonStep, StateBank, TrackKey
from ring_buffers.transfer import bucket, to_device
from ring_buffers.window import ContinuousWindow, StaggeredWindow
from stages.heads.action_lstm import ActionLSTM, FrameActions
from stages.settings import WindowMode
from telemetry.observer import Observer


class WaveStep(NamedTuple):
    """One person's step in a wave."""

    key: TrackKey
    media_us: int
    row: int
    """Row of the batch's graph states."""


class ActionStates:
    """The action LSTM with the hidden states of all tracked people, in a state bank."""

    def __init__(
        self,
        lstm: ActionLSTM | FrameActions,
        capacity: int,
        steps: int,
        mode: WindowMode,
        device: torch.device,
        observer: Observer | None = None,
    ) -> None:
        """Keep `capacity` people's states in a window of `steps` steps. `lstm` must be on `device`."""
        self._lstm = lstm
        self._device = device
        window = ContinuousWindow() if mode == "continuous" else StaggeredWindow(steps)
        self.bank = StateBank(capacity, lstm.layers, lstm.hidden, window, device, observer=observer, recent=lstm.recent)
        self._recent = FeatureWindow(capacity, steps, lstm.width, device) if mode == "exact" else None

    def waves(
        self, embedded: Tensor, waves: Sequence[Sequence[WaveStep]], committed: Callable[[TrackKey], None]
    ) -> list[tuple[Tensor, Sequence[WaveStep]]]:
        """Step all waves, in order.

        `embedded` [rows, width] is `ActionNetwork.action_inputs` of the graph states. `committed` is called for each
        person as soon as their new state is stored. Returns, for each group that was stepped at once, its logits
        [padded, actions] and its steps, which are the first rows.
        """
        groups: list[tuple[Tensor, Sequence[WaveStep]]] = []
        for wave in waves:
            # A wave with more people than the bank has slots is stepped in groups.
            for start in range(0, len(wave), self.bank.capacity):
                group = wave[start : start + self.bank.capacity]
                groups.append((self._step(embedded, group), group))
                for step in group:
                    committed(step.key)
        return groups

    @property
    def nbytes(self) -> int:
        """Memory on the device, bytes."""
        return self.bank.nbytes + (self._recent.nbytes if self._recent is not None else 0)

    def release(self, key: TrackKey) -> None:
        """Drop the state of a person whose track has ended."""
        self.bank.release(key)

    def release_camera(self, camera: str) -> None:
        """Drop all states of a camera that has been removed."""
        self.bank.release_camera(camera)

    def _step(self, embedded: Tensor, group: Sequence[WaveStep]) -> Tensor:
        bank = self.bank
        rows = bucket(len(group))
        new = [step.key not in bank for step in group]
        slots = bank.acquire_wave([step.key for step in group], rows)
        if self._recent is not None:
            for slot, is_new in zip(slots, new):
                if is_new:
                    self._recent.clear(slot)
        plans = [bank.next_step(slot, step.media_us) for slot, step in zip(slots, group)]
        device_slots = bank.indices(slots)
        logits = (
            self._staggered(embedded, group, plans, device_slots, rows)
            if self._recent is None
            else self._exact(self._recent, embedded, group, plans, device_slots, rows)
        )
        for slot, step in zip(slots, group):
            bank.advance(slot, step.media_us)
        return logits

    def _staggered(
        self, embedded: Tensor, group: Sequence[WaveStep], plans: Sequence[PersonStep], slots: Tensor, rows: int
    ) -> Tensor:
        numbers = np.zeros((6, rows), np.int64)
        for column, (step, plan) in enumerate(zip(group, plans, strict=True)):
            numbers[:, column] = (step.row, plan.answer, plan.reset_a, plan.reset_b, plan.dt_a_us, plan.dt_b_us)
        numbers[2:4, len(group) :] = 1  # padded rows are reset, so that what the scratch slot holds has no effect
        plan_rows = to_device(numbers, self._device)
        seconds = plan_rows[4:6].to(embedded.dtype) * 1e-6
        logits, states = self._lstm.step(
            embedded.index_select(0, plan_rows[0]),
            seconds,
            plan_rows[2:4].bool(),
            self.bank.gather(slots),
            answer=plan_rows[1],
        )
        self.bank.scatter(slots, *states)
        return logits

    def _exact(
        self,
        recent: FeatureWindow,
        embedded: Tensor,
        group: Sequence[WaveStep],
        plans: Sequence[PersonStep],
        slots: Tensor,
        rows: int,
    ) -> Tensor:
        numbers = np.zeros((3, rows), np.int64)
        for column, (step, plan) in enumerate(zip(group, plans, strict=True)):
            numbers[:, column] = (step.row, step.media_us, plan.seen)
        numbers[2, len(group) :] = 1
        plan_rows = to_device(numbers, self._device)
        recent.append(slots, embedded.index_select(0, plan_rows[0]), plan_rows[1])
        count = min(max(plan.seen for plan in plans), recent.steps)
        features, _, times = recent.last(slots, count)
        # Move the steps that count to the front; an LSTM's output does not depend on what follows.
        seen = plan_rows[2]
        index = (torch.arange(count, device=self._device) + (count - seen)[:, None]).clamp(max=count - 1)
        features = features.gather(1, index[..., None].expand(-1, -1, features.shape[-1]))
        times = times.gather(1, index)
        dt = torch.zeros(rows, count, dtype=embedded.dtype, device=self._device)
        dt[:, 1:] = times.diff(dim=1).clamp(0, MAX_STEP_US).to(embedded.dtype) * 1e-6
        logits = self._lstm.sequence(features, dt)
        return logits.gather(1, (seen - 1)[:, None, None].expand(-1, 1, logits.shape[-1])).squeeze(1)
