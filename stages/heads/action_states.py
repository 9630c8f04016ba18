"""Action states: steps people through the action LSTM, wave by wave, with their state kept in the state bank.

Owns the bank and, in mode `exact`, the feature window; both die with the model. A wave holds at most one step of each
person. Modes (docs/architecture.md, "The sliding window"): `staggered` keeps two states a person that start anew
alternately, `exact` recomputes over just the steps that the staggered window's answering state has seen (the
reference), `continuous` never starts anew.
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
from stages.heads.action_lstm import ActionLSTM
from stages.heads.frame_actions import FrameActions
from stages.settings import WindowMode
from telemetry.observer import Observer


class WaveStep(NamedTuple):
    """One person's step of a wave: who, when, and which row of the batch's graph states is theirs."""

    key: TrackKey
    media_us: int
    row: int


class ActionStates:
    """The action LSTM with the memory of every tracked person."""

    def __init__(
        self,
        lstm: ActionLSTM | FrameActions,
        capacity: int,
        steps: int,
        mode: WindowMode,
        device: torch.device,
        observer: Observer | None = None,
    ) -> None:
        """`capacity` people, a window of `steps` steps; `lstm` lies on `device`."""
        self._lstm = lstm
        self._device = device
        window = ContinuousWindow() if mode == "continuous" else StaggeredWindow(steps)
        self.bank = StateBank(capacity, lstm.layers, lstm.hidden, window, device, observer=observer)
        self._recent = FeatureWindow(capacity, steps, lstm.width, device) if mode == "exact" else None

    def waves(
        self, embedded: Tensor, waves: Sequence[Sequence[WaveStep]], committed: Callable[[TrackKey], None]
    ) -> list[tuple[Tensor, Sequence[WaveStep]]]:
        """Step all waves, in order. `embedded` [rows, width]: `ActionNetwork.action_inputs` of the graph states.

        Returns, for each group that was stepped at once, its logits [padded, actions] and the steps of their first
        rows; `committed` is called for each person as soon as their state is put back.
        """
        groups: list[tuple[Tensor, Sequence[WaveStep]]] = []
        for wave in waves:
            # More people at once than the bank has rows: in turns, the first then being the longest unseen.
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
        """The person's track has ended."""
        self.bank.release(key)

    def release_camera(self, camera: str) -> None:
        """The camera is gone."""
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
        numbers[2:4, len(group) :] = 1  # padded rows start from zeros: whatever scratch holds takes no part
        there = to_device(numbers, self._device)
        h, c = self.bank.gather(slots)
        seconds = there[4:6].to(embedded.dtype) * 1e-6
        logits, h, c = self._lstm.step(
            embedded.index_select(0, there[0]), seconds, there[2:4].bool(), h, c, answer=there[1]
        )
        self.bank.scatter(slots, h, c)
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
        there = to_device(numbers, self._device)
        recent.append(slots, embedded.index_select(0, there[0]), there[1])
        count = min(max(plan.seen for plan in plans), recent.steps)
        features, _, times = recent.last(slots, count)
        # The steps that count, moved to the front: what then follows them can't reach back.
        seen = there[2]
        index = (torch.arange(count, device=self._device) + (count - seen)[:, None]).clamp(max=count - 1)
        features = features.gather(1, index[..., None].expand(-1, -1, features.shape[-1]))
        times = times.gather(1, index)
        dt = torch.zeros(rows, count, dtype=embedded.dtype, device=self._device)
        dt[:, 1:] = times.diff(dim=1).clamp(0, MAX_STEP_US).to(embedded.dtype) * 1e-6
        logits = self._lstm.sequence(features, dt)
        return logits.gather(1, (seen - 1)[:, None, None].expand(-1, 1, logits.shape[-1])).squeeze(1)
