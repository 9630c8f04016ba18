"""StateBank: each person has a separate state, from the first step to the end of the track."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ring_buffers.state_bank import MAX_STEP_US, StateBank, StateBankFullError, TrackKey
from ring_buffers.window import ContinuousWindow, StaggeredWindow
from support.examples import examples
from telemetry.observer import Observer

torch.set_num_threads(1)


class Tally(Observer):
    def __init__(self) -> None:
        self.evicted = 0
        self.gauge = (0, 0)

    def state_evicted(self, count: int = 1) -> None:
        self.evicted += count

    def state_bank(self, used: int, capacity: int) -> None:
        self.gauge = (used, capacity)


def person(track: int, camera: str = "lobby", epoch: int = 1) -> TrackKey:
    return TrackKey(camera, epoch, track)


def bank_of(capacity: int, **arguments) -> StateBank:
    return StateBank(capacity, 1, 3, StaggeredWindow(8), **arguments)


def add_to(bank: StateBank, slots: list[int], amount: float) -> None:
    rows = bank.indices(slots)
    h, c = bank.gather(rows)
    bank.scatter(rows, h + amount, c - amount)


def value_of(bank: StateBank, slot: int) -> float:
    h, c = bank.gather(bank.indices([slot]))
    assert (h == h[0, 0, 0, 0]).all() and (c == -h).all()
    return float(h[0, 0, 0, 0])


def test_a_new_person_begins_with_a_zeroed_state_and_no_steps():
    bank = bank_of(1)
    slot = bank.acquire(person(1))
    add_to(bank, [slot], 3.0)
    bank.advance(slot, 1000)
    assert bank.release(person(1)) == slot
    assert bank.acquire(person(2)) == slot
    assert value_of(bank, slot) == 0.0
    assert bank.steps(slot) == 0


def test_the_longest_unseen_person_is_evicted_from_a_full_bank():
    tally = Tally()
    bank = bank_of(3, observer=tally)
    for track in (1, 2, 3):
        bank.acquire(person(track))
    bank.acquire(person(1))
    bank.touch(person(2))
    bank.acquire(person(4))
    assert person(3) not in bank
    assert (tally.evicted, bank.used) == (1, 3)
    assert tally.gauge == (3, 3)


def test_no_one_in_a_wave_is_evicted_for_another_in_it():
    bank = bank_of(3)
    slots = {track: bank.acquire(person(track)) for track in (1, 2, 3)}
    add_to(bank, [slots[1]], 2.0)
    # 1 is the longest unseen, but in the wave; 4 and 5 are new.
    wave = bank.acquire_wave([person(4), person(5), person(1)])
    assert wave[2] == slots[1]
    assert value_of(bank, slots[1]) == 2.0
    assert sorted(wave) == [0, 1, 2]


def test_a_wave_is_padded_with_the_scratch_row():
    bank = bank_of(4)
    wave = bank.acquire_wave([person(1), person(2)], rows=4)
    assert wave[2:] == [4, 4]
    add_to(bank, wave, 1.0)
    assert [value_of(bank, slot) for slot in wave[:2]] == [1.0, 1.0]


def test_a_removed_camera_frees_only_its_own_rows():
    bank = bank_of(4)
    bank.acquire(person(1, "lobby"))
    bank.acquire(person(1, "yard"))
    bank.acquire(person(2, "lobby", epoch=2))
    assert bank.release_camera("lobby") == [person(1, "lobby"), person(2, "lobby", epoch=2)]
    assert bank.used == 1 and person(1, "yard") in bank
    assert bank.release_camera("lobby") == []
    assert bank.release(person(1, "lobby")) is None


def test_the_first_step_after_a_reset_has_no_elapsed_time():
    bank = StateBank(1, 1, 3, StaggeredWindow(4))
    slot = bank.acquire(person(1))
    seen = []
    for n in range(7):
        step = bank.next_step(slot, n * 80_000)
        assert step == bank.next_step(slot, n * 80_000), "looking changes nothing"
        seen.append((step.n, step.dt_a_us, step.dt_b_us, step.answer, step.seen))
        bank.advance(slot, n * 80_000)
    t = 80_000
    assert seen == [
        (0, 0, 0, 0, 1), (1, t, t, 0, 2), (2, t, 0, 0, 3), (3, t, t, 0, 4), (4, 0, t, 1, 3), (5, t, t, 1, 4),
        (6, t, 0, 0, 3),
    ]  # fmt: skip


def test_elapsed_time_is_clipped():
    bank = StateBank(1, 1, 3, ContinuousWindow())
    slot = bank.acquire(person(1))
    bank.advance(slot, 10_000_000)
    assert bank.next_step(slot, 13_000_000).dt_a_us == MAX_STEP_US
    assert bank.next_step(slot, 9_000_000).dt_a_us == 0


def test_streaming_through_the_bank_equals_a_fresh_run_over_the_steps_that_the_answer_has_seen():
    torch.manual_seed(0)
    window = StaggeredWindow(8)
    bank = StateBank(6, layers=1, hidden=5, window=window)
    cell = torch.nn.LSTMCell(4, 5)
    people = [person(track, camera) for camera in ("lobby", "yard") for track in (1, 2)]
    inputs: dict[TrackKey, list[torch.Tensor]] = {key: [] for key in people}
    with torch.no_grad():
        for n in range(40):
            # Each person misses steps of their own; waves come in any order.
            wave = [key for index, key in enumerate(people) if (n * 7 + index) % 3]
            wave = wave[::-1] if n % 2 else wave
            slots = bank.acquire_wave(wave, rows=4)
            steps = [bank.next_step(slot, n * 80_000) for slot in slots[: len(wave)]]
            x = torch.zeros(4, 4)
            for row, key in enumerate(wave):
                inputs[key].append(torch.randn(4))
                x[row] = inputs[key][-1]
            rows = bank.indices(slots)
            h, c = bank.gather(rows)
            keep = torch.ones(2, 4, 1)
            for row, step in enumerate(steps):
                keep[0, row], keep[1, row] = 1.0 - step.reset_a, 1.0 - step.reset_b
            h, c = h[:, 0] * keep, c[:, 0] * keep
            h, c = (y.view(2, 1, 4, 5) for y in cell(x.repeat(2, 1), (h.flatten(0, 1), c.flatten(0, 1))))
            bank.scatter(rows, h, c)
            for row, (key, step) in enumerate(zip(wave, steps)):
                bank.advance(slots[row], n * 80_000)
                fresh = None
                for past in inputs[key][-step.seen :]:
                    fresh = cell(past[None], fresh)
                assert fresh is not None
                torch.testing.assert_close(h[step.answer, 0, row], fresh[0][0], rtol=0, atol=1e-6)
    assert max(len(past) for past in inputs.values()) > 3 * window.steps // 2 + 8


class BankMachine(RuleBasedStateMachine):
    """Any order of calls, compared with a dictionary of numbers in the order of their last use."""

    @initialize(capacity=st.integers(1, 5))
    def build(self, capacity):
        self.capacity = capacity
        self.bank = bank_of(capacity)
        self.slots: dict[TrackKey, int] = {}
        self.values: dict[TrackKey, float] = {}
        self.steps: dict[TrackKey, int] = {}

    keys = st.builds(TrackKey, st.sampled_from(["a", "b"]), st.integers(1, 2), st.integers(1, 3))

    @rule(keys=st.lists(keys, max_size=5, unique=True), amount=st.integers(1, 9), padding=st.integers(0, 2))
    def wave(self, keys, amount, padding):
        if len(keys) > self.capacity:
            with pytest.raises(StateBankFullError):
                self.bank.acquire_wave(keys)
            return
        slots = self.bank.acquire_wave(keys, len(keys) + padding)
        new = [key for key in keys if key not in self.values]
        overflow = max(0, len(self.values) + len(new) - self.capacity)
        gone = [key for key in self.values if key not in keys][:overflow]
        for key in gone:
            assert key not in self.bank
            del self.values[key], self.steps[key]
        self.slots |= dict(zip(keys, slots))
        for key in keys:
            self.values[key] = self.values.pop(key, 0.0) + amount
            self.steps[key] = self.steps.get(key, 0) + 1
        add_to(self.bank, slots, amount)
        for slot in slots[: len(keys)]:
            self.bank.advance(slot, 0)

    @rule(key=keys)
    def touch(self, key):
        self.bank.touch(key)
        if key in self.values:
            self.values[key] = self.values.pop(key)

    @rule(key=keys)
    def release(self, key):
        assert (self.bank.release(key) is None) == (key not in self.values)
        self.values.pop(key, None)
        self.steps.pop(key, None)

    @precondition(lambda self: len(self.values) > 2)
    @rule(camera=st.sampled_from(["a", "b"]))
    def release_camera(self, camera):
        gone = [key for key in self.values if key.camera == camera]
        assert self.bank.release_camera(camera) == gone
        for key in gone:
            del self.values[key], self.steps[key]

    @invariant()
    def everybody_has_their_own_state(self):
        assert self.bank.used == len(self.values)
        slots = []
        for key, value in self.values.items():
            assert key in self.bank
            slot = self.slots[key]
            slots.append(slot)
            assert value_of(self.bank, slot) == value
            assert self.bank.steps(slot) == self.steps[key]
        assert len(set(slots)) == len(slots)


TestBankMachine = BankMachine.TestCase
TestBankMachine.settings = settings(max_examples=examples(25), stateful_step_count=30, deadline=None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_nothing_waits_for_the_device():
    bank = StateBank(8, 2, 16, StaggeredWindow(8), device="cuda")
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for n in range(20):
            slots = bank.acquire_wave([person(n + track) for track in range(5)], rows=8)
            add_to(bank, slots, 1.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    slot = bank.acquire(person(19))
    # Person 19 was in waves 15 to 19.
    assert value_of(bank, slot) == 5.0
